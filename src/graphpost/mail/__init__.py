"""The mail domain: addresses, messages, MIME and reports; no I/O."""
