"""All lanes, and what they share: places under way, and room in memory.

A lane takes a place for each delivery under way.  One that has none and finds none stands in line, and whoever ends a
delivery while others stand in line gives up its place: round robin.  Destinations on this machine need no place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from graphpost.clock import Instant
from graphpost.delivery.queue.lane import Lane, Limits
from graphpost.delivery.queue.share import Share
from graphpost.store.queue.deliveries import BUCKETS

ALL_BUCKETS: Final = tuple(range(BUCKETS))
FEW_MESSAGES: Final = 10  # in memory, for every destination


class Lanes:
    """`connections` deliveries under way and `messages` in memory at most, for all destinations together."""

    def __init__(self, limits_of: Callable[[str], Limits], connections: int, messages: int) -> None:
        self._limits_of = limits_of
        self._lanes: dict[str, Lane] = {}
        self._under_way = Share(connections, 1)
        self._in_memory = Share(messages, FEW_MESSAGES)
        self._line: deque[Lane] = deque()

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def __len__(self) -> int:
        return len(self._lanes)

    def lane(self, destination: str) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            lane = self._lanes[destination] = Lane(destination, self._limits_of(destination))
        return lane

    def forget(self, now: Instant) -> None:
        """Let go of lanes that did nothing since the last time."""
        for lane in self:
            if lane.is_quiet and lane.is_forgettable(now):
                del self._lanes[lane.destination]
            lane.is_quiet = True

    # Room in memory

    def room(self, lane: Lane) -> int:
        """How many more fresh deliveries it may hold."""
        return min(lane.room(), self._in_memory.room(lane.held))

    def room_for_stored(self, lane: Lane) -> int:
        """How many more it may hold of those that wait in the database."""
        return min(lane.room_for_stored(), self._in_memory.room(lane.held))

    def hold(self, lane: Lane, number: int = 1) -> None:
        lane.held += number
        self._in_memory.used += number

    def let_go(self, lane: Lane, number: int = 1) -> None:
        lane.held -= number
        self._in_memory.used -= number

    # Places for deliveries under way

    def begin(self, lane: Lane) -> bool:
        """Take a place for one more delivery.  Where there is none, the lane is remembered to have wanted one."""
        if lane.limits.is_remote:
            if self._under_way.room(lane.active) <= 0:
                self._let_wait(lane)
                return False
            self._under_way.used += 1
        lane.active += 1
        lane.is_short = lane.is_quiet = False
        return True

    def end(self, lane: Lane) -> None:
        lane.active -= 1
        if lane.limits.is_remote:
            self._under_way.used -= 1

    def must_end(self, lane: Lane) -> bool:
        """Whether a delivery that is done is to leave its place, although the lane has more to do."""
        if lane.active > lane.window:
            return True
        if not lane.limits.is_remote:
            return False
        return bool(self._line) or self._under_way.room(lane.active) < 0

    def next_in_line(self) -> Iterable[Lane]:
        """Those who stand in line, for as long as there are places."""
        while self._line and not self._under_way.is_full:
            lane = self._line.popleft()
            lane.is_in_line = False
            yield lane

    def _let_wait(self, lane: Lane) -> None:
        if lane.active:
            lane.is_short = True
        elif not lane.is_in_line:
            lane.is_in_line = True
            self._line.append(lane)
