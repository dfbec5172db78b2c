"""Looking after a server: operations, health, metrics, and what it tells at start."""
