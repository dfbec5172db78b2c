"""From an accepted message to its outcome: submit, routing, worker, settle."""
