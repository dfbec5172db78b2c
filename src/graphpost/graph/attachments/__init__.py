"""Attachments: read, added, deleted, uploaded in slices."""
