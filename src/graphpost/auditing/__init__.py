"""Who did what: records of it, in a table and in files."""
