"""What proxies in front of us say about a request, believed of trusted ones.

Only those are believed that the settings name, by address or network (`*`: all).  Each proxy appends who it was asked
by, so the client is the last one in the list that is no trusted proxy.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from graphpost.web.exchange import Exchange

_LONGEST: Final = 253  # characters of a host name


class Proxies:
    """The trusted ones: addresses and networks separated by commas, '' for none."""

    def __init__(self, trusted: str = "") -> None:
        names = {name.strip() for name in trusted.split(",")} - {""}
        self._all = "*" in names
        self._none = not names
        self._networks = []
        self._names = set()
        for name in names:
            try:
                self._networks.append(ip_network(name, strict=False))
            except ValueError:
                self._names.add(name)
        self._is_trusted = lru_cache(maxsize=4096)(self._find)

    def __contains__(self, host: str) -> bool:
        if self._none:
            return False
        return self._all or (len(host) <= _LONGEST and self._is_trusted(host))

    def _find(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return host in self._names
        return any(address in network for network in self._networks)

    def apply(self, exchange: Exchange) -> None:
        """Believe what a request's fields say of its scheme and its client."""
        scheme = exchange.headers.get("x-forwarded-proto", "").strip()
        if scheme in ("http", "https"):
            exchange.scheme = scheme
        hosts = [_host(name) for name in exchange.headers.get("x-forwarded-for", "").split(",")]
        client = (
            hosts[0] if self._all else next((name for name in reversed(hosts) if name not in self), hosts[0])
        )
        if client:
            exchange.client = client


def _host(text: str) -> str:
    """The host of `host`, `host:port`, `[v6]` or `[v6]:port`; anything else as it is."""
    text = text.strip()
    if text.startswith("["):
        host, bracket, _ = text[1:].partition("]")
        return host if bracket else text
    host, colon, port = text.partition(":")
    return host if colon and port.isdigit() else text
