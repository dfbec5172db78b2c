"""Pacing: to a destination with a rate, messages go one by one at even intervals.

The times are taken from the database in blocks of a second's worth, so that all servers together keep to the rate, also
over restarts.  What is taken and not used is lost: fewer messages go then, never more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.delivery.queue.lane import Lane
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import destinations
from graphpost.store.store import Store

MINUTE: Final = 60 * SECOND
RETRY_SECONDS: Final = 1.0


class Pacer:
    """Gives lanes the tickets that their deliveries need; `start` lets one more be under way."""

    def __init__(self, store: Store, start: Callable[[Lane], None], clock: Clock, log: MailLog) -> None:
        self._store = store
        self._start = start
        self._clock = clock
        self._log = log

    async def run(self, lane: Lane) -> None:
        """Until everything that waits in a lane has a ticket."""
        try:
            while (wanted := lane.waiting - lane.tickets) > 0:
                await self._give(lane, min(wanted, max(1, lane.limits.per_minute // 60)))
        finally:
            lane.is_paced = False

    async def _give(self, lane: Lane, number: int) -> None:
        interval = MINUTE // lane.limits.per_minute
        now = self._clock.now()
        try:
            first = await self._store.write(
                lambda tx: destinations.take_times(tx, lane.destination, now, number, interval)
            )
        except StoreError as error:
            self._log.problem("queue", error)
            await self._clock.sleep(RETRY_SECONDS)
            return
        for place in range(number):
            await self._sleep_until(first + place * interval)
            if lane.waiting > lane.tickets:
                lane.tickets += 1
                self._start(lane)

    async def _sleep_until(self, instant: Instant) -> None:
        if (wait := instant - self._clock.now()) > 0:
            await self._clock.sleep(wait / SECOND)
