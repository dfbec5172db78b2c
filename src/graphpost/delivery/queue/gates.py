"""Gates: a destination that is dead gets no mail, from this worker nor another.

What waits behind a gate is not attempted, but it is looked at: senders are told of a delay, and what is too old comes back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.queue.attempt import Attempt, Attempts
from graphpost.delivery.queue.lane import Job, Lane
from graphpost.delivery.queue.lanes import Lanes
from graphpost.delivery.queue.leases import Leases
from graphpost.delivery.schedule import hold_until
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store import destinations
from graphpost.store.deliveries import Delivery
from graphpost.store.store import Store
from graphpost.transport.courier import Reply

LOOK_AGAIN: Final = 60 * SECOND
LOOK_AT_ONCE: Final = 100

Settle = Callable[[Job, Attempt], Awaitable[None]]


class Gates:
    """Closes, opens and looks behind them; `settle` takes what is concluded without an attempt."""

    def __init__(
        self,
        *,
        store: Store,
        attempts: Attempts,
        lanes: Lanes,
        leases: Leases,
        settle: Settle,
        settings: DeliverySettings,
        clock: Clock,
        log: MailLog,
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._lanes = lanes
        self._leases = leases
        self._settle = settle
        self._settings = settings
        self._clock = clock
        self._log = log
        self._is_looking = False

    async def close(self, lane: Lane, said: Reply) -> None:
        """The destination is dead, because of what it said last."""
        now = self._clock.now()
        lane.said = said
        lane.look_at = now + LOOK_AGAIN
        lane.held_until = hold_until(now, lane.failures, self._settings.retry_seconds)
        await self._tell(lane)

    async def open(self, lane: Lane) -> None:
        """It works after all: an attempt that began before has succeeded."""
        lane.held_until = 0
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
        jobs = lane.drained()
        patient = []
        for job in jobs:
            if self._is_overdue(job.delivery, now):
                await self._settle(job, await self._attempts.hold_back(job, lane.said))
            else:
                patient.append(job)
        await self._leases.give_back([job.delivery for job in patient])
        self._lanes.let_go(lane, len(jobs))

    def look_behind(self) -> Coroutine[Any, Any, None] | None:
        """Work to be done now: to deal with what has waited so long that something is to be said about it."""
        now = self._clock.now()
        closed = [lane for lane in self._lanes if now >= lane.look_at and lane.is_held(now)]
        if self._is_looking or not closed:
            return None
        self._is_looking = True
        return self._look_behind_all(closed)

    async def _look_behind_all(self, closed: list[Lane]) -> None:
        """Gate by gate: however many there are, little of what is behind them is in memory."""
        try:
            for lane in closed:
                await self._look_behind(lane)
                lane.look_at = self._clock.now() + LOOK_AGAIN
        except StoreError as error:
            self._log.problem("queue", error)
        finally:
            self._is_looking = False

    async def _look_behind(self, lane: Lane) -> None:
        settings = self._settings
        patience = int(min(settings.delay_warning_seconds, settings.expiry_seconds) * SECOND)
        while lane.is_held(now := self._clock.now()):
            claimed = await self._leases.claim_overdue(lane.destination, now - patience, LOOK_AT_ONCE)
            for delivery in claimed:
                await self._settle(Job(delivery), await self._attempts.hold_back(Job(delivery), lane.said))
            if len(claimed) < LOOK_AT_ONCE:
                return

    def _is_overdue(self, delivery: Delivery, now: Instant) -> bool:
        warn_at = delivery.created_at + int(self._settings.delay_warning_seconds * SECOND)
        return now >= delivery.expires_at or (now >= warn_at and not delivery.warned)
