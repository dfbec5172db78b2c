"""Turns: what the next of several writers takes, and when it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from graphpost.store.databases.commits import GROUP, Submissions
from graphpost.store.databases.turns import TIMES, Turns

pytestmark = pytest.mark.anyio


class Writers:
    """Writers whose waiting is a function of the test's."""

    def __init__(self) -> None:
        self.submissions = Submissions()
        self.waits = 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.turns = Turns(self.submissions, self._wait)

    def _wait(self, seconds: float) -> None:
        self.waits += 1
        self.meanwhile()

    async def submit(self, number: int) -> None:
        """That many, in one turn of the loop."""
        self._submit(number)
        await asyncio.sleep(0)

    def come(self, number: int) -> None:
        """That many, as from another loop."""
        if number:
            self._submit(number)
            self.submissions._hand_over(asyncio.get_running_loop())

    def _submit(self, number: int) -> None:
        for _ in range(number):
            self.submissions.submit(lambda tx: None)

    def take(self) -> int:
        jobs = self.turns.take()
        assert jobs is not None
        return len(jobs)


async def test_the_first_takes_what_is_there_without_waiting() -> None:
    writers = Writers()
    await writers.submit(1)
    assert (writers.take(), writers.waits) == (1, 0)


async def test_after_a_large_group_a_small_one_waits_while_more_comes() -> None:
    writers = Writers()
    await writers.submit(30)
    assert writers.take() == 30
    writers.turns.end()
    await writers.submit(3)
    writers.meanwhile = lambda: writers.come(5)
    assert (writers.take(), writers.waits) == (3 + 5 * TIMES, TIMES)


async def test_it_waits_no_longer_when_all_have_come_or_nobody_does() -> None:
    for more in (27, 0):
        writers = Writers()
        await writers.submit(30)
        writers.take()
        writers.turns.end()
        await writers.submit(3)
        writers.meanwhile = lambda writers=writers, more=more: writers.come(more)  # type: ignore[misc]
        assert (writers.take(), writers.waits) == (3 + more, 1)


async def test_groups_that_stay_alike_never_wait() -> None:
    writers = Writers()
    for number in (1, 2, 1, 3, 2):
        await writers.submit(number)
        assert writers.take() == number
        writers.turns.end()
    assert writers.waits == 0


async def test_a_writer_that_does_not_end_holds_up_nobody() -> None:
    writers = Writers()
    for _ in range(3):
        await writers.submit(1)
        assert writers.take() == 1


async def test_a_group_is_bounded() -> None:
    writers = Writers()
    for _ in range(3):
        await writers.submit(GROUP - 1)
    assert writers.take() == 2 * (GROUP - 1)
    writers.turns.end()
    assert writers.take() == GROUP - 1


async def test_at_the_end_every_writer_is_told() -> None:
    writers = Writers()
    writers.submissions.close()
    assert [writers.turns.take() for _ in range(3)] == [None] * 3
