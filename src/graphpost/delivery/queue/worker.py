"""The worker: sees what is queued to its outcome, destination by destination.

A fresh submission is inserted already leased (`reserve`) and handed over in memory, so that the usual message is never
read back; the rest is fetched by the claimer.  A process that dies leaves its leases behind; they are released when
the server starts again, or by others that miss its heartbeat, or run out.  The attempt is on record before any byte leaves, so the only window for a
duplicate is between the other side's final reply and the commit of `settle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from functools import partial
from typing import Any

from graphpost.clock import Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.queue.attempt import Attempt, Attempts
from graphpost.delivery.queue.claimer import Claimer
from graphpost.delivery.queue.gates import Gates
from graphpost.delivery.queue.heartbeat import Heartbeat
from graphpost.delivery.queue.lane import Job, Lane, Limits
from graphpost.delivery.queue.lanes import ALL_BUCKETS, Lanes
from graphpost.delivery.queue.leases import Leases
from graphpost.delivery.queue.pacing import Pacer
from graphpost.delivery.queue.rerouting import Rerouter
from graphpost.delivery.queue.settler import Settler
from graphpost.delivery.queue.waiting import Waiting
from graphpost.maillog import MailLog
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Store


class Worker:
    """Runs in the server's event loop; `owner` tells this process's leases from others'."""

    def __init__(
        self,
        *,
        store: Store,
        attempts: Attempts,
        settler: Settler,
        rerouter: Rerouter,
        settings: DeliverySettings,
        limits_of: Callable[[str], Limits],
        clock: Clock,
        log: MailLog,
        owner: int,
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._settler = settler
        self._rerouter = rerouter
        self._settings = settings
        self._clock = clock
        self._log = log
        self._owner = owner
        self._lanes = lanes = Lanes(limits_of, settings.connections, settings.active_messages)
        self._leases = leases = Leases(store, settings, clock, log, owner)
        self._claimer = Claimer(
            store=store,
            lanes=lanes,
            leases=leases,
            rerouter=rerouter,
            take=self._take,
            settings=settings,
            clock=clock,
            log=log,
        )
        self._waiting = Waiting(
            store=store,
            attempts=attempts,
            lanes=lanes,
            leases=leases,
            settle=self._settle,
            settings=settings,
            clock=clock,
            log=log,
        )
        self._gates = Gates(
            store=store,
            lanes=lanes,
            leases=leases,
            waiting=self._waiting,
            settings=settings,
            clock=clock,
            log=log,
        )
        self._heartbeat = (
            None
            if store.dialect.name == "sqlite"  # nobody shares it
            else Heartbeat(store, settings, clock, log, owner, self._lose, self._gates.remember)
        )
        self._pacer = Pacer(store, self._start, clock, log)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pacing: set[asyncio.Task[None]] = set()
        self._claiming: set[asyncio.Task[None]] = set()
        self._renewing: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None
        self._running = False

    # Life

    async def start(self) -> None:
        """Take over what an earlier process left behind, then begin; once."""
        if self._running:
            raise RuntimeError("the worker is at work already")
        if self._heartbeat is None:
            await self._leases.release_all()
        else:
            await self._heartbeat.begin()
        await self._rerouter.open_gates()
        await self._gates.remember()
        self._running = True
        self._begin(self._claimer.run(self._after_look), self._claiming)
        self._begin(self._leases.renew_forever(), self._renewing)
        if self._heartbeat is not None:
            self._beating = asyncio.create_task(self._heartbeat.run())
        self._settler.start()

    async def stop(self, grace_seconds: float = 30.0) -> None:
        """Finish the attempts under way, give back the rest."""
        self._running = False
        self._waiting.stop()
        self._claimer.stop()
        await _cancel([*self._renewing, *self._pacing])
        if under_way := [*self._claiming, *self._tasks]:
            _, late = await asyncio.wait(under_way, timeout=grace_seconds)
            await _cancel(late)
        await self._settler.stop(grace_seconds)
        await self._leases.give_back([job.delivery for lane in self._lanes for job in lane.drained()])
        if self._heartbeat is not None and self._beating is not None:
            await _cancel([self._beating])
            await self._heartbeat.end()

    def forget_holds(self) -> None:
        """Look at the queue now, and let every held destination be tried: somebody made something due."""
        for lane in self._lanes:
            lane.held_until = lane.shut_until = 0
        self._claimer.look_now()

    async def relinquish(self, wanted: Callable[[Delivery], bool]) -> None:
        """Give back what waits in memory and somebody wants to act on; what is being attempted goes on.

        Raises StoreError.
        """
        await self._leases.renew_late()
        await self._withdraw(wanted)

    async def _withdraw(self, wanted: Callable[[Delivery], bool]) -> None:
        for lane in self._lanes:
            if jobs := lane.withdrawn(wanted):
                self._lanes.let_go(lane, len(jobs))
                await self._leases.give_back([job.delivery for job in jobs])

    async def _lose(self) -> None:
        """Others have taken over what was leased to us: what waits is fetched again, if it is still there."""
        await self._withdraw(lambda delivery: True)

    # Fresh submissions

    def reserve(self, destination: str, now: Instant) -> tuple[int, int, Instant]:
        """How a fresh delivery shall be inserted, as (owner, attempts, due_at).

        It is leased to us when there is room for it in memory, and otherwise simply due.
        """
        lane = self._lanes.lane(destination)
        if not self._running or lane.is_held(now) or self._lanes.room(lane) <= 0:
            lane.left = ALL_BUCKETS
            lane.low = max(lane.low, lane.waiting // 2)
            return 0, 0, now
        self._lanes.hold(lane)
        return self._owner, 1, self._leases.end(now)

    def unreserve(self, reserved: Iterable[Delivery]) -> None:
        """The insertion failed: nothing will be handed over."""
        for delivery in reserved:
            if delivery.owner:
                self._lanes.let_go(self._lanes.lane(delivery.destination))

    def hand_over(self, job: Job) -> None:
        """A delivery that `reserve` leased, now durable."""
        self._take(job)

    # Lanes

    def _take(self, job: Job) -> None:
        """A delivery that is ours, and has its room in memory."""
        delivery = job.delivery
        lane = self._lanes.lane(delivery.destination)
        self._leases.add(delivery)
        lane.add(job)
        if self._running and lane.limits.per_minute and not lane.is_paced:
            lane.is_paced = True
            self._begin(self._pacer.run(lane), self._pacing)
        self._start(lane)

    def _start(self, lane: Lane) -> None:
        """Let one more delivery be under way, if there is one and may be."""
        if self._running and lane.wants_runner() and self._lanes.begin(lane):
            self._begin(self._run(lane), self._tasks)

    def _begin(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    async def _run(self, lane: Lane) -> None:
        """Deliver what waits in a lane, one after the other, for as long as we may."""
        lanes, heartbeat = self._lanes, self._heartbeat
        try:
            while self._running:
                if heartbeat is not None and heartbeat.is_doubtful():
                    await heartbeat.confirm()
                if lane.held_until and lane.is_held(self._clock.now()):
                    await self._gates.stand_down(lane)
                    return
                job = lane.next()
                if job is None:
                    return
                attempt = await self._attempts.make(job)
                await self._settle(job, attempt)
                lane.finished(job)
                lanes.let_go(lane)
                await self._learn(lane, attempt)
                if lane.left and lane.waiting <= lane.low:
                    self._claimer.fetch(lane)
                if lanes.must_end(lane):
                    return
        finally:
            lanes.end(lane)
            for waiting in lanes.next_in_line():
                self._start(waiting)
            self._start(lane)

    async def _settle(self, job: Job, attempt: Attempt) -> None:
        self._settler.add(attempt, partial(self._leases.forget, job.delivery))
        if self._settler.is_behind:
            await self._settler.caught_up()

    async def _learn(self, lane: Lane, attempt: Attempt) -> None:
        """Adapt to what the attempt says about the destination."""
        said = attempt.conclusion.destination_said
        if said is None:
            if (lane.held_until or lane.shut_until) and lane.is_shut(self._clock.now()):
                await self._gates.open(lane)
            if lane.succeeded() or lane.is_short:
                self._start(lane)
        elif not lane.is_held(self._clock.now()) and lane.failed():
            await self._gates.close(lane, said)

    def _after_look(self) -> None:
        now, metrics = self._clock.now(), self._log.metrics
        metrics.deliveries_under_way = sum(lane.active for lane in self._lanes)
        metrics.deliveries_in_memory = sum(lane.held for lane in self._lanes)
        metrics.destinations_held = sum(lane.is_held(now) for lane in self._lanes)
        if (looking := self._waiting.look()) is not None:
            self._begin(looking, self._tasks)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
