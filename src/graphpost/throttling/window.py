"""A window: at most so many in any stretch of time of some length.

A window has cells of time: sixty, or fewer of a second each, because who is told to wait is told whole seconds.  What
happened in a cell counts until the whole cell is older than the window, so that no stretch of that length ever has more
than the limit, and something counts for a cell longer than it had to.

Windows that several processes share are added up in the store (`throttling.sharing`).  `fresh` is what this process has
counted and the store not: when it reaches `bound`, the store is to be asked first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from graphpost.clock import SECOND, Instant

MOST_CELLS: Final = 60
SHARE: Final = 4  # of a limit is free when those who were told to wait come back
UNBOUND: Final = 2**62


def _nobody(window: Window) -> None:
    return None


class Window:
    """Plain and quick: `take` is called for every request.  A cell is [slot, count, how much of it the store has]."""

    __slots__ = (
        "_cell",
        "_cells",
        "_newest",
        "bound",
        "cells",
        "fresh",
        "limit",
        "notice",
        "place",
        "tell",
        "total",
        "width",
    )

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.width = max(SECOND, math.ceil(seconds * SECOND / MOST_CELLS))  # of a cell, in microseconds
        self.cells = math.ceil(seconds * SECOND / self.width)
        self.total = 0
        self.fresh = 0
        self.bound = UNBOUND
        self.notice = UNBOUND  # when `fresh` reaches it, `tell` is called
        self.tell: Callable[[Window], None] = _nobody
        self.place: tuple[int, str] | None = None  # in the store: bucket and name
        self._cell = [0, 0, 0]
        self._cells: deque[list[int]] = deque()
        self._newest = -1

    def take(self, now: Instant, amount: int = 1) -> bool:
        """Count it, if there is room for it."""
        slot = now // self.width
        if slot != self._newest:
            self._turn(slot)
        total = self.total + amount
        if total > self.limit:
            return False
        self._add(amount, total)
        return True

    def give_back(self, at: Instant, amount: int = 1) -> None:
        """What was counted then, or a moment before, was not used."""
        slot = at // self.width
        for cell in reversed(self._cells):
            if cell[0] <= max(slot, self._cells[0][0]) and cell[1] >= amount:
                cell[1] -= amount
                self.total -= amount
                self.fresh -= amount
                self.tell(self)
                return

    def wait(self, now: Instant, amount: int = 1) -> int:
        """Whole seconds, one at least, until there is room for an amount up to the limit, if nobody else takes it.

        And for others: whoever came back for the first place that is free would find the next client there.
        """
        over = self.total + max(amount, self.limit // SHARE) - self.limit
        for slot, count, _ in self._cells:
            over -= count
            if over <= 0:
                return max(1, -(-((slot + self.cells + 1) * self.width - now) // SECOND))
        return 1

    def reserve(self, now: Instant) -> Instant:
        """Count one where there is room for it, now or later: when that is.  For windows that are used so alone."""
        slot = now // self.width
        if slot > self._newest:
            self._advance(slot)
        while self.total >= self.limit:
            self._advance(self._cells[0][0] + self.cells + 1)
        self._add(1, self.total + 1)
        return max(now, self._newest * self.width)

    def is_idle(self, now: Instant) -> bool:
        """Whether nothing is left in it that counts, or that the store has to be told."""
        return self._newest < now // self.width - self.cells

    def unpublished(self) -> list[tuple[Instant, int]]:
        """What the store has not: the beginnings of cells, and the counts."""
        return [(slot * self.width, count - known) for slot, count, known in self._cells if count != known]

    def publish(self, sent: Iterable[tuple[Instant, int]]) -> None:
        """The store has this now."""
        amounts = {began // self.width: amount for began, amount in sent}
        for cell in self._cells:
            cell[2] += amounts.get(cell[0], 0)
        self._sum_up()

    def learn(self, found: Iterable[tuple[Instant, int]]) -> None:
        """Take over what all have counted together; `found` are beginnings of cells, and counts."""
        known: dict[int, int] = {}
        for began, amount in found:
            known[began // self.width] = known.get(began // self.width, 0) + amount
        own = {slot: count - before for slot, count, before in self._cells}
        self._cells = deque(
            [slot, known.get(slot, 0) + own.get(slot, 0), known.get(slot, 0)]
            for slot in sorted(known.keys() | own.keys())
        )
        self._newest = self._cells[-1][0] if self._cells else -1
        self._drop(self._newest)
        self._sum_up()

    def since(self, now: Instant) -> Instant:
        """The beginning of the oldest cell that counts."""
        return (now // self.width - self.cells) * self.width

    def expires(self, began: Instant) -> Instant:
        """When the cell that began then does not count any more."""
        return began + (self.cells + 1) * self.width

    def _add(self, amount: int, total: int) -> None:
        self.total = total
        self._cell[1] += amount
        self.fresh += amount
        if self.fresh >= self.notice:
            self.tell(self)

    def _turn(self, slot: int) -> None:
        """Go on to a slot; a clock that is a little behind counts in the newest one, one that was set back begins anew."""
        if slot > self._newest:
            self._advance(slot)
        elif slot < self._newest - self.cells:
            self._cells.clear()
            self.total = self.fresh = 0
            self._advance(slot)

    def _advance(self, slot: int) -> None:
        self._drop(slot)
        self._cell = [slot, 0, 0]
        self._cells.append(self._cell)
        self._newest = slot

    def _drop(self, slot: int) -> None:
        cells, oldest = self._cells, slot - self.cells
        while cells and cells[0][0] < oldest:
            self.total -= cells.popleft()[1]

    def _sum_up(self) -> None:
        self.total = sum(count for _, count, _ in self._cells)
        self.fresh = sum(count - known for _, count, known in self._cells)
        if self._cells:
            self._cell = self._cells[-1]
