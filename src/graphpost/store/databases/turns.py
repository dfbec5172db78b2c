"""How several writers share what is submitted: few large transactions.

A transaction costs as much as twenty of its rows, and those that write to the same folders wait for each other anyway.
So a writer gives the one before it a few milliseconds to end, and takes all that came meanwhile.  When that is much less
than the last group, it waits for more: those that were just answered are about to ask again.  Who is alone never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from graphpost.store.databases.commits import Job, Submissions

GATHERING: Final = 0.005  # seconds that a writer gives the one before it, at most
LINGERING: Final = 0.002  # seconds that it waits for more, while more comes
TIMES: Final = 2


class Turns:
    """Writers take their work here, one after the other; each in a thread of its own."""

    def __init__(self, submissions: Submissions, sleep: Callable[[float], object] = time.sleep) -> None:
        self._submissions = submissions
        self._sleep = sleep
        self._taking = threading.Lock()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._at_work = 0
        self._last = 0

    def take(self) -> list[Job] | None:
        """Wait for jobs; None when there will be no more.  `end` is due when they are done."""
        with self._taking:
            if self._at_work:
                self._ended.wait(GATHERING)
            jobs = self._submissions.take()
            if jobs is None:
                return None
            if 2 * len(jobs) < self._last:
                self._linger(jobs)
            self._last = len(jobs)
            with self._lock:
                self._at_work += 1
                self._ended.clear()
            return jobs

    def end(self) -> None:
        """What `take` gave is done."""
        with self._lock:
            self._at_work -= 1
            self._ended.set()

    def _linger(self, jobs: list[Job]) -> None:
        for _ in range(TIMES):
            before = len(jobs)
            self._sleep(LINGERING)
            self._submissions.take_more(jobs)
            if len(jobs) == before or len(jobs) >= self._last:
                return
