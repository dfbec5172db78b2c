"""Windows of several processes: added up, at most a hundredth of the limit too much for each, kept where they must be."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.store.conftest import open_store, postgres_url

from graphpost.clock import SECOND
from graphpost.config import LogSettings, ThrottlingSettings
from graphpost.errors import StoreError, TooManyRequests
from graphpost.maillog import MailLog
from graphpost.store import usage
from graphpost.store.store import Dialect, Store
from graphpost.store.usage import Use
from graphpost.testing.clock import START, JumpingClock
from graphpost.throttling.rations import Rations
from graphpost.throttling.sharing import Sharing
from graphpost.throttling.throttle import Throttle
from graphpost.throttling.window import UNBOUND, Window

__all__ = ["open_store", "postgres_url"]
pytestmark = pytest.mark.anyio
APP = "cccccccc-0000-4000-8000-000000000001"


class Failing:
    """A store that does not answer."""

    dialect = Dialect("postgres", "", "", "")

    async def read(self, fn: Callable[..., Any]) -> Any:
        raise StoreError("the network is down")

    write = read


def log_of(clock: JumpingClock) -> tuple[MailLog, io.StringIO]:
    output = io.StringIO()
    return MailLog(LogSettings(), output, clock.now), output


class Process:
    """One of several on a store."""

    def __init__(self, store: Any, clock: JumpingClock, **limits: Any) -> None:
        settings = ThrottlingSettings(profile="custom", **limits)
        self.log, self.output = log_of(clock)
        self.sharing = Sharing(store, clock, self.log)
        self.throttle = Throttle(settings, clock, self.sharing)
        self.rations = Rations(settings, self.sharing, self.log)

    async def ask(self, mailbox_id: int = 7, size: int = 0) -> bool:
        """Whether a request is let in."""
        meter = self.throttle.meter(APP, mailbox_id)
        try:
            await self.throttle.enter(meter, size)
        except TooManyRequests:
            return False
        meter.running -= 1
        return True


@pytest.fixture
async def store(anyio_backend: str, open_store: Callable[[], Store]) -> Any:
    opened = open_store()
    yield opened
    await opened.close()


async def test_uses_are_added_up(store: Store) -> None:
    uses = [
        Use(1, "a", START, START + 9, 3),
        Use(1, "b", START, START + 9, 1),
        Use(2, "a", START, START + 9, 5),
    ]
    await store.write(lambda tx: usage.add(tx, uses))
    await store.write(
        lambda tx: usage.add(tx, [Use(1, "a", START, START + 9, 2), Use(1, "a", START + 1, START + 9, 1)])
    )
    names = {(1, "a"): START, (1, "b"): START + 1, (2, "a"): START, (3, "a"): 0}
    found = await store.read(lambda tx: usage.find(tx, names))
    assert {place: sorted(rows) for place, rows in found.items()} == {
        (1, "a"): [(START, 5), (START + 1, 1)],
        (1, "b"): [],
        (2, "a"): [(START, 5)],
        (3, "a"): [],
    }


async def test_many_names_are_found(store: Store) -> None:
    uses = sorted(Use(0, f"n{number}", START, START, number) for number in range(1, 101))
    await store.write(lambda tx: usage.add(tx, uses))
    found = await store.read(lambda tx: usage.find(tx, {(0, use.name): 0 for use in uses}))
    assert {name: rows for (_, name), rows in found.items()} == {
        use.name: [(START, use.amount)] for use in uses
    }


async def test_what_expired_is_removed(store: Store) -> None:
    await store.write(lambda tx: usage.add(tx, [Use(1, "a", 1, 10, 1), Use(1, "b", 1, 11, 1)]))
    assert await store.write(lambda tx: usage.prune(tx, 1, 10)) == 1
    assert (await store.read(lambda tx: usage.find(tx, {(1, "b"): 0})))[1, "b"] == [(1, 1)]


@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
async def test_processes_know_of_each_other_after_a_second(store: Store) -> None:
    clock = JumpingClock()
    one, two = (Process(store, clock, requests=1000) for _ in range(2))
    assert [await one.ask() for _ in range(9)] == [True] * 9
    await one.sharing.exchange()
    await two.ask()
    await two.sharing.exchange()
    (window,) = two.throttle.meter(APP, 7).windows()
    assert window.total == 10


@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
@pytest.mark.parametrize("seed", range(4))
async def test_together_they_exceed_a_limit_by_a_hundredth_for_each_at_most(store: Store, seed: int) -> None:
    clock, chance = JumpingClock(), random.Random(seed)
    processes = [Process(store, clock, requests=300) for _ in range(3)]
    weights = [chance.randint(1, 5) for _ in processes]
    answers = []

    async def client() -> None:
        for _ in range(40):
            process = chance.choices(processes, weights)[0]
            answers.append(await process.ask())
            await asyncio.sleep(0)

    await asyncio.gather(*(client() for _ in range(12)))
    for process in processes:
        await process.sharing.close()
    assert 300 <= sum(answers) <= 300 + 3 * 3


@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
async def test_mailboxes_share_what_leaves_them(store: Store) -> None:
    clock = JumpingClock()
    one, two = (Process(store, clock, messages=4) for _ in range(2))
    due = []
    for process in (one, two) * 4:
        due.append(await process.rations.due(7, 1, clock.now()))
        await process.sharing.exchange()
    late = sum(instant is not None and instant > START for instant in due)
    assert 8 - 4 - 2 <= late <= 4


async def test_recipients_outlive_the_process(store: Store) -> None:
    clock = JumpingClock()
    process = Process(store, clock, recipients=10)
    assert await process.rations.due(7, 6, clock.now()) == START
    await process.sharing.close()
    again = Process(store, clock, recipients=10)
    assert await again.rations.due(7, 5, clock.now()) is None
    assert await again.rations.due(7, 4, clock.now()) == START
    await again.sharing.close()
    clock.jump_to(START + 86_400 * SECOND * 62 // 60)
    assert await again.rations.due(7, 10, clock.now()) == clock.now()


@pytest.mark.parametrize("open_store", ["sqlite"], indirect=True)
async def test_alone_nothing_else_is_written(store: Store) -> None:
    clock = JumpingClock()
    process = Process(store, clock, requests=10, messages=3, upload_bytes=10, application_requests=10)
    assert await process.ask(size=5)
    await process.rations.due(7, 1, clock.now())
    await process.sharing.close()
    names = [f"requests {APP} 7", f"upload {APP} 7", "messages 7"]
    found = await store.read(lambda tx: usage.find(tx, {(7, name): 0 for name in names}))
    assert not any(found.values())
    assert all(window.bound == UNBOUND for window in process.throttle.meter(APP, 7).windows())


async def test_a_store_that_does_not_answer_holds_nobody_back() -> None:
    clock = JumpingClock()
    process = Process(Failing(), clock, requests=300, recipients=10)
    assert [await process.ask() for _ in range(300)] == [True] * 300
    assert not await process.ask()
    assert await process.rations.due(7, 10, clock.now()) == START
    assert await process.rations.due(7, 1, clock.now()) is None
    await process.sharing.close()
    process.log.flush()
    assert "the network is down" in process.output.getvalue()


@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
async def test_news_goes_out_every_second_and_what_is_over_is_forgotten(store: Store) -> None:
    clock = JumpingClock()
    process = Process(store, clock, requests=1000)
    running = asyncio.create_task(process.sharing.run([process.throttle.sweep]))
    meter = process.throttle.meter(APP, 7)
    assert await process.ask()
    place = 7, f"requests {APP} 7"

    async def told() -> list[tuple[int, int]]:
        return (await store.read(lambda tx: usage.find(tx, {place: 0})))[place]

    async def passes(seconds: float, is_so: Callable[[], Awaitable[bool]]) -> None:
        await clock.until_sleeping()
        await clock.advance(seconds)
        async with asyncio.timeout(60):
            while True:
                if await is_so():
                    return
                await clock.advance(1.0)

    async def is_told() -> bool:
        return len(await told()) == 1

    async def is_forgotten() -> bool:
        return not await told() and process.throttle.meter(APP, 7) is not meter

    await passes(1.0, is_told)
    await passes(700.0, is_forgotten)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    process.log.close()


def test_what_others_counted_is_not_news() -> None:
    window = Window(100, 60.0)
    window.learn([(START, 5)])
    assert (window.fresh, window.total) == (0, 5)
