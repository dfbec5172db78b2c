"""Who is asking: tokens, principals, permissions, and the embedded issuer."""
