"""Mail folders: read and changed."""
