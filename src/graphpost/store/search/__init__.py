"""The index of words, and searching a mailbox with it."""
