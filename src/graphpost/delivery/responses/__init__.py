"""Mail that nobody wrote (RFC 3834): reports, receipts, automatic replies."""
