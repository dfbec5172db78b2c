"""Housekeeping: what was done or deleted long ago is forgotten, and its files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import AccountSettings, DeliverySettings
from graphpost.delivery.settle import remove_unwanted
from graphpost.maillog import MailLog
from graphpost.store import contents, repeats
from graphpost.store.blobs import Blobs
from graphpost.store.directory import accounts, deleted
from graphpost.store.mailbox import forgetting, removals, uploads
from graphpost.store.queue import deliveries, destinations, reported, suppressions
from graphpost.store.store import Store, Tx

INTERVAL_SECONDS: Final = 3600.0
GRACE_SECONDS: Final = 86_400.0
PART_GRACE_SECONDS: Final = 3600.0
LEAST_DELETED_SECONDS: Final = 3600.0
RECOVERABLE_SECONDS: Final = 14 * 86_400.0  # Exchange keeps deleted items as long
_BATCH: Final = 100  # messages to a transaction


class Maintenance:
    """Runs once an hour."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        people: AccountSettings,
        settings: DeliverySettings,
        clock: Clock,
        log: MailLog,
        removals_seconds: float,
        repeats_seconds: float,
        keep_index: Callable[[int], Awaitable[None]],
        forget_records: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._people = people
        self._settings = settings
        self._clock = clock
        self._log = log
        self._removals_seconds = removals_seconds
        self._repeats_seconds = repeats_seconds
        self._keep_index = keep_index
        self._forget_records = forget_records

    async def run(self) -> None:
        while True:
            await self._clock.sleep(INTERVAL_SECONDS)
            try:
                await self.once()
            except Exception as error:  # nothing is lost by waiting for the next round
                self._log.problem("maintenance", error)

    async def once(self) -> None:
        """Prune queue and removals, sweep messages, uploads and files, and keep the indexes, now."""
        now, before = self._clock.now(), self._before(self._settings.retention_seconds)
        for bucket in range(deliveries.BUCKETS):
            while await self._store.write(lambda tx, b=bucket: forget(tx, b, before)):  # type: ignore[misc]
                pass
            await self._store.write(lambda tx, b=bucket: reported.prune(tx, b))  # type: ignore[misc]
        await self._store.write(lambda tx: destinations.forget(tx, before))
        await self._erase_mailboxes()
        boxes = await self._store.read(accounts.list_numbers)
        for box in boxes:
            await self._sweep_messages(box)
        await self._prune_removals(boxes)
        done = self._before(self._repeats_seconds)
        for box in boxes:
            while await self._store.write(lambda tx, box=box: repeats.prune(tx, box, done, _BATCH)):  # type: ignore[misc]
                pass
        await self._store.write(lambda tx: [uploads.remove_ended(tx, box, now) for box in boxes])
        await self._store.write(lambda tx: suppressions.remove_expired(tx, now))
        blobs = self._named(_blobs_of, boxes)
        await asyncio.to_thread(self._blobs.sweep, blobs, now, GRACE_SECONDS)
        parts = self._named(lambda tx, box, names: uploads.parts_of(tx, box).intersection(names), boxes)
        await asyncio.to_thread(self._blobs.parts.sweep, parts, now / SECOND - PART_GRACE_SECONDS)
        for box in boxes:
            await self._keep_index(box)
        await self._forget_records()

    async def _erase_mailboxes(self) -> None:
        """Erase what was deleted long enough ago, and not so shortly that somebody may still be filing in it."""
        before = self._before(max(self._people.deleted_seconds, LEAST_DELETED_SECONDS))
        for box in await self._store.read(lambda tx: deleted.due(tx, before)):
            if await self._store.write(lambda tx, box=box: deleted.begin_erasing(tx, box, before)):  # type: ignore[misc]
                while not await self._store.write(lambda tx, box=box: deleted.erase_step(tx, box)):  # type: ignore[misc]
                    pass
                self._log.erased(box)
        await self._store.write(deleted.forget_erased)

    def _named(
        self, names_of: Callable[[Tx, int, Collection[str]], set[str]], boxes: Iterable[int]
    ) -> Callable[[Collection[str]], set[str]]:
        """A function, for another thread, that says which of some files the store still names."""
        loop = asyncio.get_running_loop()

        def needed(names: Collection[str]) -> set[str]:
            reading = self._store.read(
                lambda tx: {name for box in boxes for name in names_of(tx, box, names)}
            )
            return asyncio.run_coroutine_threadsafe(reading, loop).result()

        return needed

    async def _sweep_messages(self, box: int) -> None:
        """Forget what is in no folder for nothing, and what could be recovered long enough."""
        outdated = self._before(RECOVERABLE_SECONDS)

        def found(tx: Tx) -> list[int]:
            old = forgetting.find_outdated(tx, box, outdated, _BATCH)
            return old or forgetting.find_unneeded(tx, box, _BATCH)

        while numbers := await self._store.read(found):
            await self._store.write(lambda tx, some=numbers: forgetting.sweep(tx, box, some))  # type: ignore[misc]

    async def _prune_removals(self, boxes: Iterable[int]) -> None:
        """Let go of what was removed so long ago that nobody is told any more."""
        now, before = self._clock.now(), self._before(self._removals_seconds)
        await self._store.write(lambda tx: removals.note_time(tx, now))
        until = await self._store.write(lambda tx: removals.forget(tx, before))
        for box in boxes:
            while await self._store.write(lambda tx, box=box: removals.prune(tx, box, until, _BATCH)):  # type: ignore[misc]
                pass

    def _before(self, seconds: float) -> Instant:
        return self._clock.now() - int(seconds * SECOND)


def _blobs_of(tx: Tx, mailbox_id: int, names: Collection[str]) -> set[str]:
    """Which of these blobs a mailbox has, or is about to have."""
    return contents.blobs_of(tx, mailbox_id, names) | uploads.blobs_of(tx, mailbox_id).intersection(names)


def forget(tx: Tx, bucket: int, before: Instant) -> int:
    """Prune finished deliveries; how many.

    A message that nobody wanted a copy of, and that was captured or cancelled, goes with the last of its deliveries.
    """
    pruned = deliveries.prune(tx, bucket, before)
    for delivery in pruned:
        if delivery.hidden and not deliveries.get(tx, delivery.mailbox_id, delivery.message_id):
            remove_unwanted(tx, delivery)
    return len(pruned)
