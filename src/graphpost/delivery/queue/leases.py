"""Leases: what this process claims from the queue, renews, and gives back.

Every delivery that is worked on is leased: its row says when the lease ends, and nobody else touches it before.
Who could not renew its leases in time (the store was away, the clock leapt) does so before it claims: else it would find
what it has in hand, and deliver it twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import BUCKETS, Delivery
from graphpost.store.store import Store, Tx

RENEWALS_PER_LEASE: Final = 3
TOGETHER: Final = 500  # rows that one transaction renews or gives back

Key = tuple[int, int, int]


class Ask(Struct, frozen=True):
    """Up to `room` deliveries to a destination, the first of which are in the first of these buckets."""

    destination: str
    buckets: tuple[int, ...]
    room: int


class Found(Struct, frozen=True):
    """What an Ask led to; `left` are the buckets that may have more, the one that gave last at the end."""

    deliveries: list[Delivery]
    left: tuple[int, ...]


class Leases:
    """`owner` tells this process's leases from others'."""

    def __init__(
        self, store: Store, settings: DeliverySettings, clock: Clock, log: MailLog, owner: int
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._log = log
        self._mine: dict[Key, Delivery] = {}
        self._sure_from: Instant = 0
        self._sure_until: Instant = 0
        self.owner = owner

    def end(self, now: Instant) -> Instant:
        """When a lease that begins now runs out."""
        return now + int(self._settings.lease_seconds * SECOND)

    def began(self, delivery: Delivery) -> Instant:
        """When one that was claimed was."""
        return delivery.due_at - int(self._settings.lease_seconds * SECOND)

    def add(self, delivery: Delivery) -> None:
        """It is ours: its lease is to be renewed."""
        self._mine[delivery.mailbox_id, delivery.message_id, delivery.position] = delivery

    def forget(self, delivery: Delivery) -> None:
        """It is ours no longer; unless it was claimed anew meanwhile, which may be as the same attempt."""
        key = delivery.mailbox_id, delivery.message_id, delivery.position
        if self._mine.get(key) is delivery:
            del self._mine[key]

    async def release_all(self) -> None:
        """End the leases of an earlier process; only where there is but one at a time."""
        now = self._clock.now()
        interrupted = await self._store.write(
            lambda tx: sum(deliveries.release(tx, bucket, now) for bucket in range(BUCKETS))
        )
        if interrupted:
            self._log.interrupted(interrupted)

    async def claim(self, asks: Sequence[Ask]) -> list[Found]:
        """What is due, for many destinations in one transaction."""
        now = await self.renew_late()
        until, owner = self.end(now), self.owner
        return await self._store.write(lambda tx: [_claim(tx, ask, now, until, owner) for ask in asks])

    async def claim_these(self, some: Sequence[Delivery]) -> list[Delivery]:
        """Those of some that are still due."""
        now = await self.renew_late()
        until, owner = self.end(now), self.owner

        def claim(tx: Tx) -> list[Delivery | None]:
            return [deliveries.claim_one(tx, each, now, until, owner) for each in some]

        return [claimed for claimed in await self._store.write(claim) if claimed is not None]

    async def give_back(self, some: Sequence[Delivery]) -> None:
        """Un-lease deliveries that were not attempted; they stay due, behind their destination's gate."""
        now, owner = self._clock.now(), self.owner
        try:
            for part in _parts(some):
                await self._store.write(
                    lambda tx, part=part: [deliveries.give_back(tx, d, owner, now) for d in part]  # type: ignore[misc]
                )
        except StoreError as error:
            self._log.problem("queue", error)  # the leases run out by themselves
        for delivery in some:
            self.forget(delivery)

    async def renew_forever(self) -> None:
        while True:
            await self._clock.sleep(self._settings.lease_seconds / RENEWALS_PER_LEASE)
            try:
                await self._renew(self._clock.now())
            except Exception as error:  # there is time for another try before the leases end
                self._log.problem("lease", error)

    async def renew_late(self) -> Instant:
        """The present, at which none of our leases has ended any more.  Raises StoreError."""
        now = self._clock.now()
        if not self._sure_from <= now < self._sure_until:
            await self._renew(now)
        return now

    async def _renew(self, now: Instant) -> None:
        until = self.end(now)
        for part in _parts(list(self._mine.values())):
            await self._store.write(
                lambda tx, part=part: deliveries.renew(tx, part, self.owner, until)  # type: ignore[misc]
            )
        self._sure_from, self._sure_until = now, until


def _claim(tx: Tx, ask: Ask, due: Instant, until: Instant, owner: int) -> Found:
    """From one bucket after the other; of a bucket that gave as many as it could give, more may be left."""
    found: list[Delivery] = []
    left = ask.buckets
    while left and (room := ask.room - len(found)) > 0:
        bucket, *others = left
        some = deliveries.claim(tx, bucket, ask.destination, due, until, owner, room)
        found += some
        left = (*others, bucket) if len(some) == room else tuple(others)
    return Found(found, left)


def _parts(some: Sequence[Delivery]) -> Iterable[Sequence[Delivery]]:
    return (some[start : start + TOGETHER] for start in range(0, len(some), TOGETHER))
