"""Couriers for mail that leaves, as safely as it has to: smarthosts, exchangers."""
