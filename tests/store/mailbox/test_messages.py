"""Messages, folders and contents as rows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.store.made import ADELE, item

from graphpost.errors import PreconditionFailed, StoreError
from graphpost.mail.mailbox import (
    DELETED_ITEMS,
    DRAFTS,
    INBOX,
    NO_FOLDER,
    ROOT,
    SENT_ITEMS,
    WELL_KNOWN,
    Folder,
)
from graphpost.mail.message import Address, Attachment, ContentRef, Flag
from graphpost.store import contents
from graphpost.store.blobs import FileBlobs
from graphpost.store.contents import Content
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import folders, messages
from graphpost.store.store import Params, Row, Store, Tx

pytestmark = pytest.mark.anyio


async def test_a_message_comes_back_as_it_was(store: Store) -> None:
    full = item(
        12,
        subject="Grüße \0 aus \u0130stanbul",
        categories=("Red", "Blue"),
        importance="high",
        inference="other",
        flag=Flag("flagged"),
        attachments=(Attachment(attachment_id=1, content=ContentRef(3)),),
        from_=None,
        moves=3,
        version=9,
        created_at=1,
        modified_at=2,
        sent_at=2**62,
        is_read=False,
        is_draft=True,
        size=5_000_000_000,
        conversation_id=b"\0\xff" * 8,
    )
    await store.write(lambda tx: messages.add(tx, full))
    assert await store.read(lambda tx: messages.get(tx, 7, 12)) == full
    assert await store.read(lambda tx: messages.get(tx, 8, 12)) is None


async def test_columns_are_folded_copies(store: Store) -> None:
    await store.write(
        lambda tx: messages.add(
            tx,
            item(
                subject="STRASSE " + "ß" * 300,
                categories=("Red", "Big Deal"),
                importance="low",
                flag=Flag("complete"),
                from_=Address("A@B.Test", "ÄNNE"),
            ),
        )
    )
    sql = (
        "SELECT subject, categories, importance, inference, flag_status, from_address, from_name, has_attachments"
        " FROM messages WHERE mailbox_id = 7"
    )
    row = await store.read(lambda tx: tx.one(sql))
    assert row == ("strasse " + "ss" * 247, "\x1fred\x1fbig deal\x1f", 0, 0, 1, "a@b.test", "änne", 0)


async def test_an_address_of_any_length_can_be_stored(store: Store) -> None:
    """A stranger writes it, and an index has it, whose entries PostgreSQL bounds."""
    chance = random.Random(5)  # what repeats itself would be packed
    long = "".join(chr(chance.randrange(0x390, 0x3C0)) for _ in range(9000))
    box = item(from_=Address(f"{long}@x.test", long), sender=Address(f"{long}@x.test", long))
    await store.write(lambda tx: messages.add(tx, box))
    assert await store.read(lambda tx: messages.get(tx, box.mailbox_id, box.message_id)) == box


async def page(store: Store, **how: object) -> list[int]:
    found = await store.read(lambda tx: messages.find(tx, 7, **how))  # type: ignore[arg-type]
    return [each.message_id for each in found]


async def test_finding_orders_filters_and_pages(store: Store) -> None:
    rows = [
        item(1, received_at=30, subject="b"),
        item(2, received_at=10, subject="a", is_read=False),
        item(3, received_at=20, subject="a", folder_id=SENT_ITEMS),
        item(4, received_at=20, subject="c", folder_id=NO_FOLDER),
        item(5, received_at=30, mailbox_id=8),
        item(6, received_at=30, subject="c"),
    ]
    await store.write(lambda tx: [messages.add(tx, row) for row in rows])
    assert await page(store) == [6, 1, 3, 2]
    assert await page(store, folder_id=INBOX) == [6, 1, 2]
    assert await page(store, top=2) == [6, 1]
    assert await page(store, top=2, skip=2) == [3, 2]
    assert await page(store, skip=9) == []
    assert await page(store, order=[("subject", False), ("received_at", True)]) == [3, 2, 1, 6]
    assert await page(store, where=("is_read = ? OR subject = ?", (0, "b"))) == [1, 2]
    assert await page(store, folder_id=NO_FOLDER) == [4]
    assert await store.read(lambda tx: messages.count(tx, 7)) == 4
    assert await store.read(lambda tx: messages.count(tx, 7, INBOX)) == 3
    assert await store.read(lambda tx: messages.count(tx, 7, INBOX, ("subject = ?", ("a",)))) == 1


async def test_pages_through_many_folders_are_in_order_of_time(store: Store) -> None:
    """The newest first through all folders, with the folders known and unknown."""
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    places = [INBOX, SENT_ITEMS, DRAFTS, 777]
    rows = [item(n, received_at=n * 7919 % 101 // 2, folder_id=places[n % 4]) for n in range(1, 61)]
    await store.write(lambda tx: [messages.add(tx, row) for row in rows])
    expected = [r.message_id for r in sorted(rows, key=lambda r: (r.received_at, r.message_id), reverse=True)]
    assert await page(store, top=100) == expected
    assert [n for skip in range(0, 60, 7) for n in await page(store, top=7, skip=skip)] == expected


async def test_an_order_names_columns_only(store: Store) -> None:
    with pytest.raises(ValueError, match="not a column"):
        await page(store, order=[("subject; DROP TABLE messages", False)])


async def counts(store: Store) -> dict[int, tuple[int, int]]:
    children = await store.read(lambda tx: folders.children(tx, 7, ROOT, True))
    return {f.folder_id: (f.total_count, f.unread_count) for f in children if f.total_count or f.unread_count}


async def test_changes_are_counted(store: Store) -> None:
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    first, hidden = item(1, is_read=False), item(2, folder_id=NO_FOLDER)
    await store.write(lambda tx: (messages.add(tx, first), messages.add(tx, hidden)))
    assert await counts(store) == {INBOX: (1, 1)}
    read = await store.write(lambda tx: messages.change(tx, first, replace(first, is_read=True)))
    assert (read.version, read.moves) == (2, 0)
    assert await counts(store) == {INBOX: (1, 0)}
    moved = await store.write(lambda tx: messages.change(tx, read, replace(read, folder_id=DELETED_ITEMS)))
    assert (moved.version, moved.moves) == (3, 1)
    assert await store.read(lambda tx: messages.get(tx, 7, 1)) == moved
    assert await counts(store) == {DELETED_ITEMS: (1, 0)}
    filed = await store.write(lambda tx: messages.change(tx, hidden, replace(hidden, folder_id=DRAFTS)))
    assert await counts(store) == {DELETED_ITEMS: (1, 0), DRAFTS: (1, 0)}
    assert await store.write(lambda tx: messages.remove(tx, moved)) is True
    assert await store.write(lambda tx: messages.remove(tx, moved)) is False
    assert await store.write(lambda tx: messages.remove(tx, filed)) is True
    assert await counts(store) == {}


async def test_of_two_changes_of_one_version_the_second_is_refused(store: Store) -> None:
    first = item(1)
    await store.write(lambda tx: messages.add(tx, first))
    await store.write(lambda tx: messages.change(tx, first, replace(first, size=1)))
    with pytest.raises(PreconditionFailed):
        await store.write(lambda tx: messages.change(tx, first, replace(first, size=2)))


async def test_changes_that_read_first_never_lose_one_another(store: Store) -> None:
    await store.write(lambda tx: messages.add(tx, item(1)))

    def grow(tx: Tx) -> None:
        before = messages.get(tx, 7, 1)
        assert before is not None
        messages.change(tx, before, replace(before, size=before.size + 1))

    for _ in range(5):
        await asyncio.gather(*(asyncio.ensure_future(store.write(grow)) for _ in range(8)))
    after = await store.read(lambda tx: messages.get(tx, 7, 1))
    assert after is not None
    assert (after.size, after.version) == (40, 41)


async def test_a_mailbox_has_its_folders(store: Store) -> None:
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    every = await store.read(lambda tx: folders.children(tx, 7, ROOT, True))
    assert {(f.folder_id, f.name) for f in every} == set(WELL_KNOWN.values()) - {WELL_KNOWN["msgfolderroot"]}
    shown = await store.read(lambda tx: folders.children(tx, 7, ROOT, False))
    assert [f.name for f in shown] == [
        "Archive",
        "Conversation History",
        "Deleted Items",
        "Drafts",
        "Inbox",
        "Junk Email",
        "Outbox",
        "Sent Items",
    ]
    root = await store.read(lambda tx: folders.get(tx, 7, ROOT))
    assert root is not None
    assert (root.well_known, root.child_count) == ("msgfolderroot", 8)
    assert await store.read(lambda tx: folders.get(tx, 8, ROOT)) is None


async def test_two_folders_of_one_name_are_refused(store: Store) -> None:
    def add(name: str, number: int, parent: int = INBOX) -> Callable[[Tx], bool]:
        folder = Folder(mailbox_id=7, folder_id=number, parent_id=parent, name=name)
        return lambda tx: folders.add(tx, folder)

    results = await asyncio.gather(*map(store.write, (add("Möbel", 100), add("MÖBEL", 101))))
    assert sorted(results) == [False, True]
    assert await store.write(add("Möbel", 102, SENT_ITEMS)) is True
    (found,) = await store.read(lambda tx: folders.children(tx, 7, SENT_ITEMS))
    assert (found.folder_id, found.name) == (102, "Möbel")


async def test_contents_large_and_small(store: Store, tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    small = contents.prepare(blobs, 1, b"\0small", 10)
    large = contents.prepare(blobs, 2, b"0123456789abcdef", 10)
    assert (small.data, large.data, large.size) == (b"\0small", None, 16)
    await store.write(lambda tx: contents.add(tx, 7, 5, [small, large]))
    found = await store.read(lambda tx: contents.of_message(tx, 7, 5))
    assert found == {1: small, 2: large}
    open_ = contents.opener(blobs, found)
    for number, whole in ((1, b"\0small"), (2, b"0123456789abcdef")):
        for offset, length in ((0, -1), (2, -1), (2, 3), (0, 0)):
            end = None if length < 0 else offset + length
            assert b"".join(open_(ContentRef(number, offset, length))) == whole[offset:end]
    with pytest.raises(StoreError):
        open_(ContentRef(3))
    assert await store.read(lambda tx: blobs_named(tx, small, large)) == {large.sha256}
    assert await store.read(lambda tx: contents.blobs_of(tx, 7, [])) == set()
    assert await store.read(lambda tx: contents.blobs_of(tx, 8, [large.sha256])) == set()
    await store.write(lambda tx: contents.remove(tx, 7, 5))
    assert await store.read(lambda tx: contents.of_message(tx, 7, 5)) == {}
    assert await store.read(lambda tx: blobs_named(tx, small, large)) == set()


async def test_some_contents_are_given_to_another_message(store: Store) -> None:
    held = [Content(number, 1, "0" * 64, b"x") for number in (1, 2, 3)]
    await store.write(lambda tx: contents.add(tx, 7, 5, held))
    assert await store.write(lambda tx: contents.copy_some(tx, 7, 5, 6, (1, 3)))
    assert await store.read(lambda tx: contents.of_message(tx, 7, 6)) == {1: held[0], 3: held[2]}
    assert await store.write(lambda tx: contents.copy_some(tx, 7, 5, 7, ()))
    for mailbox, message, number in ((7, 5, 4), (7, 4, 1), (8, 5, 1)):
        assert not await store.write(
            lambda tx, key=(mailbox, message), number=number: contents.copy_some(tx, *key, 9, (number,))
        )


def blobs_named(tx: Tx, *of: Content) -> set[str]:
    """Asked among many others, so that it takes more than one statement."""
    others = [f"{number:064x}" for number in range(300)]
    return contents.blobs_of(tx, 7, [*others, *(content.sha256 for content in of)])


async def test_many_contents_of_both_kinds_in_one_statement(store: Store) -> None:
    many = [Content(n, n, f"{n:064}", bytes([n]) if n % 3 else None) for n in range(100)]
    await store.write(lambda tx: contents.add(tx, 7, 5, many))
    assert await store.read(lambda tx: contents.of_message(tx, 7, 5)) == {c.content_id: c for c in many}


@pytest.mark.parametrize(
    ("folder", "where", "index"),
    [
        (INBOX, ("(is_read = 0)", ()), "messages_unread"),
        (INBOX, ("((from_address = ?) AND (received_at > ?))", ("x", 5)), "messages_by_sender"),
        (INBOX, ("(subject = ?)", ("x",)), "messages_by_time"),
        (SENT_ITEMS, ("(from_address = ?)", ("x",)), "messages_by_time"),
    ],
)
async def test_what_is_often_asked_for_has_an_index(
    sqlite_store: SqliteStore, folder: int, where: tuple[str, tuple[object, ...]], index: str
) -> None:
    plans: list[str] = []

    class Planned:
        """A Tx that asks how a statement would be run."""

        def __init__(self, tx: Tx) -> None:
            self.tx, self.dialect = tx, tx.dialect

        def all(self, sql: str, params: Params = ()) -> list[Row]:
            plans.extend(row[-1] for row in self.tx.all(f"EXPLAIN QUERY PLAN {sql}", params))
            return self.tx.all(sql, params)

    await sqlite_store.read(lambda tx: messages.find(Planned(tx), 7, folder_id=folder, where=where))  # type: ignore[arg-type]
    assert len(plans) == 1
    assert f"USING INDEX {index} " in plans[0]


async def test_a_sender_is_found_in_every_folder(store: Store) -> None:
    def add(tx: Tx) -> None:
        for number, folder in enumerate((INBOX, SENT_ITEMS, 99), 1):
            messages.add(tx, item(number, folder_id=folder))
            messages.add(tx, item(10 + number, folder_id=folder, from_=Address("b@example.test")))

    await store.write(add)
    where = ("(from_address = ?)", (ADELE.address.casefold(),))
    for folder, expected in ((INBOX, [1]), (SENT_ITEMS, [2]), (99, [3]), (None, [3, 2, 1])):
        found = await store.read(lambda tx, f=folder: messages.find(tx, 7, folder_id=f, where=where))  # type: ignore[misc]
        assert [each.message_id for each in found] == expected
        total = await store.read(lambda tx, f=folder: messages.count(tx, 7, f, where))  # type: ignore[misc]
        assert total == len(expected)
