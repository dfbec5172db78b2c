"""A lane: the deliveries that wait in memory for one destination, and its gate.

The gate is on the destination, never on each message: while a destination is held, its deliveries are not attempted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from graphpost.clock import Instant
from graphpost.mail.message import Item
from graphpost.store.contents import Content
from graphpost.store.deliveries import Delivery
from graphpost.transport.courier import Reply

BACKLOG_PER_DELIVERY: Final = 125


@dataclass(slots=True)
class Job:
    """A claimed delivery; `item` and `contents` are None until they are read from the store."""

    delivery: Delivery
    item: Item | None = None
    contents: dict[int, Content] | None = None


@dataclass(slots=True)
class Lane:
    """`limit` deliveries under way at most; `room` counts what may still be taken into memory."""

    destination: str
    limit: int
    jobs: deque[Job] = field(default_factory=deque)
    active: int = 0
    reserved: int = 0
    held_until: Instant = 0
    failures: int = 0
    said: Reply | None = None  # the last one, because of which the gate was closed
    look_at: Instant = 0  # when those behind the closed gate are looked at again
    is_looking: bool = False
    more_in_store: bool = False  # deliveries were left in the database because there was no room

    def room(self) -> int:
        return max(0, self.limit * BACKLOG_PER_DELIVERY - len(self.jobs) - self.reserved)

    def is_held(self, now: Instant) -> bool:
        return now < self.held_until

    def wants_runner(self) -> bool:
        return self.active < self.limit and len(self.jobs) > 0

    def is_low(self) -> bool:
        """Whether it is time to fetch what was left in the database."""
        return self.more_in_store and len(self.jobs) <= self.limit * (BACKLOG_PER_DELIVERY // 2)
