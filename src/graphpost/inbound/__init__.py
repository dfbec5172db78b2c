"""Mail comes in: an SMTP and LMTP server for the mailboxes that are here."""
