"""Of many large messages as many are read as fit into memory, and the rest is told."""

from __future__ import annotations

import pytest
from tests.store.made import item

from graphpost.mail.mailbox import INBOX
from graphpost.mail.message import Body, Item
from graphpost.store.mailbox import changes, messages, portions
from graphpost.store.mailbox.changes import Mark
from graphpost.store.mailbox.pages import NEWEST, Slot
from graphpost.store.store import Params, Row, Store, Tx

pytestmark = pytest.mark.anyio

SIZES = (100, 9_000, 400, 30_000, 200, 8_000, 8_000, 100)  # of the messages 1 to 8


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "PORTION", 20_000)
    monkeypatch.setattr(portions, "_SMALL", 1000)
    monkeypatch.setattr(portions, "_TOGETHER", 2)


async def fill(store: Store, sizes: tuple[int, ...] = SIZES) -> list[Item]:
    made = [
        item(number, folder_id=INBOX, received_at=number, body=Body("x" * size))
        for number, size in enumerate(sizes, 1)
    ]
    await store.write(lambda tx: [messages.add(tx, each) for each in made])
    return made


async def page(store: Store, after: int, folder: int | None, top: int = 8) -> tuple[list[Item], bool]:
    slot = Slot((("received_at", False),), (after, after), 0, top)

    def read(tx: Tx) -> tuple[list[Item], bool]:
        found, is_cut = messages.find_flagged(tx, 7, [("is_read = ?", (1,))], slot, folder_id=folder)
        assert all(flags == (each.is_read,) for each, flags in found)
        return [each for each, _ in found], is_cut

    return await store.read(read)


@pytest.mark.parametrize("folder", [INBOX, None])
async def test_a_page_ends_where_it_gets_too_large(store: Store, folder: int | None) -> None:
    made = await fill(store)
    assert await page(store, 0, folder) == (made[:3], True)
    assert await page(store, 3, folder) == (made[3:4], True)  # one alone is read however large it is
    assert await page(store, 4, folder) == (made[4:], False)
    assert await page(store, 0, folder, 2) == (made[:2], False)
    assert await page(store, 8, folder) == ([], False)


async def test_messages_by_their_ids_come_in_order_as_far_as_they_fit(store: Store) -> None:
    made = await fill(store)
    by_id = {each.message_id: each for each in made}
    rest, pages = [6, 99, 4, 2, 8, 100, 7, 5], []
    while rest:
        found, rest = await store.read(lambda tx, rest=rest: messages.get_some(tx, 7, rest))  # type: ignore[misc]
        pages.append([each.message_id for each in found])
        assert all(each == by_id[each.message_id] for each in found)
    assert pages == [[6], [4], [2, 8, 7, 5]]


async def test_changes_are_told_in_portions(store: Store) -> None:
    await fill(store)
    await store.write(lambda tx: messages.remove(tx, item(1, version=1)))
    mark, pages = Mark(0, 0), []
    while True:
        found, is_cut = await store.read(
            lambda tx, mark=mark: changes.messages_since(tx, 7, INBOX, mark, changes.latest(tx), 100)  # type: ignore[misc]
        )
        pages.append([(each.kind, each.message_id) for each in found])
        if not is_cut:
            break
        mark = found[-1].mark
    told = [each for one in pages for each in one]
    assert sorted(told) == sorted({*told})
    assert {number for _, number in told} >= set(range(2, 9))
    assert [len(one) for one in pages] == [2, 1, 5]


async def test_an_index_goes_on_where_it_stopped(store: Store) -> None:
    made = await fill(store)
    above, found = 0, list[Item]()
    while some := await store.read(lambda tx, above=above: messages.ascending(tx, 7, above, 100)):  # type: ignore[misc]
        found += some
        above = some[-1].message_id
    assert found == made


async def test_what_does_not_fit_is_not_read(store: Store) -> None:
    await fill(store)
    read: list[int] = []

    class Weighed:
        """A Tx that notes how many bytes of documents its statements give."""

        def __init__(self, tx: Tx) -> None:
            self.tx, self.dialect = tx, tx.dialect

        def all(self, sql: str, params: Params = ()) -> list[Row]:
            rows = self.tx.all(sql, params)
            values = [value for row in rows for value in row if isinstance(value, bytes)]
            read.append(sum(len(value) for value in values))
            return rows

    slot = Slot(NEWEST, None, 0, 1000)
    await store.read(lambda tx: messages.find_flagged(Weighed(tx), 7, (), slot))  # type: ignore[arg-type]
    assert sum(read) < portions.PORTION + 1000


async def test_who_is_gone_meanwhile_is_left_out(store: Store) -> None:
    await fill(store)
    rows: list[Row] = [(2, None, 9_100), (77, None, 500), (3, b"there", 5)]
    found, number = await store.read(lambda tx: portions.fill(tx, 7, rows, 1))
    assert [(row[0], row[1] is None) for row in found] == [(2, False), (3, False)]
    assert number == 3
