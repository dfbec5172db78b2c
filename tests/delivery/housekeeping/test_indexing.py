"""Indexes of searched mailboxes, brought up to date in the background."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tests.delivery.conftest import MakeOffice
from tests.store.made import item

from graphpost.clock import SECOND, Instant
from graphpost.delivery.housekeeping.indexing import BUSY, RESTS, TURNS, Indexer
from graphpost.errors import StoreError
from graphpost.store.mailbox import messages
from graphpost.store.search import indexing, words
from graphpost.store.search.words import HIGHEST
from graphpost.store.store import Store, Tx
from graphpost.testing.clock import JumpingClock

pytestmark = pytest.mark.anyio
BOX, OTHER = 1, 2


async def add(store: Store, *numbers: int) -> None:
    await store.write(lambda tx: [messages.add(tx, item(number, BOX, subject="lunch")) for number in numbers])


async def found(store: Store, word: str = "slunch") -> list[int]:
    return await store.read(lambda tx: words.block_below(tx, BOX, word, HIGHEST))


def all_ids(tx: Tx) -> list[int]:
    ids: list[int] = []
    while block := words.block_below(tx, BOX, "slunch", ids[0] - 1 if ids else HIGHEST):
        ids = [*block, *ids]
    return ids


async def progress(store: Store, mailbox_id: int = BOX) -> indexing.Progress | None:
    return await store.read(lambda tx: indexing.progress(tx, mailbox_id))


async def test_a_searched_mailbox_gets_its_index_and_others_none(make_office: MakeOffice) -> None:
    office = make_office()
    indexer = Indexer(office.store, office.log, office.clock)
    await add(office.store, 1, 2, 3)
    running = asyncio.create_task(indexer.run())
    indexer.searched(BOX)

    async def is_built() -> bool:
        now = await progress(office.store)
        return now is not None and now.built_to == HIGHEST

    await office.until(is_built)
    running.cancel()
    assert await found(office.store) == [1, 2, 3]
    assert await progress(office.store, OTHER) is None


class SlowWork(JumpingClock):
    """A clock on which work takes a second, and each turn of the event loop so long; it notes the rests."""

    def __init__(self, turn: int) -> None:
        super().__init__()
        self.rests: list[float] = []
        self._takes = itertools.cycle([SECOND, 0, *([turn, 0] if turn > BUSY else [turn, 0] * TURNS)])

    def now(self) -> Instant:
        time = super().now()
        self.jump_to(time + next(self._takes))
        return time

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)


@pytest.mark.parametrize(("turn", "rests"), [(BUSY + 1, {RESTS * 1.0}), (BUSY, set())])
async def test_who_indexes_beside_others_rests_longer_than_it_works(
    make_office: MakeOffice, turn: int, rests: set[float]
) -> None:
    office, clock = make_office(), SlowWork(turn)
    indexer = Indexer(office.store, office.log, clock)
    await add(office.store, 1)
    await indexer.catch_up(BOX)
    assert set(clock.rests) == rests
    assert await found(office.store) == [1]


async def test_what_comes_later_is_added_by_the_maintenance(make_office: MakeOffice) -> None:
    office = make_office()
    indexer = Indexer(office.store, office.log, office.clock)
    await indexer.keep(BOX)
    assert await progress(office.store) is None
    await add(office.store, 1)
    await indexer.catch_up(BOX)
    await add(office.store, 2)
    await indexer.keep(BOX)
    assert await found(office.store) == [1, 2]


async def test_words_of_what_is_gone_are_forgotten(make_office: MakeOffice) -> None:
    office = make_office()
    indexer = Indexer(office.store, office.log, office.clock)
    await add(office.store, 1, 2)
    await office.store.write(lambda tx: messages.add(tx, item(3, BOX, subject="secret")))
    await indexer.catch_up(BOX)
    assert await found(office.store, "ssecret") == [3]

    def remove(tx: Tx) -> None:
        for number in (2, 3):
            gone = messages.get(tx, BOX, number)
            assert gone is not None
            messages.remove(tx, gone)

    await office.store.write(remove)
    await indexer.keep(BOX)
    assert await found(office.store, "ssecret") == []
    assert await found(office.store) == [1]


async def test_an_index_that_fails_is_told_and_tried_again(make_office: MakeOffice) -> None:
    office = make_office()
    indexer = Indexer(office.store, office.log, office.clock)
    await add(office.store, 1)
    office.store.breaks = lambda fn: StoreError("the disk is full")
    running = asyncio.create_task(indexer.run())
    indexer.searched(BOX)
    await office.until(lambda: "the disk is full" in office.said())
    office.store.breaks = lambda fn: None
    indexer.searched(BOX)

    async def is_there() -> bool:
        return await found(office.store) == [1]

    await office.until(is_there)
    running.cancel()


async def test_two_nodes_index_one_mailbox_together(
    make_nodes: MakeOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "MESSAGES", 5)
    monkeypatch.setattr(indexing, "WORDS", 3)
    monkeypatch.setattr(words, "BLOCK", 4)
    nodes = [make_nodes(), make_nodes()]
    indexers = [Indexer(node.store, node.log, node.clock) for node in nodes]
    await add(nodes[0].store, *range(1, 41))
    await asyncio.gather(*(indexer.catch_up(BOX) for indexer in indexers))
    await add(nodes[1].store, *range(41, 61))
    await asyncio.gather(*(indexer.catch_up(BOX) for indexer in indexers))
    ids = await nodes[0].store.read(all_ids)
    assert ids == list(range(1, 61))
    assert await nodes[0].store.read(lambda tx: indexing.gather(tx, BOX)) is None
