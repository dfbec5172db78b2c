"""What a mailbox has is at every moment the sum of its messages, whatever was done to them."""

from __future__ import annotations

import asyncio
import itertools
import random

import apsw
import pytest
from msgspec.structs import replace
from tests.store.made import item

from graphpost.mail.mailbox import DRAFTS, INBOX, NO_FOLDER, RECOVERABLE, Folder
from graphpost.store.databases import migrate
from graphpost.store.databases.sqlite import SqliteSession
from graphpost.store.directory import accounts
from graphpost.store.mailbox import changes, folders, forgetting, messages, rows, trees
from graphpost.store.mailbox.changes import Mark
from graphpost.store.mailbox.trees import Copying
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio
PLACES = [INBOX, DRAFTS, RECOVERABLE, NO_FOLDER, 777]
PROJECT = Folder(mailbox_id=7, folder_id=777, parent_id=1, name="Project")


async def check(store: Store) -> None:
    kept = await store.read(lambda tx: tx.all("SELECT folder_id, size FROM folders WHERE mailbox_id = 7"))
    found = await store.read(
        lambda tx: tx.all("SELECT folder_id, SUM(size) FROM messages WHERE mailbox_id = 7 GROUP BY folder_id")
    )
    sums = {folder: int(size) for folder, size in found if folder != NO_FOLDER}
    assert {folder: size for folder, size in kept if size} == {f: s for f, s in sums.items() if s}
    total = sum(size for folder, size in sums.items() if folder != RECOVERABLE)
    assert await store.read(lambda tx: folders.size_of(tx, 7)) == total
    assert (await store.read(accounts.list_sizes)).get(7, 0) == total


def one_change(tx: Tx, dice: random.Random, numbers: itertools.count[int]) -> None:
    there = [
        row[0] for row in tx.all("SELECT message_id FROM messages WHERE mailbox_id = 7 ORDER BY message_id")
    ]
    found = messages.get(tx, 7, dice.choice(there)) if there else None
    choice = dice.randrange(6)
    if found is None or choice < 2:
        messages.add(tx, item(next(numbers), folder_id=dice.choice(PLACES), size=dice.randrange(1000)))
    elif choice == 2:
        messages.change(tx, found, replace(found, size=dice.randrange(1000), is_read=dice.random() < 0.5))
    elif choice == 3:
        messages.change(tx, found, replace(found, folder_id=dice.choice(PLACES), size=dice.randrange(1000)))
    elif choice == 4:
        forgetting.remove(tx, found)
    else:
        forgetting.sweep(tx, 7, [found.message_id])


@pytest.mark.parametrize("seed", range(2))
async def test_sizes_follow_every_change(store: Store, seed: int) -> None:
    dice, numbers = random.Random(seed), itertools.count(1)
    await store.write(lambda tx: (folders.create_defaults(tx, 7), folders.add(tx, PROJECT)))
    for _ in range(60):
        await store.write(lambda tx: one_change(tx, dice, numbers))
    await check(store)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_write_sees_what_came_before_it_in_the_same_commit(store: Store, fails: bool) -> None:
    """A mailbox has no more room for the second of two that are written together than the first has left."""
    dice, numbers = random.Random(7), itertools.count(1)
    await store.write(lambda tx: (folders.create_defaults(tx, 7), folders.add(tx, PROJECT)))
    seen: list[tuple[int, int]] = []

    def change(tx: Tx) -> None:
        one_change(tx, dice, numbers)
        (row,) = tx.all(
            "SELECT COALESCE(SUM(size), 0) FROM messages WHERE mailbox_id = 7 AND folder_id NOT IN (?, ?)",
            (NO_FOLDER, RECOVERABLE),
        )
        seen.append((folders.size_of(tx, 7), int(row[0])))

    def fail(tx: Tx) -> None:
        change(tx)
        raise ValueError

    for _ in range(5):
        jobs = [store.write(fail if fails and n == 3 else change) for n in range(8)]
        await asyncio.gather(*jobs, return_exceptions=True)
    assert [size for size, _ in seen] == [total for _, total in seen]
    await check(store)


async def test_sizes_follow_trees_that_are_copied_and_erased(store: Store) -> None:
    numbers = itertools.count(1000)

    def begin(tx: Tx) -> None:
        folders.create_defaults(tx, 7)
        folders.add(tx, PROJECT)
        for number in range(1, 20):
            messages.add(tx, item(number, folder_id=777, size=number))

    await store.write(begin)
    copying = Copying(7, ((777, INBOX),), 900)
    while not copying.is_done:
        copying = await store.write(lambda tx, at=copying: trees.copy_step(tx, at, numbers.__next__, 5, 4))  # type: ignore[misc]
    await check(store)
    assert await store.read(lambda tx: folders.size_of(tx, 7)) == 2 * sum(range(1, 20))
    while not await store.write(lambda tx: trees.erase_step(tx, 7, 777, 4)):
        await check(store)
    await check(store)


async def test_a_folder_is_not_a_changed_one_for_clients_when_only_its_size_is(store: Store) -> None:
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    await store.write(lambda tx: messages.add(tx, item(1, size=5)))
    before = await store.read(changes.latest)
    await store.write(lambda tx: messages.change(tx, item(1, size=5), item(1, size=50)))
    found = await store.read(
        lambda tx: changes.folders_since(tx, 7, Mark(before, 2**62), changes.latest(tx), 9)
    )
    assert found == []
    await check(store)


async def test_folders_of_before_get_their_size(anyio_backend: str) -> None:
    known = migrate.migrations()
    session = SqliteSession(apsw.Connection(":memory:"))
    migrate.apply(session, [each for each in known if each.number < 20])
    row = "(mailbox_id, folder_id, parent_id, name, name_key, well_known, is_hidden, total_count, unread_count, version)"
    for number in (6, 9):
        session.change(
            f"INSERT INTO folders {row} VALUES (7, {number}, 1, '{number}', '{number}', '', 0, 0, 0, 1)", ()
        )
    columns = ", ".join(
        each for each in rows.COLUMNS if each not in ("mailbox_id", "message_id", "folder_id", "size")
    )
    zeros = ", ".join(
        "0" if each in _NUMBERS else "''" if each not in ("document", "conversation_id") else "x''"
        for each in columns.split(", ")
    )
    for number, size in ((1, 5), (2, 6)):
        session.change(
            f"INSERT INTO messages (mailbox_id, message_id, folder_id, size, {columns}) VALUES (7, {number}, 6, {size}, {zeros})",
            (),
        )
    migrate.apply(session, known)
    assert session.query("SELECT folder_id, size FROM folders ORDER BY folder_id", ()) == [(6, 11), (9, 0)]


_NUMBERS = {
    *("moves", "version", "created_at", "modified_at", "received_at", "sent_at", "is_read", "is_draft"),
    *("has_attachments", "importance", "inference", "flag_status", "is_mentioned"),
}
