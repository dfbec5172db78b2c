"""Windows of several processes, added up in the store.

That is done once a second, or when much is new.  A process lets through at most a hundredth of a limit (one, at least)
that the store does not know of; then it asks first, and learns what all others had told the store by then.  Together they
exceed a limit by a hundredth for each of them at most.  On SQLite there is one process: only what is to outlive it is
written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store import usage
from graphpost.store.queue.deliveries import BUCKETS
from graphpost.store.store import Store
from graphpost.store.usage import Use
from graphpost.throttling.window import UNBOUND, Window

INTERVAL: Final = 1.0  # seconds
SWEEP_SECONDS: Final = 600
PARTS: Final = 100  # a process may be ahead of the store by one of them


class Sharing:
    """Which windows the store is still to be told of."""

    def __init__(self, store: Store, clock: Clock, log: MailLog) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._is_alone = store.dialect.name == "sqlite"
        self._news: set[Window] = set()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, window: Window, number: int, name: str, *, is_kept: bool = False) -> None:
        """Share a window that nobody has used yet.  `number` says where it lies; `is_kept`: it outlives the process."""
        if self._is_alone and not is_kept:
            return
        window.place = number % BUCKETS, name
        window.tell, window.notice = self._told, 1
        window.bound = 0 if is_kept else self._bound(window)  # 0: what was before is to be known first

    async def exchange(self, windows: Iterable[Window] = ()) -> None:
        """Tell the store what is new, and learn what others have told it, of these windows and of those with news.

        When the store does not answer, each process goes on by itself.
        """
        self._news.update(window for window in windows if window.place is not None)
        async with self._lock:
            asked, self._news = list(self._news), set()
            if not asked:
                return  # the exchange before had them
            try:
                await self._publish(asked)
                await self._learn(asked)
            except StoreError as error:
                self._log.problem("throttling", error)
                self._go_on(asked)
            else:
                self._agree(asked)

    async def run(self, sweepers: Sequence[Callable[[Instant], None]] = ()) -> None:
        """Exchange for ever; now and then what is over is removed, and the sweepers told to forget it."""
        sweep_at = self._clock.now()
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self.exchange()
                if (now := self._clock.now()) >= sweep_at:
                    sweep_at = now + SWEEP_SECONDS * SECOND
                    await self._prune(now)
                    for sweep in sweepers:
                        sweep(now)
            except Exception as error:  # the next round may succeed
                self._log.problem("throttling", error)

    async def close(self) -> None:
        """Tell the store what is left."""
        await self.exchange()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _bound(self, window: Window) -> int:
        return UNBOUND if self._is_alone else max(1, window.limit // PARTS)

    def _told(self, window: Window) -> None:
        """A window has news; or so many that the store should know soon."""
        self._news.add(window)
        half = window.bound // 2
        if window.fresh < half:
            window.notice = half
        elif not self._is_alone:
            window.notice = UNBOUND
            task = asyncio.get_running_loop().create_task(self.exchange())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _agree(self, windows: Iterable[Window]) -> None:
        for window in windows:
            window.bound, window.notice = self._bound(window), 1
            if window.fresh:
                self._told(window)

    def _go_on(self, windows: Iterable[Window]) -> None:
        for window in windows:
            window.bound = window.notice = UNBOUND
        self._news.update(windows)

    async def _publish(self, windows: Iterable[Window]) -> None:
        sent = {window: window.unpublished() for window in windows}
        uses = sorted(
            Use(*window.place, began, window.expires(began), amount)
            for window, counts in sent.items()
            for began, amount in counts
            if window.place is not None
        )
        if uses:
            await self._store.write(lambda tx: usage.add(tx, uses))
        for window, counts in sent.items():
            window.publish(counts)

    async def _learn(self, windows: Iterable[Window]) -> None:
        now = self._clock.now()
        places = {window.place: window for window in windows if window.place is not None}
        oldest = {place: window.since(now) for place, window in places.items()}
        found = await self._store.read(lambda tx: usage.find(tx, oldest))
        for place, window in places.items():
            window.learn(found[place])

    async def _prune(self, now: Instant) -> None:
        for bucket in range(BUCKETS):
            await self._store.write(lambda tx, bucket=bucket: usage.prune(tx, bucket, now))  # type: ignore[misc]
