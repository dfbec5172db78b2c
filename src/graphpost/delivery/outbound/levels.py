"""How safely domains took mail before, so that a downgrade is noticed.

The best level that was reached is remembered for `REMEMBERED` after it was last reached, in the store and, for the domains of
the moment, in memory, where it is looked up for each message.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct

from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import tls
from graphpost.store.queue.tls import Level
from graphpost.store.store import Store

DAY: Final = 86_400 * SECOND
REMEMBERED: Final = 30 * DAY
_LOOK_AGAIN: Final = 600 * SECOND  # others write too
_KEPT: Final = 10_000  # domains in memory


class _Known(Struct, frozen=True):
    level: Level | None
    look_at: Instant


class Levels:
    """Reads and keeps levels; one event loop."""

    def __init__(self, store: Store, clock: Clock, log: MailLog) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._known: dict[str, _Known] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def find(self, domain: str) -> Level | None:
        """The best level that was reached within the time that is remembered.  Raises StoreError."""
        now = self._clock.now()
        known = self._known.get(domain)
        if known is None or now >= known.look_at:
            level = await self._store.read(lambda tx: tls.find_level(tx, domain))
            known = self._keep(domain, level, now)
        level = known.level
        return level if level is not None and now < level.reached_at + REMEMBERED else None

    def note(self, domain: str, reached: int) -> Level | None:
        """A level was reached now; the one remembered if that was better.

        Written when it is better than before, and otherwise once a day.
        """
        now = self._clock.now()
        known = self._known.get(domain)
        before = known.level if known is not None else None
        if before is not None and now < before.reached_at + REMEMBERED:
            if reached < before.level:
                return before
            if reached == before.level and now < before.reached_at + DAY:
                return None
        level = Level(int(reached), now)
        self._keep(domain, level, now)
        task = asyncio.create_task(self._write(domain, level))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return None

    def forget(self, domain: str) -> None:
        """Read it from the store again."""
        self._known.pop(domain, None)

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._writing)

    def _keep(self, domain: str, level: Level | None, now: Instant) -> _Known:
        self._known.pop(domain, None)
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        known = self._known[domain] = _Known(level, now + _LOOK_AGAIN)
        return known

    async def _write(self, domain: str, level: Level) -> None:
        try:
            await self._store.write(lambda tx: tls.put_level(tx, domain, level))
        except StoreError as error:
            self._log.problem("tls level", error)
