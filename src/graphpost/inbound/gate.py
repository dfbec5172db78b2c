"""Who may come in: connections and messages, in all and of one address.

Each kind of port has connections of its own, so that strangers on one keep nobody from the others.  Kept in memory and
bounded; an IPv6 network of 64 bits counts as one address.  Networks of the setting `unlimited` are not counted by
address.  Who comes over a Unix socket counts among all only.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from graphpost.auth.throttle import network_of
from graphpost.config import InboundSettings

_MINUTE: Final = 60.0
_KEYS: Final = 10_000


class Networks:
    """The addresses of a list of addresses and networks; what is no address, as over a Unix socket, is in it too."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(entry.strip("[]"), strict=False) for entry in entries]

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return True
        return any(parsed in network for network in self._networks)


class Gate:
    """`now` gives seconds of any clock that only goes forward."""

    def __init__(self, settings: InboundSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._unlimited = Networks(settings.unlimited)
        self._totals = Counter[str]()
        self._open: dict[str, int] = {}
        self._rates: dict[tuple[str, str], tuple[int, float]] = {}  # how many since when

    def key(self, address: str) -> str:
        """What an address is counted as; '' when it is not."""
        return "" if address in self._unlimited else network_of(address)

    def enter(self, key: str, kind: str) -> str:
        """Count a connection to a kind of port; why it is not let in, or ''.  Whoever is let in has to `leave`."""
        if self._totals[kind] >= self._settings.connections:
            return "too many connections"
        if key:
            if self._open.get(key, 0) >= self._settings.connections_per_address:
                return "too many connections from your address"
            if not self._count(("connection", key), self._settings.connections_per_minute):
                return "too many connections from your address in a minute"
            self._open[key] = self._open.get(key, 0) + 1
        self._totals[kind] += 1
        return ""

    def leave(self, key: str, kind: str) -> None:
        """A connection ended."""
        self._totals[kind] -= 1
        if key:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    def may_send(self, key: str) -> bool:
        """Count a message; whether it is not one too many."""
        return not key or self._count(("message", key), self._settings.messages_per_minute)

    def is_crowded(self, kind: str) -> bool:
        """Whether there is little room left: nobody is waited for long."""
        return self._totals[kind] * 4 >= self._settings.connections * 3

    def _count(self, key: tuple[str, str], limit: int) -> bool:
        now = self._now()
        count, since = self._rates.get(key, (0, now))
        if now - since >= _MINUTE:
            count, since = 0, now
        if count >= limit:
            return False
        self._rates.pop(key, None)
        self._rates[key] = (count + 1, since)
        while len(self._rates) > _KEYS:
            del self._rates[next(iter(self._rates))]
        return True
