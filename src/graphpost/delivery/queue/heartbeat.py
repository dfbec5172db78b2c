"""The heartbeat of one of several servers, and taking over from those without one.

A node whose beats stay the same for BEATS rounds in a row, each of which this one got through itself, is dead: its leases
end.  That takes `takeover_seconds` at least, by the clock of whoever looks.  A node that could not beat for nearly as
long (it was stopped, or the store was away) attempts nothing before it knows what is still its own; what it was
attempting meanwhile it cannot settle once it was taken over, because `settle` compares the owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import nodes
from graphpost.store.store import Store

BEATS: Final = 6  # in takeover_seconds
RETRY_SECONDS: Final = 1.0


class Heartbeat:
    """`lost` is awaited when others have taken over: it lets go of everything that waits in memory.

    `departed` is awaited when another node is gone, however it went and whoever took over.  It may raise StoreError, and
    is awaited again then.
    """

    def __init__(
        self,
        store: Store,
        settings: DeliverySettings,
        clock: Clock,
        log: MailLog,
        owner: int,
        lost: Callable[[], Awaitable[None]],
        departed: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._owner = owner
        self._lost = lost
        self._departed = departed
        self._has_news = False
        self._interval = settings.takeover_seconds / BEATS
        self._lock = asyncio.Lock()
        self._is_known = False
        self._sure_from: Instant = 0
        self._sure_until: Instant = 0
        self._silent: dict[
            int, tuple[int, int]
        ] = {}  # others' beats, and rounds in which they stayed the same

    async def begin(self) -> None:
        """Before anything is leased.  Raises StoreError."""
        async with self._lock:
            await self._beat()

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self.look()
            except Exception as error:  # the next round may succeed
                self._log.problem("heartbeat", error)

    async def look(self) -> None:
        """One round: beat, and take over from those that are dead.  Raises StoreError."""
        async with self._lock:
            others = await self._beat()
        self._has_news |= bool(self._silent.keys() - others.keys())
        for owner, beats in self._dead(others):
            now = self._clock.now()
            interrupted = await self._store.write(
                lambda tx, o=owner, b=beats, n=now: nodes.take_over(tx, o, b, n)  # type: ignore[misc]
            )
            if interrupted:
                self._log.interrupted(interrupted)
        if self._has_news:
            await self._departed()
            self._has_news = False

    async def end(self) -> None:
        """After everything was given back that can be; of what was being attempted the leases end here."""
        now = self._clock.now()
        try:
            if interrupted := await self._store.write(lambda tx: nodes.leave(tx, self._owner, now)):
                self._log.interrupted(interrupted)
        except StoreError as error:
            self._log.problem("heartbeat", error)

    def is_doubtful(self) -> bool:
        """Whether others may have taken over by now."""
        return not self._sure_from <= self._clock.now() < self._sure_until

    async def confirm(self) -> None:
        """Wait until there is no doubt."""
        async with self._lock:
            while self.is_doubtful():
                try:
                    await self._beat()
                except StoreError as error:
                    self._log.problem("heartbeat", error)
                    await self._clock.sleep(RETRY_SECONDS)

    async def _beat(self) -> Mapping[int, int]:
        """Show that this one lives; the beats of the others."""
        now = self._clock.now()
        is_known, others = await self._store.write(lambda tx: nodes.beat(tx, self._owner))
        if self._is_known and not is_known:
            self._sure_until = 0
            await self._lost()
        self._is_known = True
        self._sure_from, self._sure_until = now, now + int((BEATS - 1) * self._interval * SECOND)
        return others

    def _dead(self, others: Mapping[int, int]) -> list[tuple[int, int]]:
        """Those that have been silent for long enough, with the beats that were their last."""
        before = self._silent
        self._silent = {
            owner: (beats, before[owner][1] + 1 if before.get(owner, (0,))[0] == beats else 0)
            for owner, beats in others.items()
        }
        return [(owner, beats) for owner, (beats, rounds) in self._silent.items() if rounds >= BEATS]
