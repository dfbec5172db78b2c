"""From an accepted message to its outcome, and what that becomes in mailboxes."""
