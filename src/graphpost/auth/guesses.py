"""Guesses of passwords, secrets and codes: slowed down by all servers together.

Each process counts its own (`auth.throttle`).  Where several share a database, wrong ones are added up there too, in
cells of a minute.  What is guessed, and from where, stands there as a keyed digest, because people type passwords where
names belong: servers that share the keys of the issuer count together, and nobody else can tell what was typed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from graphpost.auth.throttle import WINDOW, Key, Throttle, limits_of
from graphpost.clock import SECOND, Clock, Instant
from graphpost.store import usage
from graphpost.store.queue.deliveries import BUCKETS
from graphpost.store.store import Store, Tx
from graphpost.store.usage import Place, Use

_CELL: Final = 60 * SECOND
_PURPOSE: Final = "graphpost guesses"
Derive = Callable[[str], bytes]


class Ledger:
    """What all servers have counted.  `derive` makes secret bytes, the same in each of them, for a purpose."""

    def __init__(self, store: Store, clock: Clock, derive: Derive) -> None:
        self._store = store
        self._clock = clock
        self._derive = derive
        self._pruned_at: Instant = 0

    async def is_over(self, limits: list[tuple[Key, int]]) -> bool:
        """Whether one of the counts has reached its limit."""
        now = self._clock.now()
        places = {self._place(key): limit for key, limit in limits}
        oldest = dict.fromkeys(places, now - WINDOW)
        found = await self._store.read(lambda tx: usage.find(tx, oldest))
        counts = {place: sum(n for began, n in cells if began <= now) for place, cells in found.items()}
        return any(counts[place] >= limit for place, limit in places.items())

    async def add(self, keys: list[Key]) -> None:
        """Count one of each; now and then what is over is removed."""
        now = self._clock.now()
        began = now - now % _CELL
        uses = sorted(Use(*self._place(key), began, began + WINDOW + _CELL, 1) for key in keys)
        is_due = not 0 <= now - self._pruned_at < WINDOW
        self._pruned_at = now if is_due else self._pruned_at

        def write(tx: Tx) -> None:
            usage.add(tx, uses)
            for bucket in range(BUCKETS) if is_due else ():
                usage.prune(tx, bucket, now)

        await self._store.write(write)

    async def forget(self, key: Key) -> None:
        """Begin anew with this one."""
        place = self._place(key)
        oldest = {place: self._clock.now() - WINDOW}
        if (await self._store.read(lambda tx: usage.find(tx, oldest)))[place]:
            await self._store.write(lambda tx: usage.forget(tx, place))

    def _place(self, key: Key) -> Place:
        """Each part with its length, so that none can pass for another's end."""
        text = "".join(f"{len(part)}:{part}" for part in key).encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._derive(_PURPOSE), text, "sha256")
        return digest[0] % BUCKETS, f"guesses {digest[:16].hex()}"


class Guesses:
    """Counts what was wrong, in this process and, with a ledger, in all.  `account` is any text that says what is guessed."""

    def __init__(self, clock: Clock, ledger: Ledger | None = None) -> None:
        self._own = Throttle(clock)
        self._ledger = ledger

    async def is_blocked(self, account: str, remote: str) -> bool:
        """Whether there were too many wrong ones to look at another.  Raises StoreError."""
        if self._own.is_blocked(account, remote):
            return True
        return self._ledger is not None and await self._ledger.is_over(limits_of(account, remote))

    async def failed(self, account: str, remote: str) -> None:
        """Count a wrong one.  Raises StoreError."""
        self._own.failed(account, remote)
        if self._ledger is not None:
            await self._ledger.add([key for key, _ in limits_of(account, remote)])

    async def succeeded(self, account: str, remote: str) -> None:
        """Forget the wrong ones of this account from this address: its owner mistyped.  Raises StoreError."""
        self._own.succeeded(account, remote)
        if self._ledger is not None:
            await self._ledger.forget(limits_of(account, remote)[0][0])
