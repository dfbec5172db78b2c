"""Waiting: telling senders of what waits for long without being attempted.

Behind a closed gate, for its turn at a rate, or for a host that is slow, mail is not attempted; but its sender is told of
a delay, and what is too old comes back.  Where mail waits, what has come of age since the last look is looked at once a
minute.  What was told of keeps its place in the line.  Where mail has not waited for PATIENCE, attempts come first.
Of what waits for a rate, which is nobody's fault, a mailbox is told once in `delay_warning_seconds`, whatever it sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.queue.attempt import Attempt, Attempts
from graphpost.delivery.queue.lane import Job, Lane
from graphpost.delivery.queue.lanes import Lanes
from graphpost.delivery.queue.leases import Leases
from graphpost.delivery.settle import speaks_at
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import BUCKETS, Delivery, Place
from graphpost.store.store import Store, Tx
from graphpost.transport.courier import Reply

LOOK_AGAIN: Final = 60 * SECOND
PATIENCE: Final = 600 * SECOND
SLACK: Final = 900 * SECOND  # is looked at again: it may have been under attempt at the looks before
READ_FIRST: Final = 500
READ_MORE: Final = 5000  # each reading passes over all that waits
CLAIM_AT_ONCE: Final = 100
_CONGESTED: Final = "4.4.5"  # RFC 3463: mail system congestion

Settle = Callable[[Job, Attempt], Awaitable[None]]


class Stretch(Struct, frozen=True):
    """What of a bucket was accepted behind a place and until an instant."""

    bucket: int
    after: Place
    until: Instant


class Waiting:
    """`settle` takes what is concluded without an attempt."""

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
        self._is_stopping = False

    def stop(self) -> None:
        """Tell nobody more: what was claimed for it is given back."""
        self._is_stopping = True

    def look(self) -> Coroutine[Any, Any, None] | None:
        """Work to be done now, if there is any."""
        now = self._clock.now()
        lanes = [lane for lane in self._lanes if self._is_its_turn(lane, now)]
        if self._is_looking or not lanes:
            return None
        self._is_looking = True
        return self._look_at(lanes)

    def _is_its_turn(self, lane: Lane, now: Instant) -> bool:
        if not (lane.left or lane.waiting or lane.is_shut(now)):
            lane.look_at = 0
            return False
        if not 0 < lane.look_at <= now + PATIENCE:
            lane.look_at = now + PATIENCE
        return now >= lane.look_at

    async def _look_at(self, lanes: Iterable[Lane]) -> None:
        """One by one: however many there are, little of what waits for them is in memory."""
        try:
            for lane in lanes:
                if self._is_stopping:
                    return
                now = self._clock.now()
                lane.warned = {who: at for who, at in lane.warned.items() if self._is_recent(at, now)}
                await self.tell(lane, lane.withdrawn(partial(self._has_waited, now=now)))
                if await self._tell_stored(lane, now):
                    lane.seen_at = now
                lane.look_at = self._clock.now() + LOOK_AGAIN
        except StoreError as error:
            self._log.problem("queue", error)
        finally:
            self._is_looking = False

    def is_overdue(self, delivery: Delivery, now: Instant) -> bool:
        """Whether its sender is to be told something, though it was not attempted."""
        return now >= speaks_at(delivery, self._settings)

    def _has_waited(self, delivery: Delivery, *, now: Instant) -> bool:
        """The same of what is in memory, and will not be attempted the next moment."""
        return self.is_overdue(delivery, now) and now >= self._leases.began(delivery) + LOOK_AGAIN

    async def tell(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Conclude jobs that waited in memory and do no longer."""
        try:
            await self._hold_back(lane, jobs)
        finally:
            self._lanes.let_go(lane, len(jobs))

    async def _tell_stored(self, lane: Lane, now: Instant) -> bool:
        """What waits in the database; whether everybody could be told."""
        stretches = [
            Stretch(bucket, (after, 0, 0), until)
            for bucket in range(BUCKETS)
            for after, until in self._ages(lane.seen_at, now)
        ]
        are_told = True
        pages = await self._read(lane, stretches, now, READ_FIRST)
        for stretch, page in zip(stretches, pages, strict=True):
            are_told &= await self._tell_page(lane, page, now)
            rest, limit = page, READ_FIRST
            while len(rest) == limit and not self._is_stopping:
                last, limit = rest[-1], READ_MORE
                after = replace(stretch, after=(last.created_at, last.message_id, last.position))
                [rest] = await self._read(lane, [after], now, limit)
                are_told &= await self._tell_page(lane, rest, now)
        return are_told

    async def _read(
        self, lane: Lane, stretches: Sequence[Stretch], now: Instant, limit: int
    ) -> list[list[Delivery]]:
        due = now - LOOK_AGAIN  # else it is just about to be attempted

        def read(tx: Tx) -> list[list[Delivery]]:
            return [
                deliveries.waiting(tx, each.bucket, lane.destination, due, each.after, each.until, limit)
                for each in stretches
            ]

        return await self._store.read(read)

    async def _tell_page(self, lane: Lane, page: Iterable[Delivery], now: Instant) -> bool:
        are_told = True
        some = [delivery for delivery in page if self.is_overdue(delivery, now)]
        for start in range(0, len(some), CLAIM_AT_ONCE):
            if self._is_stopping:
                return False
            claimed = await self._leases.claim_these(some[start : start + CLAIM_AT_ONCE])
            are_told &= await self._hold_back(lane, list(map(Job, claimed)))
        return are_told

    def _ages(self, seen_at: Instant, now: Instant) -> Iterator[tuple[Instant, Instant]]:
        """When that was accepted of which something is to be said since the last look; at the first, all of it."""
        settings = self._settings
        ages = [int(settings.expiry_seconds * SECOND)]
        if 0 < settings.delay_warning_seconds < settings.expiry_seconds:
            ages.append(int(settings.delay_warning_seconds * SECOND))
        if not 0 < seen_at <= now:
            yield -1, now - min(ages)
            return
        for age in ages:
            yield min(seen_at, now - SLACK) - age, now - age

    async def _hold_back(self, lane: Lane, jobs: Sequence[Job]) -> bool:
        """Conclude without trying; whether all senders know.  What cannot be concluded any more is given back."""
        are_told, waiting = True, deque(jobs)
        try:
            while waiting and not self._is_stopping:
                after = await self._conclude(lane, waiting[0])
                waiting.popleft()
                are_told &= after.state != deliveries.QUEUED or not self.is_overdue(after, self._clock.now())
        finally:
            await self._leases.give_back([job.delivery for job in waiting])
        return are_told and not waiting

    async def _conclude(self, lane: Lane, job: Job) -> Delivery:
        now, delivery, reason = self._clock.now(), job.delivery, self._reason(lane)
        is_for_rate = bool(lane.limits.per_minute) and not lane.is_dead(now) and now < delivery.expires_at
        if is_for_rate and self._is_recent(lane.warned.get(delivery.mailbox_id, 0), now):
            delivery = replace(delivery, warned=True)
        elif is_for_rate:
            reason = replace(reason, text=f"{reason.text}; {self._once}")
        attempt = await self._attempts.hold_back(Job(delivery, job.item, job.contents), reason)
        if is_for_rate and attempt.filings:
            lane.warned[delivery.mailbox_id] = now
        await self._settle(job, attempt)
        return attempt.conclusion.delivery

    def _is_recent(self, warned_at: Instant, now: Instant) -> bool:
        return 0 <= now - warned_at < self._settings.delay_warning_seconds * SECOND

    @property
    def _once(self) -> str:
        minutes = round(self._settings.delay_warning_seconds / 60)
        return f"of others of yours that wait for the same you are not told in the next {minutes} minutes"

    def _reason(self, lane: Lane) -> Reply:
        if lane.is_dead(self._clock.now()):
            return lane.said or Reply(0, "4.4.1", "the destination does not work")
        if lane.limits.per_minute:
            rate = f"no more than {lane.limits.per_minute} messages a minute go to this destination"
            return Reply(0, _CONGESTED, f"{rate}, and others are waiting before it")
        return Reply(0, _CONGESTED, "others are waiting for this destination before it")
