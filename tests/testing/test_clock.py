"""The jumping clock: time passes when the test says so, and sleepers wake in their order."""

from __future__ import annotations

import asyncio

import pytest
from anyio.lowlevel import checkpoint

from graphpost.clock import SECOND, Clock
from graphpost.testing.clock import START, JumpingClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_time_stands_still_until_it_is_advanced() -> None:
    clock: Clock = JumpingClock()
    assert clock.now() == START
    await checkpoint()
    assert clock.now() == START


async def test_sleepers_wake_in_order_each_at_its_own_instant() -> None:
    clock = JumpingClock(0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.now() / SECOND))

    tasks = [asyncio.create_task(sleeper("a", 3600, 3600)), asyncio.create_task(sleeper("b", 5400))]
    await clock.until_sleeping(2)
    await clock.advance(5400)
    assert woken == [("a", 3600), ("b", 5400)]
    await clock.advance(100_000)
    assert woken == [("a", 3600), ("b", 5400), ("a", 7200)]
    assert clock.now() == 105_400 * SECOND
    await asyncio.gather(*tasks)


async def test_who_is_not_due_sleeps_on() -> None:
    clock = JumpingClock(0)
    task = asyncio.create_task(clock.sleep(10))
    await clock.until_sleeping()
    await clock.advance(9.999999)
    assert clock.sleepers == 1
    assert not task.done()
    await clock.advance(0.000001)
    assert task.done()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = JumpingClock(0)
    task = asyncio.create_task(clock.sleep(10))
    await clock.until_sleeping()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleepers == 0
    await clock.advance(20)
    assert clock.now() == 20 * SECOND


async def test_no_time_is_a_turn_of_the_loop() -> None:
    clock = JumpingClock(0)
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.now() == 0


async def test_a_jump_of_the_machines_clock_wakes_nobody() -> None:
    clock = JumpingClock(1000 * SECOND)
    task = asyncio.create_task(clock.sleep(10))
    await clock.until_sleeping()
    clock.jump_to(5000 * SECOND)
    await checkpoint()
    assert not task.done()
    clock.jump_to(0)
    await clock.advance(1010)
    assert task.done()


async def test_with_autojump_days_pass_by_themselves() -> None:
    clock = JumpingClock(0, autojump=0.0)

    async def worker() -> int:
        for _ in range(48):
            await clock.sleep(3600)
        return clock.now()

    assert await asyncio.gather(worker(), worker()) == [48 * 3600 * SECOND] * 2
