"""Who wants to be told of changes, and how far each has been told."""
