"""Heartbeats: who is taken for dead, and what a node does that was taken for it."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import SETTINGS, BreakableStore, furnish, open_sqlite
from tests.store.made import delivery

from graphpost.clock import SECOND
from graphpost.config import LogSettings
from graphpost.delivery.queue.heartbeat import BEATS, Heartbeat
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import deliveries
from graphpost.store.store import Tx
from graphpost.testing.clock import JumpingClock

pytestmark = pytest.mark.anyio

INTERVAL = SETTINGS.takeover_seconds / BEATS


class Node:
    """A heartbeat that the test drives; `losses` counts how often it was told that others had taken over.

    `departures` counts how often it was told that another was gone.
    """

    def __init__(self, store: BreakableStore, clock: JumpingClock, owner: int) -> None:
        self.store, self.clock, self.losses = store, clock, 0
        self.departures = 0
        self.output = io.StringIO()
        self.log = MailLog(LogSettings(), self.output, clock.now)
        self.heart = Heartbeat(store, SETTINGS, clock, self.log, owner, self.lose, self.notice)

    async def lose(self) -> None:
        self.losses += 1

    async def notice(self) -> None:
        self.departures += 1
        await self.store.write(noticing)

    async def rounds(self, number: int) -> None:
        for _ in range(number):
            self.clock.jump_to(self.clock.now() + int(INTERVAL * SECOND))
            await self.heart.look()


def noticing(tx: Tx) -> None:
    """What is done about a departure."""


@pytest.fixture
async def node(tmp_path: Path) -> Any:
    """Makes nodes that share a database and a clock."""
    store, clock = open_sqlite(tmp_path), JumpingClock()
    made: list[Node] = []

    async def make() -> Node:
        made.append(Node(BreakableStore(store), clock, len(made) + 1))
        await made[-1].heart.begin()
        return made[-1]

    yield make
    for each in made:
        each.log.close()
    await store.close()


async def lease(node: Node, owner: int) -> None:
    row = delivery(1, owner=owner, attempts=1, due_at=node.clock.now() + 600 * SECOND)
    await node.store.write(lambda tx: deliveries.add(tx, row))


async def owner_of(node: Node) -> int:
    (row,) = await node.store.read(lambda tx: deliveries.find(tx, 1))
    return row.owner


def said(node: Node) -> str:
    node.log.flush()
    return node.output.getvalue()


async def test_a_node_is_dead_when_it_was_silent_for_all_of_the_time(node: Any) -> None:
    dead, other = await node(), await node()
    await lease(dead, 1)
    await other.rounds(BEATS)
    assert await owner_of(other) == 1
    await other.rounds(1)
    assert await owner_of(other) == 0
    assert "interrupted deliveries=1" in said(other)
    assert other.log.metrics.interrupted_deliveries == 1


async def test_one_beat_in_that_time_is_enough(node: Any) -> None:
    slow, other = await node(), await node()
    await lease(slow, 1)
    for _ in range(3):
        await other.rounds(BEATS)
        await slow.heart.look()
    assert await owner_of(other) == 1
    assert slow.losses == 0


async def test_who_looks_after_a_long_absence_takes_nobody_for_dead(node: Any) -> None:
    living, absent = await node(), await node()
    await lease(living, 1)
    await absent.rounds(1)
    absent.clock.jump_to(absent.clock.now() + 3600 * SECOND)
    await absent.rounds(BEATS - 1)
    assert await owner_of(absent) == 1


async def test_a_store_that_was_away_makes_nobody_dead(node: Any) -> None:
    living, other = await node(), await node()
    await lease(living, 1)
    await other.rounds(1)
    other.store.breaks = lambda fn: StoreError("the database cannot be reached")
    for _ in range(2 * BEATS):
        with pytest.raises(StoreError):
            await other.rounds(1)
    other.store.breaks = lambda fn: None
    await other.rounds(1)
    assert await owner_of(other) == 1


@pytest.mark.parametrize("is_dead", [True, False])
async def test_everybody_notices_that_a_node_is_gone_once(node: Any, is_dead: bool) -> None:
    gone, first, second = await node(), await node(), await node()
    for each in (first, second):
        await each.heart.look()
    if is_dead:
        for _ in range(BEATS + 1):
            for each in (first, second):
                await each.rounds(1)
    else:
        await gone.heart.end()
    for _ in range(3):
        for each in (first, second):
            await each.rounds(1)
    assert (first.departures, second.departures) == (1, 1)


async def test_what_could_not_be_done_about_a_departure_is_done_later(node: Any) -> None:
    gone, other = await node(), await node()
    await other.rounds(1)
    await gone.heart.end()
    other.store.breaks = lambda fn: StoreError("away") if fn is noticing else None
    with pytest.raises(StoreError):
        await other.rounds(1)
    other.store.breaks = lambda fn: None
    await other.rounds(2)
    assert other.departures == 2


async def test_who_was_taken_for_dead_is_told_so_once_and_lives_on(node: Any) -> None:
    paused, other = await node(), await node()
    await other.rounds(BEATS + 1)
    await paused.heart.look()
    await paused.heart.look()
    assert (paused.losses, other.losses) == (1, 0)
    assert not paused.heart.is_doubtful()


@pytest.mark.parametrize(
    ("seconds", "is_doubtful"), [(0, False), (24.9, False), (25, True), (3600, True), (-1, True)]
)
async def test_a_node_is_in_doubt_before_others_can_take_it_for_dead(
    node: Any, seconds: float, is_doubtful: bool
) -> None:
    one = await node()
    one.clock.jump_to(one.clock.now() + int(seconds * SECOND))
    assert one.heart.is_doubtful() is is_doubtful
    await one.heart.confirm()
    assert not one.heart.is_doubtful()
    assert one.losses == 0


async def test_in_doubt_it_waits_for_the_store(node: Any) -> None:
    one = await node()
    answers = [StoreError("away"), StoreError("away"), None]
    one.store.breaks = lambda fn: answers.pop(0)
    one.clock.jump_to(one.clock.now() + 3600 * SECOND)
    confirming = asyncio.create_task(one.heart.confirm())
    for _ in range(2):
        await one.clock.until_sleeping(1)
        assert not confirming.done()
        await one.clock.advance(1)
    await confirming
    assert answers == []


@pytest.mark.slow
async def test_what_was_taken_over_from_a_node_that_lives_is_not_attempted_by_it_again(
    make_nodes: MakeOffice,
) -> None:
    paused, other = make_nodes(limit=1), make_nodes()
    await furnish(paused.store)
    await paused.worker.start()
    await other.worker.start()
    paused.one.gate.clear()
    for number in range(4):
        await paused.send(f"a{number}@one.test")
    await paused.until(lambda: paused.one.under_way == 1)
    paused.store.breaks = lambda fn: StoreError("stopped")
    began = other.clock.now()
    for _ in range(BEATS + 1):
        await other.clock.until_sleeping(4)
        await other.clock.advance(INTERVAL)
    await other.until_done(4)
    assert other.clock.now() - began < 60 * SECOND
    paused.one.gate.set()
    await paused.clock.until_sleeping(
        6
    )  # two each, paused's settler, and what is in doubt before the next attempt
    paused.store.breaks = lambda fn: None
    await paused.clock.advance(1)
    paused.one.taken.clear()
    await paused.send("b@one.test")
    await paused.until_done(5)
    assert {address for address in paused.one.addresses if address.startswith("a")} == set()
    assert sorted(other.one.addresses + paused.one.addresses) == [
        *(f"a{number}@one.test" for number in range(4)),
        "b@one.test",
    ]
