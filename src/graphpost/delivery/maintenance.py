"""Housekeeping: finished deliveries are forgotten, unreferenced blobs removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.settle import remove_unwanted
from graphpost.mail.mailbox import Directory
from graphpost.maillog import MailLog
from graphpost.store import contents, deliveries
from graphpost.store.blobs import Blobs
from graphpost.store.store import Store, Tx

INTERVAL_SECONDS: Final = 3600.0
GRACE_SECONDS: Final = 86_400.0


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
        """Prune the queue and sweep the blobs now."""
        before = self._clock.now() - int(self._settings.retention_seconds * SECOND)
        for bucket in range(deliveries.BUCKETS):
            while await self._store.write(lambda tx, b=bucket: forget(tx, b, before)):  # type: ignore[misc]
                pass
        boxes = list(self._directory().by_id)
        loop = asyncio.get_running_loop()

        def referenced(names: Collection[str]) -> set[str]:
            reading = self._store.read(
                lambda tx: {name for box in boxes for name in contents.blobs_of(tx, box, names)}
            )
            return asyncio.run_coroutine_threadsafe(reading, loop).result()

        await asyncio.to_thread(self._blobs.sweep, referenced, self._clock.now(), GRACE_SECONDS)


def forget(tx: Tx, bucket: int, before: Instant) -> int:
    """Prune finished deliveries; how many.

    A message that nobody wanted a copy of, and that was captured or cancelled, goes with the last of its deliveries.
    """
    pruned = deliveries.prune(tx, bucket, before)
    for delivery in pruned:
        if delivery.hidden and not deliveries.get(tx, delivery.mailbox_id, delivery.message_id):
            remove_unwanted(tx, delivery)
    return len(pruned)
