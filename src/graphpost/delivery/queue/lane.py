"""A lane: what waits in memory for one destination, its concurrency, its gate.

Concurrency adapts as that of Postfix's qmgr does (its SCHEDULER_README), with feedback of one: a delivery to a host that
answers adds one to the window, a host that does not work takes one away.  When as many fail in a row as were under way at
a time, `FAILED_COHORTS` times, the destination is taken to be dead and its gate is closed.  Behind a gate that opens
again there is a window of one, and as long as that fails nothing else is tried.

What failed before has half of the window at most, and every fourth turn while there is fresh mail: a burst of retries
does not hold up what is fresh, and neither starves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from graphpost.clock import SECOND, Instant
from graphpost.mail.message import Item
from graphpost.store.contents import Content
from graphpost.store.queue.deliveries import Delivery
from graphpost.transport.courier import Reply

BACKLOG_PER_DELIVERY: Final = 125
FRESH_PER_RETRY: Final = 3
REMEMBERED: Final = 3600 * SECOND  # how long after it opened a gate's failures count
_ROUNDING: Final = 1e-9


class Limits(Struct, frozen=True):
    """What a destination may have: `most` deliveries at once, beginning with `initial`.

    `failed_cohorts` that fail in a row make it dead.  `per_minute` 0 is as many as there are.  A destination that is not
    `is_remote` is on this machine, and takes nothing of what remote ones share.
    """

    most: int
    initial: int = 5
    failed_cohorts: int = 1
    per_minute: int = 0
    is_remote: bool = True


@dataclass(slots=True)
class Job:
    """A claimed delivery; `item` and `contents` are None until they are read from the store."""

    delivery: Delivery
    item: Item | None = None
    contents: dict[int, Content] | None = None


@dataclass(slots=True)
class Lane:
    """`window` deliveries under way at most; `held` are those in memory, reserved ones and those under way included."""

    destination: str
    limits: Limits
    fresh: deque[Job] = field(default_factory=deque)
    retries: deque[Job] = field(default_factory=deque)
    window: int = 0
    failed_cohorts: float = 0.0
    active: int = 0
    retrying: int = 0  # of those under way
    tickets: int = 0  # with a rate, how many may go
    is_paced: bool = False  # somebody gives it tickets
    held: int = 0
    is_short: bool = False  # would do more at once, if it were given more
    is_in_line: bool = False
    is_quiet: bool = False  # did nothing since somebody last looked
    turn: int = 0
    held_until: Instant = 0
    shut_until: Instant = 0  # somebody else closed the gate: what is in the database is left until then
    failures: int = 0  # times in a row that the gate was closed
    said: Reply | None = None  # the last one, because of which the gate was closed
    look_at: Instant = 0  # when what waits is looked at again
    seen_at: Instant = 0  # when it was last
    warned: dict[int, Instant] = field(
        default_factory=dict
    )  # mailboxes told of a wait for the rate, and when
    left: tuple[int, ...] = ()  # buckets in which deliveries were left because there was no room
    low: int = 0  # when so few wait here, it is time to fetch what was left

    def __post_init__(self) -> None:
        self.window = min(self.limits.initial, self.limits.most)

    @property
    def waiting(self) -> int:
        return len(self.fresh) + len(self.retries)

    def room(self) -> int:
        """How many more may be held, if nobody else held anything; little, while it is not known to work."""
        return max(0, self._most_held() - self.held)

    def room_for_stored(self) -> int:
        """The same for what waits in the database: half of the room is for fresh mail."""
        most = self._most_held()
        return max(0, (most if self.failures else (most + 1) // 2) - self.held)

    def _most_held(self) -> int:
        """Little of what goes slowly; and as much as is probed, while it is not known to work."""
        if self.failures:
            return self.window
        most = self.limits.most * BACKLOG_PER_DELIVERY
        return min(most, max(2, self.limits.per_minute)) if self.limits.per_minute else most

    def is_held(self, now: Instant) -> bool:
        return now < self.held_until

    def is_shut(self, now: Instant) -> bool:
        """Whether what waits in the database waits behind the gate, whoever closed it."""
        return now < self.held_until or now < self.shut_until

    def is_dead(self, now: Instant) -> bool:
        """Whether the destination did not work when last something was heard of it."""
        return self.failures > 0 or self.is_shut(now)

    def add(self, job: Job) -> None:
        (self.fresh if job.delivery.attempts <= 1 else self.retries).append(job)

    def wants_runner(self) -> bool:
        if self.active >= self.window or (self.limits.per_minute and not self.tickets):
            return False
        return bool(self.fresh or (self.retries and self.retrying < self._most_retries()))

    def next(self) -> Job | None:
        """The job whose turn it is; None when none may go."""
        if not self.limits.per_minute:
            return self._next()
        if not self.tickets or (job := self._next()) is None:
            return None
        self.tickets -= 1
        return job

    def _next(self) -> Job | None:
        if self.retries and self.retrying < self._most_retries():
            self.turn += 1
            if not self.fresh or self.turn % (FRESH_PER_RETRY + 1) == 0:
                self.retrying += 1
                return self.retries.popleft()
        return self.fresh.popleft() if self.fresh else None

    def finished(self, job: Job) -> None:
        """Whatever came of it, it is under way no longer."""
        if job.delivery.attempts > 1:
            self.retrying -= 1

    def withdrawn(self, wanted: Callable[[Delivery], bool]) -> list[Job]:
        """What waits and is wanted, which no longer waits here."""
        found: list[Job] = []
        for jobs in (self.fresh, self.retries):
            some = [job for job in jobs if wanted(job.delivery)]
            if some:
                found += some
                gone = set(map(id, some))
                rest = [job for job in jobs if id(job) not in gone]
                jobs.clear()
                jobs.extend(rest)
        return found

    def drained(self) -> list[Job]:
        """All that waits, which no longer waits here."""
        jobs = [*self.fresh, *self.retries]
        self.fresh.clear()
        self.retries.clear()
        self.tickets = 0
        return jobs

    def _most_retries(self) -> int:
        return max(1, self.window // 2)

    # Feedback

    def succeeded(self) -> bool:
        """The destination works; whether more may go at once than before."""
        self.failed_cohorts = 0.0
        self.failures = 0
        if self.window >= self.limits.most or self.window >= self.active + self.limits.initial:
            return False
        self.window += 1
        return True

    def failed(self) -> bool:
        """The destination did not work; whether it is dead."""
        self.failed_cohorts += 1 / self.window
        if self.failed_cohorts + _ROUNDING >= self.limits.failed_cohorts:
            self.failures += 1
            self.failed_cohorts = 0.0
            self.window = 1
            return True
        self.window = max(1, self.window - 1)
        return False

    def shut(self, until: Instant, failures: int) -> None:
        """Somebody else has closed the gate so often in a row."""
        self.shut_until = until
        self.failures = failures
        self.window = 1

    def is_forgettable(self, now: Instant) -> bool:
        """Whether nothing is known here that a new lane would not know."""
        return not (self.held or self.active or self.left or self.is_shut(now - REMEMBERED))
