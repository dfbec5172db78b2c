"""What is in a mailbox: folders, messages, what waits beside them, and what changed."""
