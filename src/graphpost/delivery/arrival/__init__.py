"""What a message becomes in the mailboxes of this server that it has come to."""
