"""Test doubles that ship: a scripted SMTP peer, a jumping clock, servers."""
