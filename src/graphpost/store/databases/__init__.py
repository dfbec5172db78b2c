"""The databases behind the seam: SQLite, PostgreSQL, and what both need."""
