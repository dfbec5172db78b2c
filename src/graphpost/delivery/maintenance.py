"""Housekeeping: what was done or deleted long ago is forgotten, and its blobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.settle import remove_unwanted
from graphpost.mail.mailbox import Directory
from graphpost.maillog import MailLog
from graphpost.store import contents, deliveries, forgetting
from graphpost.store.blobs import Blobs
from graphpost.store.store import Store, Tx

INTERVAL_SECONDS: Final = 3600.0
GRACE_SECONDS: Final = 86_400.0
RECOVERABLE_SECONDS: Final = 14 * 86_400.0  # Exchange keeps deleted items as long
_BATCH: Final = 100  # messages to a transaction


class Maintenance:
    """Runs once an hour."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        directory: Callable[[], Directory],
        settings: DeliverySettings,
        clock: Clock,
        log: MailLog,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._log = log

    async def run(self) -> None:
        while True:
            await self._clock.sleep(INTERVAL_SECONDS)
            try:
                await self.once()
            except Exception as error:  # nothing is lost by waiting for the next round
                self._log.problem("maintenance", error)

    async def once(self) -> None:
        """Prune the queue, then sweep messages and blobs now."""
        before = self._before(self._settings.retention_seconds)
        for bucket in range(deliveries.BUCKETS):
            while await self._store.write(lambda tx, b=bucket: forget(tx, b, before)):  # type: ignore[misc]
                pass
        boxes = list(self._directory().by_id)
        for box in boxes:
            await self._sweep_messages(box)
        loop = asyncio.get_running_loop()

        def referenced(names: Collection[str]) -> set[str]:
            reading = self._store.read(
                lambda tx: {name for box in boxes for name in contents.blobs_of(tx, box, names)}
            )
            return asyncio.run_coroutine_threadsafe(reading, loop).result()

        await asyncio.to_thread(self._blobs.sweep, referenced, self._clock.now(), GRACE_SECONDS)

    async def _sweep_messages(self, box: int) -> None:
        """Forget what is in no folder for nothing, and what could be recovered long enough."""
        outdated = self._before(RECOVERABLE_SECONDS)

        def found(tx: Tx) -> list[int]:
            old = forgetting.find_outdated(tx, box, outdated, _BATCH)
            return old or forgetting.find_unneeded(tx, box, _BATCH)

        while numbers := await self._store.read(found):
            await self._store.write(lambda tx, some=numbers: forgetting.sweep(tx, box, some))  # type: ignore[misc]

    def _before(self, seconds: float) -> Instant:
        return self._clock.now() - int(seconds * SECOND)


def forget(tx: Tx, bucket: int, before: Instant) -> int:
    """Prune finished deliveries; how many.

    A message that nobody wanted a copy of, and that was captured or cancelled, goes with the last of its deliveries.
    """
    pruned = deliveries.prune(tx, bucket, before)
    for delivery in pruned:
        if delivery.hidden and not deliveries.get(tx, delivery.mailbox_id, delivery.message_id):
            remove_unwanted(tx, delivery)
    return len(pruned)
