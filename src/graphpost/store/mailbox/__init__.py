"""What is in a mailbox: folders, messages, and what changed."""
