"""Rows of drafts that wait: put, found, taken once."""

from __future__ import annotations

import pytest
from tests.store.made import item

from graphpost.mail.mailbox import ROOT, Folder
from graphpost.mail.message import ExtendedProperty
from graphpost.store.mailbox import deferrals, folders, forgetting, messages, trees
from graphpost.store.mailbox.deferrals import NOBODY, Deferral, Requester
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio
ADELE = Requester("user", "t", "o", "c")


def row(message_id: int = 1, mailbox_id: int = 7, **changes: object) -> Deferral:
    values = {"due_at": 100, "created_at": 10, "requester": ADELE, "saves": False, "request_id": "r"}
    return Deferral(mailbox_id=mailbox_id, message_id=message_id, **{**values, **changes})  # type: ignore[arg-type]


async def test_it_comes_back_as_it_was_put(store: Store) -> None:
    await store.write(lambda tx: deferrals.put(tx, row()))
    assert await store.read(lambda tx: deferrals.get(tx, 7, 1)) == row()
    assert await store.read(lambda tx: deferrals.find(tx, 1)) == row()
    assert await store.read(lambda tx: deferrals.get(tx, 8, 1)) is None
    assert await store.read(lambda tx: deferrals.find(tx, 2)) is None


async def test_what_waits_already_waits_as_it_was_put_last(store: Store) -> None:
    await store.write(lambda tx: [deferrals.put(tx, row()), deferrals.put(tx, row(due_at=200, saves=True))])
    assert await store.read(lambda tx: deferrals.listed(tx, 10)) == [row(due_at=200, saves=True)]


async def test_due_are_those_whose_time_has_come_the_longest_due_first(store: Store) -> None:
    rows = [row(n, mailbox_id=n, due_at=1000 - n) for n in range(1, 40)]
    await store.write(lambda tx: [deferrals.put(tx, each) for each in rows])
    found = await store.read(lambda tx: deferrals.due(tx, 995, 100))
    assert [each.message_id for each in found] == list(range(39, 4, -1))
    assert len(await store.read(lambda tx: deferrals.due(tx, 995, 3))) == 3
    assert [each.message_id for each in await store.read(lambda tx: deferrals.listed(tx, 2))] == [39, 38]
    assert [each.message_id for each in await store.read(lambda tx: deferrals.listed(tx, 9, 5))] == [5]


async def test_it_is_taken_once_and_only_as_it_was_read(store: Store) -> None:
    await store.write(lambda tx: deferrals.put(tx, row()))
    assert await store.write(lambda tx: deferrals.postpone(tx, row(), 300))
    assert not await store.write(lambda tx: deferrals.take(tx, row()))
    assert not await store.write(lambda tx: deferrals.postpone(tx, row(), 400))
    assert await store.write(lambda tx: deferrals.take(tx, row(due_at=300)))
    assert not await store.write(lambda tx: deferrals.take(tx, row(due_at=300)))
    assert not await store.write(lambda tx: deferrals.remove(tx, 7, 1))


async def test_what_cannot_be_read_is_nobodys_and_still_comes_due(store: Store) -> None:
    await store.write(lambda tx: deferrals.put(tx, row()))
    await store.write(lambda tx: tx.execute("UPDATE deferrals SET document = ? WHERE bucket = 7", (b"\xc1",)))
    (found,) = await store.read(lambda tx: deferrals.due(tx, 100, 10))
    assert (found.message_id, found.requester, found.due_at) == (1, NOBODY, 100)


async def test_a_message_that_goes_for_good_waits_no_more(store: Store) -> None:
    timed = (ExtendedProperty("SystemTime 0x3FEF", "2030-01-01T00:00:00Z"),)
    drafts = [item(n, folder_id=100, is_draft=True, extended=timed) for n in (1, 2)]
    folder = Folder(mailbox_id=7, folder_id=100, parent_id=ROOT, name="x")
    await store.write(lambda tx: [folders.create_defaults(tx, 7), folders.add(tx, folder)])
    await store.write(
        lambda tx: [(messages.add(tx, each), deferrals.put(tx, row(each.message_id))) for each in drafts]
    )
    await store.write(lambda tx: forgetting.forget(tx, drafts[0]))
    assert [each.message_id for each in await store.read(lambda tx: deferrals.listed(tx, 9))] == [2]
    await store.write(lambda tx: trees.erase_step(tx, 7, 100))
    assert await store.read(lambda tx: deferrals.listed(tx, 9)) == []
