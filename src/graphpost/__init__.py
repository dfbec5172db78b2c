"""A self-hosted mail server whose front door is Microsoft Graph."""

__version__ = "0.1.0"
