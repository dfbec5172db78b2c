"""The delivery queue, who works on it, and what is known of where it leads."""
