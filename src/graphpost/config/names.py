"""Names of domains and hosts in settings, in letters or in A-labels (IDNA 2008)."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import idna

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


def a_label(name: str) -> str:
    """The name as DNS, TLS and SMTP have it; '' when there is none such.  Addresses stay as they are."""
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def check_domain(text: str, key: str) -> None:
    """Raise unless it has the shape of a domain."""
    if not DOMAIN.fullmatch(text) or not a_label(text):
        raise ConfigurationError(key, f"{text!r} is not a domain")


def check_host(text: str, key: str) -> None:
    """Raise unless it is an address or has the shape of a host's name."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        if not DOMAIN.fullmatch(text) or not a_label(text):
            raise ConfigurationError(key, f"{text!r} is not a host name or an address") from None


def check_own_name(text: str, key: str) -> None:
    """Raise unless it can be said in EHLO: a domain, or an address in brackets (RFC 5321, 4.1.3)."""
    if not text.startswith("["):
        check_domain(text, key)
        return
    try:
        ipaddress.ip_address(text.removesuffix("]")[1:].removeprefix("IPv6:"))
    except ValueError:
        raise ConfigurationError(key, f"{text!r} is not an address literal") from None


def check_ip(text: str, key: str) -> None:
    """Raise unless it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ConfigurationError(key, f"{text!r} is not an IP address") from None
