"""Gates: a destination that is dead gets no mail, from this worker nor another."""

from __future__ import annotations

from graphpost.clock import Clock
from graphpost.config import DeliverySettings
from graphpost.delivery.queue.lane import Job, Lane
from graphpost.delivery.queue.lanes import Lanes
from graphpost.delivery.queue.leases import Leases
from graphpost.delivery.queue.waiting import LOOK_AGAIN, Waiting
from graphpost.delivery.schedule import hold_until
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import destinations
from graphpost.store.store import Store
from graphpost.transport.courier import Reply


class Gates:
    """Closes and opens them; `waiting` tells senders of what waits behind."""

    def __init__(
        self,
        *,
        store: Store,
        lanes: Lanes,
        leases: Leases,
        waiting: Waiting,
        settings: DeliverySettings,
        clock: Clock,
        log: MailLog,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._leases = leases
        self._waiting = waiting
        self._settings = settings
        self._clock = clock
        self._log = log

    async def remember(self) -> None:
        """Look after those that a server closed which is gone: who waits behind them is told in time.

        What reached nobody from there may from here, so fresh mail is tried, one at a time.  Raises StoreError.
        """
        now = self._clock.now()
        found = await self._store.read(lambda tx: destinations.held(tx, now))
        for destination, (until, failures) in found.items():
            lane = self._lanes.lane(destination)
            if not lane.is_held(now):
                lane.shut(until, failures)
                lane.seen_at, lane.look_at = 0, now + LOOK_AGAIN

    async def close(self, lane: Lane, said: Reply) -> None:
        """The destination is dead, because of what it said last."""
        now = self._clock.now()
        lane.said = said
        lane.look_at = now + LOOK_AGAIN
        lane.held_until = hold_until(now, lane.failures, self._settings.retry_seconds)
        await self._tell(lane)

    async def open(self, lane: Lane) -> None:
        """It works after all: an attempt that began before has succeeded."""
        lane.held_until = lane.shut_until = 0
        await self._tell(lane)

    async def _tell(self, lane: Lane) -> None:
        """Every other worker, by the database."""
        until, failures = lane.held_until, lane.failures
        try:
            await self._store.write(lambda tx: destinations.hold(tx, lane.destination, until, failures))
        except StoreError as error:
            self._log.problem("queue", error)

    async def stand_down(self, lane: Lane) -> None:
        """Leave the lane's jobs to later, but for those whose time is up or whose sender is to be told."""
        now = self._clock.now()
        patient: list[Job] = []
        overdue: list[Job] = []
        for job in lane.drained():
            (overdue if self._waiting.is_overdue(job.delivery, now) else patient).append(job)
        self._lanes.let_go(lane, len(patient))
        await self._leases.give_back([job.delivery for job in patient])
        await self._waiting.tell(lane, overdue)
