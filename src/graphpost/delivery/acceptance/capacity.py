"""Capacity: how much may wait in the queue before nothing more is accepted.

What waits is counted in memory as it is accepted and settled here, and corrected by reading now and then, for other
processes accept and settle too; so the bound is kept about, not exactly.  Mail for mailboxes here passes a full queue,
because it does not stay there, and so does what is not submitted by clients: reports, and drafts whose time has come.
Too little space on the disk lets nothing pass that clients submit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from graphpost.clock import SECOND, Clock, rest_after
from graphpost.config import DeliverySettings
from graphpost.delivery.routing import LOCAL
from graphpost.delivery.settle import Conclusion
from graphpost.errors import Unavailable
from graphpost.mail.message import Address
from graphpost.maillog import MailLog
from graphpost.store.queue import deliveries
from graphpost.store.store import Store

RETRY_SECONDS: Final = 30
LOOK_SECONDS: Final = 2.0


class Capacity:
    """Of one process.  Without a bound it is not made, and nothing is counted."""

    def __init__(
        self, store: Store, settings: DeliverySettings, directory: Path, clock: Clock, log: MailLog
    ) -> None:
        self.waiting = 0
        self.is_short = False
        self._most = settings.queue_deliveries
        self._free = settings.free_bytes
        self._store = store
        self._directory = directory
        self._clock = clock
        self._log = log
        self._is_full = False  # as the log has it

    @property
    def is_full(self) -> bool:
        return 0 < self._most <= self.waiting

    def check(self, recipients: Iterable[Address], destination_of: Callable[[str], str]) -> None:
        """Raise Unavailable when a message to these recipients is not to be accepted at present."""
        if self.is_short or (
            self.is_full and any(destination_of(each.address) != LOCAL for each in recipients)
        ):
            raise Unavailable(
                "The service is temporarily unavailable. Please try again later.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )

    def add(self, count: int) -> None:
        """So many deliveries were accepted."""
        self.waiting += count

    def note(self, conclusion: Conclusion) -> None:
        """An attempt was settled."""
        if conclusion.delivery.state != deliveries.QUEUED:
            self.waiting -= 1

    async def look(self) -> None:
        """Count what waits, and look at the disk."""
        if self._most:
            self.waiting, _ = await self._store.read(deliveries.depth)
        self.is_short = bool(self._free) and free_bytes(self._directory) < self._free
        is_full = self.is_full or self.is_short
        if is_full != self._is_full:
            self._is_full = is_full
            self._log.capacity(self.waiting, is_short=self.is_short, is_full=self.is_full)

    async def watch(self) -> None:
        """Look for ever, the more seldom the longer it takes."""
        while True:
            began = self._clock.now()
            try:
                await self.look()
            except Exception as error:  # the next look may succeed; the old count serves meanwhile
                self._log.problem("capacity", error)
            took = (self._clock.now() - began) / SECOND
            await self._clock.sleep(rest_after(took, LOOK_SECONDS))


def free_bytes(directory: Path) -> int:
    """What may still be written on a directory's disk by who is not root."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize
