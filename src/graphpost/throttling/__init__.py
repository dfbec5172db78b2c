"""Throttling: how much an application may ask, and a mailbox send, in some time."""
