"""What is done in the background, and no message waits for."""
