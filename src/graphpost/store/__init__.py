"""The only SQL: one Store seam over SQLite and PostgreSQL."""
