"""Subscriptions to change notifications, and how Graph words these."""
