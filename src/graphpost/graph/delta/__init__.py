"""Delta queries: rounds of changes in messages and in folders."""
