"""Reports: a conclusion's failures, delays and successes as mail for the sender's Inbox (RFC 3464)."""
