"""Looking after a server: operations on queue and accounts, health, metrics, and what it tells at start."""
