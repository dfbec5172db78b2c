"""Request bodies in: bytes as JSON, JSON as values, values as a message."""
