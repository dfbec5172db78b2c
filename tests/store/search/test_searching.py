"""How much a search reads: of common words no more documents than columns leave."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from tests.store.made import item

from graphpost.mail.mailbox import INBOX, SENT_ITEMS
from graphpost.mail.message import Attachment, Body, ContentRef
from graphpost.odata.search import parse_search
from graphpost.store.mailbox import messages
from graphpost.store.search import candidates, indexing, searching
from graphpost.store.search.searching import Search
from graphpost.store.store import Params, Row, Store, Tx

pytestmark = pytest.mark.anyio

COUNT, EVERY = 600, 150  # messages; of so many one has attachments, and another is in Sent Items
FILE = (Attachment(attachment_id=1, content=ContentRef(1), name="a", size=1),)


async def fill(store: Store, size: int = 0) -> None:
    made = [
        item(
            number,
            folder_id=SENT_ITEMS if number % EVERY == 1 else INBOX,
            body=Body("order shipped" + "." * size),
            attachments=FILE if number % EVERY == 0 else (),
            received_at=number,
            sent_at=number,
        )
        for number in range(1, COUNT + 1)
    ]
    await store.write(lambda tx: [messages.add(tx, each) for each in made])
    await store.write(lambda tx: indexing.begin(tx, 7))
    while step := await store.read(lambda tx: indexing.gather(tx, 7)):
        for some in step.slices():
            await store.write(lambda tx, some=some: indexing.add(tx, 7, some))  # type: ignore[misc]
        await store.write(lambda tx, step=step: indexing.advance(tx, 7, step.before, step.after))  # type: ignore[misc]


class Counted:
    """A Tx that counts its statements, and the documents that these give."""

    def __init__(self, tx: Tx, statements: list[int]) -> None:
        self.tx, self.dialect, self.statements = tx, tx.dialect, statements

    def all(self, sql: str, params: Params = ()) -> list[Row]:
        rows = self.tx.all(sql, params)
        self.statements.append(len(rows) if "document" in sql else 0)
        return rows

    def one(self, sql: str, params: Params = ()) -> Row | None:
        return self.tx.one(sql, params)


async def find(
    store: Store, query: str, folder: int | None = None, wanted: int = 250
) -> tuple[Sequence[int], list[int], int]:
    """The ids that are found, the documents that each statement gave, and the number of steps."""
    statements: list[int] = []
    found: list[int] = []
    sought = parse_search(query, 0)
    search = await store.read(lambda tx: searching.begin(tx, Search(7, folder, sought)))
    steps = 0
    while not search.is_over and len(found) < wanted:
        look = partial(searching.look, search=search, wanted=wanted - len(found))
        more, search = await store.read(lambda tx, look=look: look(Counted(tx, statements)))  # type: ignore[misc, arg-type]
        found += [number for _, number in more]
        steps += 1
    return found, statements, steps


async def test_what_columns_rule_out_is_not_read(store: Store) -> None:
    await fill(store)
    found, statements, _ = await find(store, '"shipped hasattachments:true"')
    assert found == [600, 450, 300, 150]
    assert sum(statements) == 4


@pytest.mark.parametrize("few", [0, 200])
async def test_what_is_in_other_folders_is_not_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(candidates, "FEW", few)
    await fill(store)
    found, statements, _ = await find(store, "shipped", SENT_ITEMS)
    assert found == [451, 301, 151, 1]
    assert sum(statements) == 4


async def test_what_is_never_meant_takes_few_statements(store: Store) -> None:
    await fill(store)
    found, statements, steps = await find(store, '"\\"shipped order\\""')
    assert found == []
    assert sum(statements) == COUNT
    assert len(statements) < COUNT / 3
    assert steps <= 3


async def test_no_more_is_looked_at_than_is_wanted(store: Store) -> None:
    await fill(store)
    found, statements, _ = await find(store, "shipped", wanted=25)
    assert found[:25] == list(range(600, 575, -1))
    assert sum(statements) <= 30


async def test_a_step_ends_where_it_has_read_much(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "CHARACTERS", 10_000)
    await fill(store, 1000)
    found, statements, steps = await find(store, "shipped", wanted=COUNT)
    assert found == list(range(600, 0, -1))
    assert steps > 30
    assert max(statements) <= 12
