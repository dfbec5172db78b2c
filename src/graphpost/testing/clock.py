"""A clock for tests: hours pass in no time.

`advance` lets time pass and wakes the sleepers that are due, in the order of their instants; each wakes at its own
instant, and what it does before it sleeps again happens then.  `until_sleeping` waits (without real time) until so
many tasks sleep, which is how a test knows that a worker has done what it could.  With `autojump` the clock goes on
to the next sleeper by itself whenever nobody began to sleep for that long (real seconds), as trio's MockClock does:
for tests in which nothing but this clock is waited for.

For one event loop; `now` may be read from any thread.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from graphpost.clock import SECOND, Instant

START: Instant = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
_TURNS = 20  # turns of the event loop that a woken task gets before time goes on


class JumpingClock:
    """A Clock whose time passes when the test says so."""

    def __init__(self, start: Instant = START, *, autojump: float | None = None) -> None:
        self._now = start
        self._autojump = autojump
        self._sleepers: list[tuple[Instant, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> Instant:
        return self._now

    def jump_to(self, instant: Instant) -> None:
        """Set the time, also backwards, and wake nobody: the machine's clock was changed."""
        self._now = instant

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + round(seconds * SECOND), next(self._numbers), future))
        self._tell_watchers()
        self._plan_jump()
        await future

    @property
    def sleepers(self) -> int:
        """How many tasks sleep on this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def until_sleeping(self, tasks: int = 1) -> None:
        """Return when at least so many tasks sleep."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append((tasks, future))
        self._tell_watchers()
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass; returns when whoever was due has run until it waits for something else."""
        end = self._now + round(seconds * SECOND)
        while (due := self._next_due()) is not None and due <= end:
            self._wake(due)
            await self._let_run()
        self._now = max(self._now, end)
        await self._let_run()

    async def _let_run(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _next_due(self) -> Instant | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _wake(self, due: Instant) -> None:
        self._now = max(self._now, due)
        while (first := self._next_due()) is not None and first <= self._now:
            heapq.heappop(self._sleepers)[2].set_result(None)

    def _tell_watchers(self) -> None:
        asleep = self.sleepers
        waiting = []
        for tasks, future in self._watchers:
            if asleep >= tasks and not future.done():
                future.set_result(None)
            else:
                waiting.append((tasks, future))
        self._watchers = waiting

    def _plan_jump(self) -> None:
        if self._autojump is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(self._autojump, self._jump)

    def _jump(self) -> None:
        self._timer = None
        due = self._next_due()
        if due is not None:
            self._wake(due)
            self._plan_jump()
