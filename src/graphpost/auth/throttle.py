"""Wrong passwords and codes slowed down in one process: so many in ten minutes.

It is kept in memory and bounded: when full, the oldest counters go, and the counter of the address that filled it is
a recent one.  Only what was wrong counts, so that many right ones at the same time are no trouble.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.mail.address import to_wire
from graphpost.mail.mailbox import Mailbox

WINDOW: Final = 600 * SECOND
_KEYS: Final = 10_000
PER_ACCOUNT_AND_ADDRESS: Final = 10
PER_ACCOUNT: Final = 100
PER_ADDRESS: Final = 100
Key = tuple[str, str]  # what is guessed and from where; '' for whatever and wherever


class Throttle:
    """Counts what was wrong.  `account` is any text that says what is being guessed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: dict[Key, tuple[int, Instant]] = {}

    def is_blocked(self, account: str, remote: str) -> bool:
        """Whether there were too many wrong ones to look at another."""
        return any(self._count(key) >= limit for key, limit in limits_of(account, remote))

    def failed(self, account: str, remote: str) -> None:
        """Count a wrong one."""
        for key, _ in limits_of(account, remote):
            self._add(key)
        self._bound()

    def _add(self, key: Key) -> None:
        count = self._count(key)
        since = self._tries[key][1] if count else self._clock.now()
        self._tries.pop(key, None)
        self._tries[key] = (count + 1, since)

    def _bound(self) -> None:
        while len(self._tries) > _KEYS:
            del self._tries[next(iter(self._tries))]

    def try_ask(self, remote: str) -> bool:
        """Count what anybody may ask for; False when there was too much of it from this address."""
        key = "", network_of(remote)
        if self._count(key) >= PER_ADDRESS:
            return False
        self._add(key)
        self._bound()
        return True

    def succeeded(self, account: str, remote: str) -> None:
        """Forget the wrong ones of this account from this address: its owner mistyped."""
        self._tries.pop(limits_of(account, remote)[0][0], None)

    def _count(self, key: Key) -> int:
        count, since = self._tries.get(key, (0, 0))
        return count if 0 <= self._clock.now() - since < WINDOW else 0


def limits_of(account: str, remote: str) -> list[tuple[Key, int]]:
    """What a guess counts for, that of the account from the address first, and how many wrong ones there may be."""
    account, network = "=" + account.casefold()[:320], network_of(remote)
    return [
        ((account, network), PER_ACCOUNT_AND_ADDRESS),
        ((account, ""), PER_ACCOUNT),
        (("", network), PER_ADDRESS),
    ]


def account_of(user: Mailbox | None, typed: str) -> str:
    """The account whose password is guessed: one, by whichever of its addresses; of nobody's, what was typed.

    Whatever that is, it is not what an application's secrets or the codes of devices are counted by.
    """
    return "user " + to_wire(typed.strip() if user is None else user.address)


def network_of(remote: str) -> str:
    """The address, or the /64 of an IPv6 address: whoever has one has all of them."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return remote[:64] or "?"
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
