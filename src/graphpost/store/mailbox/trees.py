"""Trees of folders, copied and erased in steps of bounded size.

A step is one transaction of about `ROWS` rows; small trees are done in the first.  Between the steps of an erasure a
reader sees the tree shrink, leaves first; the top folder goes last, so an erasure that was interrupted is finished by
erasing again.  Between the steps of a copy a reader sees the copy fill: a folder first, then its messages, then its
child folders.  Counts are right at every moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.mail.mailbox import NO_FOLDER, Folder
from graphpost.mail.message import Item
from graphpost.store import contents
from graphpost.store.mailbox import folders, messages, removals
from graphpost.store.queue import deliveries
from graphpost.store.store import Tx

ROWS: Final = 400  # messages and folders to a step; most messages have a content or two besides
_FIRST: Final = (
    "SELECT message_id, is_read, moves, size FROM messages WHERE mailbox_id = ? AND folder_id = ?"
    " ORDER BY received_at, message_id LIMIT ?"
)
_NEXT: Final = (
    "SELECT received_at, message_id FROM messages WHERE mailbox_id = ? AND folder_id = ?"
    " AND (received_at, message_id) > (?, ?) AND message_id <= ? ORDER BY received_at, message_id LIMIT ?"
)
# CROSS JOIN and what names say, which is nothing, have SQLite look for children by their index, from each folder on.
_DEEPEST: Final = (
    "WITH RECURSIVE tree(folder_id, depth) AS ("
    " SELECT f.folder_id, 0 FROM folders f WHERE f.mailbox_id = ? AND f.folder_id = ?"
    " UNION ALL SELECT f.folder_id, tree.depth + 1 FROM tree"
    " CROSS JOIN folders f WHERE f.mailbox_id = ? AND f.parent_id = tree.folder_id AND f.name_key >= '')"
    " SELECT folder_id FROM tree ORDER BY depth DESC LIMIT ?"
)
_SIZE: Final = (
    "WITH RECURSIVE tree(folder_id, size) AS ("
    " SELECT f.folder_id, f.size FROM folders f WHERE f.mailbox_id = ? AND f.folder_id = ?"
    " UNION ALL SELECT f.folder_id, f.size FROM tree"
    " CROSS JOIN folders f WHERE f.mailbox_id = ? AND f.parent_id = tree.folder_id AND f.name_key >= '')"
    " SELECT COALESCE(SUM(size), 0) FROM tree"
)
_START: Final = (-(2**62), 0)


class Copying(Struct, frozen=True):
    """How far a copy has come.  `waiting` are (folder to be copied, parent of its copy), the next one last.

    `source` and `target` are the folders whose messages are being copied (0: none), up to the message `after`.  What
    has a number above `until` came later than the copy began and is left out.
    """

    mailbox_id: int
    waiting: tuple[tuple[int, int], ...]
    until: int
    source: int = 0
    target: int = 0
    after: tuple[Instant, int] = _START  # received_at and message_id

    @property
    def is_done(self) -> bool:
        return not self.source and not self.waiting


def size_of(tx: Tx, mailbox_id: int, top: int) -> int:
    """How many bytes the messages have that are in a folder and below it."""
    row = tx.one(_SIZE, (mailbox_id, top, mailbox_id))
    return int(row[0]) if row else 0


def copy_step(tx: Tx, copying: Copying, number: Callable[[], int], now: Instant, rows: int = ROWS) -> Copying:
    """Copy up to `rows` messages and folders further.

    Copies are messages of their own, whose bytes in blobs are shared; a queued message's copy is not queued.  A folder
    that is gone by now is left out, and what belongs into a copy that somebody has removed again.
    """
    folders.hold_tree(tx, copying.mailbox_id)
    while rows > 0 and not copying.is_done:
        if copying.source:
            copying, copied = _copy_messages(tx, copying, number, now, rows)
        else:
            copying, copied = _copy_folder(tx, copying, number()), 1
        rows -= max(copied, 1)
    return copying


def erase_step(
    tx: Tx, mailbox_id: int, top: int, rows: int = ROWS, *, unread: Callable[[Tx, Item], object] | None = None
) -> bool:
    """Remove up to `rows` messages and folders of the tree under `top`, itself last; whether all is gone.

    A message that is on its way stays, in no folder, until it is delivered.  `unread` is told of each message that nobody
    has read, while it is there.
    """
    folders.hold_tree(tx, mailbox_id)
    below = [row[0] for row in tx.all(_DEEPEST, (mailbox_id, top, mailbox_id, rows))]
    for folder_id in below:
        folders.hold(tx, mailbox_id, folder_id)
        erased = _erase_messages(tx, mailbox_id, folder_id, rows, unread)
        if erased == rows:
            return False
        folders.remove(tx, mailbox_id, folder_id)
        rows -= erased + 1
    return not below or below[-1] == top


def _erase_messages(
    tx: Tx,
    mailbox_id: int,
    folder_id: int,
    limit: int,
    tell: Callable[[Tx, Item], object] | None,
) -> int:
    """Remove up to `limit` of a folder's messages; how many."""
    rows = tx.all(f"{_FIRST}{tx.dialect.for_update}", (mailbox_id, folder_id, limit))
    found = {row[0]: row[1] for row in rows}
    if not found:
        return 0
    left: Sequence[int] = [number for number, is_read in found.items() if not is_read] if tell else ()
    while left and tell:
        items, left = messages.get_some(tx, mailbox_id, left)
        for item in items:
            tell(tx, item)
    removals.add(tx, mailbox_id, folder_id, [(row[0], row[2]) for row in rows], removals.DELETED)
    marks = ", ".join("?" * len(found))
    open_ = tx.all(
        f"SELECT DISTINCT message_id FROM deliveries WHERE bucket = ? AND state <> ? AND message_id IN ({marks})",  # noqa: S608
        (deliveries.bucket_of(mailbox_id), deliveries.DONE, *found),
    )
    kept = [row[0] for row in open_]
    gone = [number for number in found if number not in set(kept)]
    _take_out(tx, mailbox_id, kept)
    _delete(tx, mailbox_id, gone)
    unread = sum(1 for is_read in found.values() if not is_read)
    tx.count_folder(mailbox_id, folder_id, -len(found), -unread, -sum(row[3] for row in rows))
    return len(found)


def _take_out(tx: Tx, mailbox_id: int, numbers: list[int]) -> None:
    """Put messages into no folder, where their deliveries find them."""
    if numbers:
        change = tx.change_number()
        tx.executemany(
            "UPDATE messages SET folder_id = ?, moves = moves + 1, version = version + 1, changed = ?, placed = ?"
            " WHERE mailbox_id = ? AND message_id = ?",
            [(NO_FOLDER, change, change, mailbox_id, number) for number in numbers],
        )


def _delete(tx: Tx, mailbox_id: int, numbers: list[int]) -> None:
    if numbers:
        marks = ", ".join("?" * len(numbers))
        tx.execute(
            f"DELETE FROM deferrals WHERE bucket = ? AND message_id IN ({marks})",  # noqa: S608
            (deliveries.bucket_of(mailbox_id), *numbers),
        )
        for table in ("contents", "messages"):
            tx.execute(
                f"DELETE FROM {table} WHERE mailbox_id = ? AND message_id IN ({marks})",  # noqa: S608
                (mailbox_id, *numbers),
            )


def _copy_folder(tx: Tx, copying: Copying, number: int) -> Copying:
    """Begin with the next folder that waits."""
    source, parent = copying.waiting[-1]
    copying = replace(copying, waiting=copying.waiting[:-1])
    original = folders.get(tx, copying.mailbox_id, source)
    if original is None or folders.hold(tx, copying.mailbox_id, parent) is None:
        return copying
    folder = Folder(
        mailbox_id=copying.mailbox_id,
        folder_id=number,
        parent_id=parent,
        name=original.name,
        is_hidden=original.is_hidden,
    )
    if not folders.add(tx, folder):
        return copying  # somebody was quicker to make one of that name
    return replace(copying, source=source, target=number, after=_START)


def _copy_messages(
    tx: Tx, copying: Copying, number: Callable[[], int], now: Instant, limit: int
) -> tuple[Copying, int]:
    """Copy a folder's next messages or, when that were the last, go on to its child folders; how many were copied."""
    box, source = copying.mailbox_id, copying.source
    if folders.hold(tx, box, copying.target) is None:
        return replace(copying, source=0, target=0), 0
    rows = tx.all(_NEXT, (box, source, *copying.after, copying.until, limit))
    for _, message_id in rows:
        _copy_message(tx, box, message_id, copying.target, number(), now)
    if len(rows) == limit:
        return replace(copying, after=rows[-1]), limit
    below = [
        (child.folder_id, copying.target)
        for child in folders.children(tx, box, source, include_hidden=True)
        if child.folder_id <= copying.until
    ]
    return replace(copying, waiting=(*copying.waiting, *reversed(below)), source=0, target=0), len(rows)


def _copy_message(
    tx: Tx, mailbox_id: int, message_id: int, folder_id: int, number: int, now: Instant
) -> None:
    item = messages.get(tx, mailbox_id, message_id)
    if item is None:
        return
    place = {"message_id": number, "folder_id": folder_id, "moves": 0, "version": 1}
    copy = replace(item, message=item.message.copied, created_at=now, modified_at=now, **place)
    messages.add(tx, copy)
    if item.message.raw is not None or item.message.attachments:
        contents.copy(tx, mailbox_id, message_id, number)
