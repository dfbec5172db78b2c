"""From an accepted message to its outcome: submit, queue worker, settle."""
