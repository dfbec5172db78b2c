"""For the administrator: operations, health and metrics."""
