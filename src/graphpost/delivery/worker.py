"""The worker: claims what is due, per destination, and sees it to its outcome.

Every delivery it works on is leased: its row says when the lease ends, and nobody else touches it before.  A fresh
submission is inserted already leased (`reserve`) and handed over in memory, so that the usual message is never read
back.  A process that dies leaves its leases behind; they run out, or are released when the server starts again.  The
attempt is on record before any byte leaves, so the only window for a duplicate is between the other side's final
reply and the commit of `settle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.attempt import Attempt, Attempts
from graphpost.delivery.lane import Job, Lane
from graphpost.delivery.rerouting import Rerouter
from graphpost.delivery.schedule import hold_until
from graphpost.delivery.settler import Settler
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store import deliveries, messages
from graphpost.store.deliveries import Delivery
from graphpost.store.store import Store, Tx

Key = tuple[int, int, int]
RENEWALS_PER_LEASE: Final = 3
LOOK_AGAIN: Final = 60 * SECOND
LOOK_AT_ONCE: Final = 100


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
        limit_of: Callable[[str], int],
        clock: Clock,
        log: MailLog,
        owner: int,
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._settler = settler
        self._rerouter = rerouter
        self._settings = settings
        self._limit_of = limit_of
        self._clock = clock
        self._log = log
        self._owner = owner
        self._lanes: dict[str, Lane] = {}
        self._mine: dict[Key, Delivery] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._running = False

    # Life

    async def start(self) -> None:
        """Take over what an earlier process left behind, then begin."""
        now = self._clock.now()
        if self._store.dialect.name == "sqlite":
            interrupted = await self._store.write(
                lambda tx: sum(deliveries.release(tx, bucket, now) for bucket in range(deliveries.BUCKETS))
            )
            if interrupted:
                self._log.interrupted(interrupted)
        await self._rerouter.open_gates()
        self._running = True
        self._loops = [asyncio.create_task(self._poll_forever()), asyncio.create_task(self._renew_forever())]
        self._settler.start()

    async def stop(self, grace_seconds: float = 30.0) -> None:
        """Finish the attempts under way, give back the rest."""
        self._running = False
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._settler.stop(grace_seconds)
        await self._give_back([job for lane in self._lanes.values() for job in _drained(lane)])

    def forget_holds(self) -> None:
        """Look at the queue now, and let every held destination be tried: somebody made something due."""
        for lane in self._lanes.values():
            lane.held_until = 0
        self._wake.set()

    # Fresh submissions

    def reserve(self, destination: str, now: Instant) -> tuple[int, int, Instant]:
        """How a fresh delivery shall be inserted, as (owner, attempts, due_at).

        It is leased to us when there is room for it in memory, and otherwise simply due.
        """
        lane = self._lanes.get(destination) or self._lane(destination)
        if not self._running or lane.is_held(now) or lane.room() == 0:
            lane.more_in_store = True
            return 0, 0, now
        lane.reserved += 1
        return self._owner, 1, self._lease_end(now)

    def unreserve(self, reserved: Iterable[Delivery]) -> None:
        """The insertion failed: nothing will be handed over."""
        for delivery in reserved:
            if delivery.owner:
                self._lane(delivery.destination).reserved -= 1

    def hand_over(self, job: Job) -> None:
        """A delivery that `reserve` leased, now durable."""
        self._lanes[job.delivery.destination].reserved -= 1
        self._take(job)

    # Lanes

    def _lane(self, destination: str) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            lane = self._lanes[destination] = Lane(destination, self._limit_of(destination))
        return lane

    def _take(self, job: Job) -> None:
        delivery = job.delivery
        lane = self._lane(delivery.destination)
        self._mine[_key(delivery)] = delivery
        lane.jobs.append(job)
        if lane.wants_runner() and self._running:
            lane.active += 1
            self._begin(self._run(lane))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Lane) -> None:
        try:
            while lane.jobs and self._running:
                if lane.is_held(self._clock.now()):
                    await self._stand_down(lane)
                    return
                job = lane.jobs.popleft()
                attempt = await self._attempts.make(job)
                await self._settle(job, attempt)
                if attempt.conclusion.destination_said is not None:
                    await self._hold(lane, attempt)
                elif lane.failures and attempt.conclusion.delivered:
                    lane.failures = 0
        finally:
            lane.active -= 1
            if lane.is_low() and self._running:
                lane.more_in_store = False
                self._wake.set()

    async def _settle(self, job: Job, attempt: Attempt) -> None:
        self._settler.add(attempt, partial(self._mine.pop, _key(job.delivery), None))
        if self._settler.is_behind:
            await self._settler.caught_up()

    # A destination that does not work

    async def _hold(self, lane: Lane, attempt: Attempt) -> None:
        """Close the gate of a destination that does not work, for us and for every other worker."""
        now = self._clock.now()
        if lane.is_held(now):
            return
        lane.failures += 1
        lane.said = attempt.conclusion.destination_said
        lane.look_at = now + LOOK_AGAIN
        until = lane.held_until = hold_until(now, lane.failures, self._settings.retry_seconds)
        try:
            await self._store.write(
                lambda tx: deliveries.hold_destination(tx, lane.destination, until, lane.failures)
            )
        except StoreError as error:
            self._log.problem("queue", error)

    async def _stand_down(self, lane: Lane) -> None:
        """Leave the lane's jobs to later, but for those whose time is up or whose sender is to be told."""
        now = self._clock.now()
        patient = []
        for job in _drained(lane):
            if self._is_overdue(job.delivery, now):
                await self._settle(job, await self._attempts.hold_back(job, lane.said))
            else:
                patient.append(job)
        await self._give_back(patient)

    async def _look_behind(self, lane: Lane) -> None:
        """Deal with what has waited behind a closed gate for so long that something is to be said about it."""
        settings = self._settings
        patience = int(min(settings.delay_warning_seconds, settings.expiry_seconds) * SECOND)
        try:
            for bucket in range(deliveries.BUCKETS):
                while self._running and lane.is_held(now := self._clock.now()):
                    claimed = await self._claim(bucket, lane.destination, now - patience, now, LOOK_AT_ONCE)
                    for delivery in claimed:
                        await self._settle(
                            Job(delivery), await self._attempts.hold_back(Job(delivery), lane.said)
                        )
                    if len(claimed) < LOOK_AT_ONCE:
                        break
        except StoreError as error:
            self._log.problem("queue", error)
        finally:
            lane.is_looking = False
            lane.look_at = self._clock.now() + LOOK_AGAIN

    def _is_overdue(self, delivery: Delivery, now: Instant) -> bool:
        warn_at = delivery.created_at + int(self._settings.delay_warning_seconds * SECOND)
        return now >= delivery.expires_at or (now >= warn_at and not delivery.warned)

    async def _give_back(self, jobs: list[Job]) -> None:
        """Un-lease deliveries that were not attempted; they stay due, behind their destination's gate."""
        if not jobs:
            return
        now = self._clock.now()
        try:
            await self._store.write(
                lambda tx: [deliveries.give_back(tx, job.delivery, self._owner, now) for job in jobs]
            )
        except StoreError as error:
            self._log.problem("queue", error)  # the leases run out by themselves
        for job in jobs:
            self._mine.pop(_key(job.delivery), None)

    # What is due

    async def _poll_forever(self) -> None:
        while True:
            try:
                await self._claim_due()
            except Exception as error:  # the next round may succeed
                self._log.problem("queue", error)
            try:
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _claim_due(self) -> None:
        now = self._clock.now()
        due = await self._store.read(lambda tx: _due(tx, now))
        for bucket, destination in due:
            try:
                await self._claim_for(bucket, destination, now)
            except StoreError as error:
                self._log.problem("queue", error)
            except Exception as error:  # a row that cannot be read is no reason to stop the others
                self._log.problem(f"queue for {destination}", error)
        for lane in self._lanes.values():
            if lane.is_held(now) and now >= lane.look_at and not lane.is_looking:
                lane.is_looking = True
                self._begin(self._look_behind(lane))

    async def _claim_for(self, bucket: int, destination: str, now: Instant) -> None:
        lane = self._lane(destination)
        if lane.is_held(now):
            return
        room = lane.room()
        if room == 0:
            lane.more_in_store = True
            return
        claimed = await self._claim(bucket, destination, now, now, room)
        lane.more_in_store = lane.more_in_store or len(claimed) == room
        if self._rerouter.is_known(destination):
            for job in await self._read(claimed):
                self._take(job)
        elif claimed:
            await self._rerouter.reroute(claimed, now)
            self._wake.set()

    async def _read(self, claimed: list[Delivery]) -> list[Job]:
        """The deliveries with their messages, or without when one is unreadable: its own attempt finds out."""
        try:
            return await self._store.read(lambda tx: _jobs(tx, claimed))
        except Exception as error:
            self._log.problem("queue", error)
            return [Job(delivery) for delivery in claimed]

    async def _claim(
        self, bucket: int, destination: str, due: Instant, now: Instant, limit: int
    ) -> list[Delivery]:
        lease_end = self._lease_end(now)
        return await self._store.write(
            lambda tx: deliveries.claim(tx, bucket, destination, due, lease_end, self._owner, limit)
        )

    async def _renew_forever(self) -> None:
        while True:
            await self._clock.sleep(self._settings.lease_seconds / RENEWALS_PER_LEASE)
            await self._renew(list(self._mine.values()))

    async def _renew(self, held: list[Delivery]) -> None:
        lease_end = self._lease_end(self._clock.now())
        try:
            await self._store.write(lambda tx: deliveries.renew(tx, held, self._owner, lease_end))
        except Exception as error:  # there is time for another try before the leases end
            self._log.problem("lease", error)

    def _lease_end(self, now: Instant) -> Instant:
        return now + int(self._settings.lease_seconds * SECOND)


def _drained(lane: Lane) -> list[Job]:
    jobs = list(lane.jobs)
    lane.jobs.clear()
    return jobs


def _key(delivery: Delivery) -> Key:
    return delivery.mailbox_id, delivery.message_id, delivery.position


def _jobs(tx: Tx, claimed: list[Delivery]) -> list[Job]:
    """Claimed deliveries with their messages; contents are read when their turn comes."""
    jobs = []
    for delivery in claimed:
        item = messages.get(tx, delivery.mailbox_id, delivery.message_id)
        message = item.message.going_out if item is not None else None
        plain = message is not None and message.raw is None and not message.attachments
        jobs.append(Job(delivery, item, {}) if plain else Job(delivery))
    return jobs


def _due(tx: Tx, now: Instant) -> list[tuple[int, str]]:
    return [
        (bucket, destination)
        for bucket in range(deliveries.BUCKETS)
        for destination in deliveries.due_destinations(tx, bucket, now)
    ]
