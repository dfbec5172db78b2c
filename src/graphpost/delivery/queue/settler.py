"""The settler: writes attempts' conclusions, many in one transaction.

It never forgets a conclusion: when the store cannot write, the conclusions wait and are tried again, because losing
one means delivering its message twice.  What the store refuses holds up no others: its filings are left out at last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from graphpost.clock import Clock
from graphpost.delivery.filing import Filing
from graphpost.delivery.queue.attempt import Attempt
from graphpost.delivery.routing import LOCAL
from graphpost.delivery.settle import Conclusion, apply, unfiled
from graphpost.errors import StoreError, Unstorable
from graphpost.maillog import MailLog
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Store

BEHIND: Final = 4000
RETRY_SECONDS: Final = 1.0
TRIES: Final = 3  # of what the store refuses

Entry = tuple[Attempt, Callable[[], object]]


class Settler:
    """`observers` are told of every conclusion that was written.

    `add` never waits; `caught_up` lets a producer wait while too much is unwritten.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        log: MailLog,
        owner: int,
        observers: Sequence[Callable[[Conclusion], object]] = (),
    ) -> None:
        self._observers = observers
        self._store = store
        self._owner = owner
        self._clock = clock
        self._log = log
        self._waiting: list[Entry] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._settle_forever())

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Write what there is, then end; what the store cannot take in that time is tried again after the start."""
        if self._task is not None:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._idle.wait()
            except TimeoutError:
                self._log.problem("settle", "conclusions could not be written; their mail is attempted again")
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def add(self, attempt: Attempt, when_written: Callable[[], object]) -> None:
        self._waiting.append((attempt, when_written))
        self._idle.clear()
        self._arrived.set()

    @property
    def is_behind(self) -> bool:
        return len(self._waiting) > BEHIND

    async def caught_up(self) -> None:
        await self._idle.wait()

    async def _settle_forever(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write(batch)
            self._idle.set()

    async def _write(self, batch: list[Entry], tries: int = TRIES) -> None:
        try:
            ours = await self._store.write(lambda tx: apply(tx, _concluded(batch), self._owner))
        except Exception as error:
            await self._write_later(batch, error, tries)
            return
        for attempt, when_written in batch:
            when_written()
            delivery = attempt.conclusion.delivery
            if (delivery.message_id, delivery.position) in ours:
                self._tell(attempt)

    def _tell(self, attempt: Attempt) -> None:
        try:
            attempt.say(self._log)
            for observer in self._observers:
                observer(attempt.conclusion)
        except Exception as error:  # it is written, and others are to be
            self._log.problem("settle", error)

    async def _write_later(self, batch: list[Entry], error: Exception, tries: int) -> None:
        is_refused = not isinstance(error, StoreError) or isinstance(error, Unstorable)
        if is_refused and len(batch) > 1:  # perhaps one of them
            for entry in batch:
                await self._write([entry])
            return
        self._log.problem("settle", error)
        if not is_refused:
            await self._clock.sleep(RETRY_SECONDS)
            self._waiting = batch + self._waiting
        elif isinstance(error, Unstorable) and tries > 1:  # somebody may have added the same at this moment
            await self._write(batch, tries - 1)
        else:
            await self._write_without_filings(batch[0])

    async def _write_without_filings(self, entry: Entry) -> None:
        """Something of it cannot be stored.  What became of the delivery counts: it must not go out again."""
        attempt, when_written = entry
        if not attempt.filings:
            when_written()
            return
        conclusion = attempt.conclusion
        if conclusion.delivery.destination == LOCAL:
            conclusion = unfiled(conclusion)
        bare = replace(attempt, conclusion=conclusion, filings=())
        await self._write([(bare, when_written)])


def _concluded(batch: list[Entry]) -> Iterator[tuple[Delivery, Sequence[Filing]]]:
    return ((attempt.conclusion.delivery, attempt.filings) for attempt, _ in batch)
