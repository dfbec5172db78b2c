"""Names of domains and hosts in settings."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from graphpost.errors import ConfigurationError

DOMAIN: Final = re.compile(r"(?=.{1,253}$)[^\W_]([\w-]{0,61}[^\W_])?(\.[^\W_]([\w-]{0,61}[^\W_])?)*")


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach a listener on that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_domain(text: str, key: str) -> None:
    """Raise unless it has the shape of a domain."""
    if not DOMAIN.fullmatch(text):
        raise ConfigurationError(key, f"{text!r} is not a domain")


def check_host(text: str, key: str) -> None:
    """Raise unless it is an address or has the shape of a host's name."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        if not DOMAIN.fullmatch(text):
            raise ConfigurationError(key, f"{text!r} is not a host name or an address") from None
