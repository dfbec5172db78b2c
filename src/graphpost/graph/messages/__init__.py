"""Messages: listed, searched, read, changed, moved."""
