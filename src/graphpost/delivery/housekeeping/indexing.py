"""Bringing the indexes of searched mailboxes up to date, in the background.

A mailbox has an index from its first search on.  It is brought up to date after each search and by the maintenance, one
mailbox after the other, in transactions of a few milliseconds.  While others have something to do it rests: reading and
cutting up texts takes the interpreter from them, and writing the store.  What was interrupted is taken up again by the next
search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Final, TypeVar

from graphpost.clock import SECOND, Clock
from graphpost.maillog import MailLog
from graphpost.store.search import indexing, words
from graphpost.store.store import Store

T = TypeVar("T")
RESTS: Final = 2  # times as long as what was done before took
LONGEST_REST: Final = 4.0  # seconds
BUSY: Final = 300  # microseconds that a turn of the event loop takes, when a request is in it
TURNS: Final = 10
_BLOCKS = 100  # looked through in one transaction
_PRUNED = 2000  # looked through in one round, at most


class Indexer:
    """Told of searched mailboxes, indexes them."""

    def __init__(self, store: Store, log: MailLog, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._waiting: dict[int, None] = {}
        self._told = asyncio.Event()

    def searched(self, mailbox_id: int) -> None:
        """Index the mailbox soon."""
        self._waiting[mailbox_id] = None
        self._told.set()

    async def run(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            while self._waiting:
                mailbox_id = next(iter(self._waiting))
                del self._waiting[mailbox_id]
                try:
                    await self.catch_up(mailbox_id)
                except Exception as error:  # searches are right without; the next one tries again
                    self._log.problem("search index", error)

    async def catch_up(self, mailbox_id: int) -> None:
        """Bring the mailbox's index up to date, from the beginning if there is none."""
        if await self._store.read(partial(indexing.progress, mailbox_id=mailbox_id)) is None:
            await self._store.write(partial(indexing.begin, mailbox_id=mailbox_id))
        while step := await self._gently(self._store.read(partial(indexing.gather, mailbox_id=mailbox_id))):
            for some in step.slices():
                await self._gently(
                    self._store.write(partial(indexing.add, mailbox_id=mailbox_id, postings=some))
                )
            await self._store.write(
                partial(indexing.advance, mailbox_id=mailbox_id, before=step.before, after=step.after)
            )

    async def _gently(self, work: Awaitable[T]) -> T:
        """The result, after a rest when others are waiting."""
        begun = self._clock.now()
        result = await work
        rest = min(RESTS * (self._clock.now() - begun) / SECOND, LONGEST_REST)
        if rest > 0 and await self._is_busy():
            await self._clock.sleep(rest)
        return result

    async def _is_busy(self) -> bool:
        """Whether a turn of the event loop takes its time."""
        for _ in range(TURNS):
            begun = self._clock.now()
            await asyncio.sleep(0)
            if self._clock.now() - begun > BUSY:
                return True
        return False

    async def keep(self, mailbox_id: int) -> None:
        """For a mailbox that has an index: bring it up to date, and forget some of what is gone."""
        if await self._store.read(partial(indexing.progress, mailbox_id=mailbox_id)) is not None:
            await self.catch_up(mailbox_id)
            await self._prune(mailbox_id)

    async def _prune(self, mailbox_id: int) -> None:
        """Go on where the last round ended."""
        progress = await self._store.read(partial(indexing.progress, mailbox_id=mailbox_id))
        place = progress.pruned if progress else None
        for _ in range(_PRUNED // _BLOCKS):
            if place is None:
                break
            dead, place = await self._store.read(
                partial(words.dead, mailbox_id=mailbox_id, after=place, limit=_BLOCKS)
            )
            await self._store.write(
                partial(indexing.prune, mailbox_id=mailbox_id, dead=dead, place=place or words.BEGINNING)
            )
