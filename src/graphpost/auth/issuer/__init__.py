"""The embedded issuer: its endpoints and pages, from a sign-in to tokens."""
