"""Wrong passwords and codes slowed down: so many tries for an account, an address, or both, in ten minutes.

A try counts before it is made, so that tries at the same time count too; a right one is taken back.  It is kept in
memory and bounded: when full, the oldest counters go, and the counter of the address that filled it is a recent one.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from graphpost.clock import SECOND, Clock, Instant

_WINDOW: Final = 600 * SECOND
_KEYS: Final = 10_000
PER_ACCOUNT_AND_ADDRESS: Final = 10
PER_ACCOUNT: Final = 100
PER_ADDRESS: Final = 100


class Throttle:
    """Counts tries.  `account` is any text that says what is being guessed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: dict[tuple[str, str], tuple[int, Instant]] = {}

    def take(self, account: str, remote: str) -> bool:
        """Count a try; False (and not counted) when there were too many."""
        limits = self._limits("=" + account.casefold()[:320], _network(remote))
        if any(self._count(key) >= limit for key, limit in limits):
            return False
        for key, _ in limits:
            self._add(key, 1)
        return True

    def give_back(self, account: str, remote: str) -> None:
        """The try was a right one."""
        for key, _ in self._limits("=" + account.casefold()[:320], _network(remote)):
            self._add(key, -1)

    def _limits(self, account: str, network: str) -> list[tuple[tuple[str, str], int]]:
        return [
            ((account, network), PER_ACCOUNT_AND_ADDRESS),
            ((account, ""), PER_ACCOUNT),
            (("", network), PER_ADDRESS),
        ]

    def _count(self, key: tuple[str, str]) -> int:
        count, since = self._tries.get(key, (0, 0))
        return count if since + _WINDOW > self._clock.now() else 0

    def _add(self, key: tuple[str, str], change: int) -> None:
        count = max(0, self._count(key) + change)
        since = self._tries[key][1] if self._count(key) else self._clock.now()
        self._tries.pop(key, None)
        if count:
            self._tries[key] = (count, since)
        while len(self._tries) > _KEYS:
            del self._tries[next(iter(self._tries))]


def _network(remote: str) -> str:
    """The address, or the /64 of an IPv6 address: whoever has one has all of them."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return remote[:64] or "?"
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
