"""What both stores share: threads that read, writers that share commits, an end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from graphpost.errors import StoreError
from graphpost.store.databases.commits import Submissions
from graphpost.store.store import Tx

T = TypeVar("T")


class ThreadedStore(ABC):
    """`Store` but for its dialect; a subclass runs the threads that take the submissions."""

    def __init__(self, readers: int) -> None:
        self._submissions = Submissions()
        self._pool = ThreadPoolExecutor(readers, "store-reader")
        self._closing: asyncio.Task[None] | None = None

    async def read(self, fn: Callable[[Tx], T]) -> T:
        if self._closing is not None:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, fn)

    async def write(self, fn: Callable[[Tx], T]) -> T:
        result: T = await self._submissions.submit(fn)
        return result

    async def join(self) -> None:
        await self._submissions.join()

    def watch(self, told: Callable[[Collection[int]], None]) -> None:
        self._submissions.watch(told)

    async def close(self) -> None:
        if self._closing is None:
            self._submissions.close()
            self._closing = asyncio.ensure_future(asyncio.to_thread(self._finish))
        await asyncio.shield(self._closing)

    @abstractmethod
    def _read(self, fn: Callable[[Tx], T]) -> T:
        """Run fn in a transaction that reads, in one of the pool's threads."""

    @abstractmethod
    def _finish(self) -> None:
        """Wait for the writers, which end when there are no more submissions, and let go of the database."""
