"""The limits that a profile stands for; 0 is none."""

from __future__ import annotations

from typing import Final

from graphpost.config import ThrottlingSettings

EXCHANGE_ONLINE: Final = ThrottlingSettings(
    profile="exchange-online",
    requests=10_000,
    concurrency=4,
    upload_bytes=150 * 1024 * 1024,
    application_requests=130_000,
    messages=30,
    recipients=10_000,
)


def limits_of(settings: ThrottlingSettings) -> ThrottlingSettings:
    """The settings with the numbers of their profile."""
    match settings.profile:
        case "off":
            return ThrottlingSettings()
        case "exchange-online":
            return EXCHANGE_ONLINE
        case "custom":
            return settings


def limits_requests(limits: ThrottlingSettings) -> bool:
    """Whether any request can be refused."""
    return bool(limits.requests or limits.concurrency or limits.upload_bytes or limits.application_requests)


def limits_messages(limits: ThrottlingSettings) -> bool:
    """Whether any message can be held back."""
    return bool(limits.messages or limits.recipients)
