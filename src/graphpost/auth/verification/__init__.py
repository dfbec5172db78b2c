"""Tokens checked, those of our own issuer and of others."""
