"""Telling subscribers over HTTP what changed in mailboxes."""
