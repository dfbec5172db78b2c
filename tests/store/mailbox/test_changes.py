"""The log of changes: everything that a client sees is in it, in order, and nothing is left out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.store.made import delivery, item

from graphpost.errors import PreconditionFailed
from graphpost.mail.mailbox import DELETED_ITEMS, INBOX, NO_FOLDER, ROOT, SENT_ITEMS, Folder
from graphpost.mail.message import Item
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import changes, folders, forgetting, messages, removals, trees
from graphpost.store.mailbox.changes import Change
from graphpost.store.mailbox.trees import Copying
from graphpost.store.queue import deliveries
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio
ALL = 10_000
Told = list[tuple[str, int, int]]  # kind, message and moves


async def horizon(store: Store) -> int:
    return await store.read(changes.latest)


async def changed(store: Store, since: int, folder: int | None = INBOX) -> list[Change]:
    def read(tx: Tx) -> list[Change]:
        return changes.messages_since(tx, 7, folder, changes.after(since), changes.latest(tx), ALL).found

    return await store.read(read)


async def told(store: Store, since: int, folder: int | None = INBOX) -> Told:
    return [(each.kind, each.message_id, each.moves) for each in await changed(store, since, folder)]


async def folders_changed(store: Store, since: int) -> dict[int, tuple[int, int] | None]:
    """Total and child count of the folders that changed; None: gone."""

    def read(tx: Tx) -> dict[int, tuple[int, int] | None]:
        found = changes.folders_since(tx, 7, changes.after(since), changes.latest(tx), ALL)
        return {
            each.folder_id: None
            if each.folder is None
            else (each.folder.total_count, each.folder.child_count)
            for each in found
        }

    return await store.read(read)


async def stocked(store: Store) -> int:
    """A mailbox with message 1 in the Inbox; the horizon behind that."""
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    await store.write(lambda tx: messages.add(tx, item(1)))
    return await horizon(store)


def moved(tx: Tx, before: Item, folder_id: int) -> Item:
    return messages.change(tx, before, replace(before, folder_id=folder_id))


def found(tx: Tx, message_id: int) -> Item:
    item = messages.get(tx, 7, message_id)
    assert item is not None
    return item


def erased_on_its_way(tx: Tx) -> None:
    deliveries.add(tx, delivery(1))
    trees.erase_step(tx, 7, INBOX)


CASES: list[tuple[str, Callable[[Tx], Any], Told]] = [
    ("nothing", lambda tx: None, []),
    ("added", lambda tx: messages.add(tx, item(2)), [("created", 2, 0)]),
    ("added elsewhere", lambda tx: messages.add(tx, item(2, folder_id=SENT_ITEMS)), []),
    (
        "changed",
        lambda tx: messages.change(tx, item(1), item(1, is_read=False)),
        [("updated", 1, 0)],
    ),
    ("moved out", lambda tx: moved(tx, item(1), SENT_ITEMS), [("deleted", 1, 0)]),
    (
        "moved out and in again",
        lambda tx: moved(tx, moved(tx, item(1), SENT_ITEMS), INBOX),
        [("deleted", 1, 0), ("created", 1, 2)],
    ),
    (
        "moved out, in and out",
        lambda tx: moved(tx, moved(tx, moved(tx, item(1), SENT_ITEMS), INBOX), SENT_ITEMS),
        [("deleted", 1, 0)],
    ),
    (
        "another place in the same folder",
        lambda tx: messages.change(tx, item(1), item(1, is_draft=True)),
        [("deleted", 1, 0), ("created", 1, 1)],
    ),
    ("removed", lambda tx: messages.remove(tx, item(1)), [("deleted", 1, 0)]),
    ("forgotten", lambda tx: forgetting.forget(tx, item(1)), [("deleted", 1, 0)]),
    ("erased with the folder", lambda tx: trees.erase_step(tx, 7, INBOX), [("deleted", 1, 0)]),
    (
        "erased on its way",
        erased_on_its_way,
        [("deleted", 1, 0)],
    ),
]


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
async def test_whatever_changes_a_folders_messages_is_told(
    store: Store, change: Callable[[Tx], Any], expected: Told
) -> None:
    since = await stocked(store)
    await store.write(change)
    assert await told(store, since) == expected
    assert await told(store, await horizon(store)) == []


async def test_what_is_told_of_all_folders_names_each_of_them(store: Store) -> None:
    since = await stocked(store)
    await store.write(lambda tx: moved(tx, item(1), SENT_ITEMS))
    each = [(change.kind, change.folder_id, change.is_gone) for change in await changed(store, since, None)]
    assert each == [("deleted", INBOX, False), ("created", SENT_ITEMS, False)]
    await store.write(lambda tx: forgetting.forget(tx, found(tx, 1)))
    each = [(change.kind, change.folder_id, change.is_gone) for change in await changed(store, since, None)]
    assert each == [("deleted", INBOX, False), ("deleted", SENT_ITEMS, True)]


async def test_a_copied_tree_is_told(store: Store) -> None:
    since = await stocked(store)
    numbers = iter(range(300, 900)).__next__
    await store.write(
        lambda tx: trees.copy_step(tx, Copying(7, ((INBOX, DELETED_ITEMS),), 200), numbers, 100)
    )
    assert await told(store, since) == []
    assert await told(store, since, 300) == [("created", 301, 0)]
    assert await folders_changed(store, since) == {300: (1, 0), DELETED_ITEMS: (0, 1)}


@pytest.mark.parametrize("gone", [NO_FOLDER, None])
async def test_what_left_came_back_and_went_for_good_in_one_transaction_is_gone(
    store: Store, gone: int | None
) -> None:
    """Its departure has the id that was known, and the reason of the last."""
    since = await stocked(store)

    def go_round(tx: Tx) -> None:
        back = moved(tx, moved(tx, found(tx, 1), DELETED_ITEMS), INBOX)
        if gone is None:
            assert messages.remove(tx, back)
        else:
            moved(tx, back, gone)

    await store.write(go_round)
    inbox = [each for each in await changed(store, since, None) if each.folder_id == INBOX]
    assert [(each.kind, each.moves, each.is_gone) for each in inbox] == [("deleted", 0, True)]


async def test_what_failed_is_not_told(store: Store) -> None:
    since = await stocked(store)
    results = await asyncio.gather(
        store.write(lambda tx: messages.change(tx, item(1, version=9), item(1, is_read=False))),
        store.write(lambda tx: messages.add(tx, item(2))),
        return_exceptions=True,
    )
    assert isinstance(results[0], PreconditionFailed)
    assert await told(store, since) == [("created", 2, 0)]


async def test_folders_are_told_with_what_they_show(store: Store) -> None:
    since = await stocked(store)
    visible = len(await store.read(lambda tx: folders.children(tx, 7, ROOT))) + 1
    folder = Folder(mailbox_id=7, folder_id=99, parent_id=INBOX, name="x")
    await store.write(lambda tx: folders.add(tx, folder))
    assert await folders_changed(store, since) == {99: (0, 0), INBOX: (1, 1)}
    since = await horizon(store)
    await store.write(lambda tx: folders.change(tx, folder, replace(folder, name="y")))
    assert await folders_changed(store, since) == {99: (0, 0)}
    since = await horizon(store)
    renamed = replace(folder, name="y", version=2)
    await store.write(lambda tx: folders.change(tx, renamed, replace(renamed, parent_id=ROOT)))
    assert set(await folders_changed(store, since)) == {99, INBOX, ROOT}
    since = await horizon(store)
    await store.write(lambda tx: messages.add(tx, item(2, folder_id=99)))
    assert await folders_changed(store, since) == {99: (1, 0)}
    since = await horizon(store)
    await store.write(lambda tx: trees.erase_step(tx, 7, 99))
    assert await folders_changed(store, since) == {99: None, ROOT: (0, visible - 1)}


async def test_a_message_that_changes_leaves_its_folder_unchanged(store: Store) -> None:
    since = await stocked(store)
    await store.write(lambda tx: messages.change(tx, item(1), item(1, subject="x")))
    assert await folders_changed(store, since) == {}


async def test_pages_follow_each_other_and_keep_one_marks_changes_together(store: Store) -> None:
    since = await stocked(store)
    await store.write(lambda tx: [messages.add(tx, item(n)) for n in range(2, 8)])
    await store.write(lambda tx: moved(tx, moved(tx, found(tx, 1), SENT_ITEMS), INBOX))
    mark, pages = changes.after(since), []
    while True:
        page, _ = await store.read(
            lambda tx, mark=mark: changes.messages_since(  # type: ignore[misc]
                tx, 7, INBOX, mark, changes.latest(tx), 1, since=since
            )
        )
        if not page:
            break
        pages.append([(change.kind, change.message_id) for change in page])
        mark = page[-1].mark
    assert pages == [*([("created", n)] for n in range(2, 8)), [("deleted", 1), ("created", 1)]]


async def test_numbers_grow_over_openings(open_store: Callable[[], Store]) -> None:
    first = open_store()
    await stocked(first)
    since = await horizon(first)
    await first.close()
    second = open_store()
    await second.write(lambda tx: messages.add(tx, item(2)))
    assert await told(second, since) == [("created", 2, 0)]
    await second.close()


async def test_what_was_removed_long_ago_is_forgotten_exactly_so_far(store: Store) -> None:
    first = await stocked(store)
    await store.write(lambda tx: moved(tx, item(1), SENT_ITEMS))
    await store.write(lambda tx: removals.note_time(tx, 1000))
    middle = await horizon(store)
    await store.write(lambda tx: moved(tx, found(tx, 1), INBOX))
    await store.write(lambda tx: moved(tx, found(tx, 1), SENT_ITEMS))
    await store.write(lambda tx: removals.note_time(tx, 2000))
    assert await store.write(lambda tx: removals.forget(tx, 1000)) == 0
    until = await store.write(lambda tx: removals.forget(tx, 1500))
    assert first < until <= middle
    assert await store.read(changes.forgotten) == until
    assert await store.write(lambda tx: removals.prune(tx, 7, until, 10)) == 1
    assert await store.write(lambda tx: removals.prune(tx, 7, until, 10)) == 0
    assert await told(store, middle) == [("deleted", 1, 2)]
    assert await store.write(lambda tx: removals.forget(tx, 1500)) == until


async def test_a_write_sees_no_number_of_its_own_below_the_horizon(store: Store) -> None:
    await stocked(store)
    number, seen = await store.write(lambda tx: (tx.change_number(), tx.change_horizon()))
    assert seen < number <= await horizon(store)


class Slow:
    """A write that has begun, and goes on when it is let."""

    def __init__(self, change: Callable[[Tx], Any]) -> None:
        self.change = change
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, tx: Tx) -> None:
        self.change(tx)
        tx.all("SELECT folder_id FROM folders WHERE mailbox_id = ?", (7,))  # what was gathered is sent
        self.begun.set()
        assert self.go.wait(60)


@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [lambda tx: messages.add(tx, item(2)), lambda tx: moved(tx, item(1), SENT_ITEMS)],
    ids=["an arrival", "a departure"],
)
async def test_beside_a_transaction_under_way_nothing_is_skipped(
    store: Store, change: Callable[[Tx], Any]
) -> None:
    since = await stocked(store)
    slow = Slow(change)
    writing = asyncio.ensure_future(store.write(slow))
    await asyncio.to_thread(slow.begun.wait, 30)
    await store.write(lambda tx: messages.add(tx, item(3)))
    meanwhile = await horizon(store)
    assert await store.read(lambda tx: messages.get(tx, 7, 3)) is not None
    assert await told(store, since) == []  # 3 is later than what is under way
    slow.go.set()
    await writing
    assert len(await told(store, meanwhile)) == 2
    assert await told(store, since) == await told(store, meanwhile)


@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
async def test_a_database_brought_to_another_server_goes_on_with_higher_numbers(
    open_store: Callable[[], Store],
) -> None:
    first = open_store()
    await stocked(first)
    ahead = 2**40
    await first.write(
        lambda tx: tx.execute("UPDATE folders SET changed = ? WHERE mailbox_id = ?", (ahead, 7))
    )
    await first.close()
    for _ in range(2):
        second = open_store()
        assert await horizon(second) > ahead
        await second.write(lambda tx: messages.add(tx, item(tx.change_number())))
        assert len(await told(second, await store_floor(second))) > 0
        await second.close()


async def store_floor(store: Store) -> int:
    return await store.read(changes.forgotten)


async def test_an_opening_begins_a_generation(sqlite_store: SqliteStore) -> None:
    path = sqlite_store.path
    before = await horizon(sqlite_store)
    await sqlite_store.close()
    again = SqliteStore.open(path, readers=1)
    assert await horizon(again) == before + 2**40
    await again.close()


async def test_a_message_in_no_folder_leaves_no_trace(store: Store) -> None:
    since = await stocked(store)
    await store.write(lambda tx: messages.add(tx, item(2, folder_id=NO_FOLDER)))
    await store.write(lambda tx: messages.remove(tx, item(2, folder_id=NO_FOLDER)))
    assert await told(store, since, None) == []
    assert await folders_changed(store, since) == {}
