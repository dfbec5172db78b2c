"""Messages in mailboxes, one by one and in pages.

How they are kept is in `rows`.  Adding, moving and removing keep the folders' counts.  Folder 0 is no folder: nothing is
counted or listed there.  What was deleted for good but can be recovered is listed in its own folder only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from graphpost.errors import PreconditionFailed
from graphpost.mail.mailbox import NO_FOLDER, RECOVERABLE, SENT_ITEMS
from graphpost.mail.message import Item
from graphpost.store.mailbox import removals
from graphpost.store.mailbox.pages import NEWEST, Key, Order, Slot, keyset, ordering
from graphpost.store.mailbox.portions import fill, small
from graphpost.store.mailbox.removals import PLACES
from graphpost.store.mailbox.rows import COLUMNS, IN_PORTIONS, READ, item_of, row_of
from graphpost.store.store import Params, Row, Tx

_ADD: Final = (
    f"INSERT INTO messages ({', '.join(COLUMNS)}, changed, placed)"  # noqa: S608
    f" VALUES ({', '.join('?' * (len(COLUMNS) + 2))})"
)
_CHANGE: Final = (
    f"UPDATE messages SET {', '.join(f'{c} = ?' for c in COLUMNS[2:])}, changed = ?"  # noqa: S608
    " WHERE mailbox_id = ? AND message_id = ? AND version = ?"
)
_CHANGE_PLACE: Final = _CHANGE.replace("changed = ?", "changed = ?, placed = ?")
_READ: Final = f"SELECT {READ} FROM messages WHERE mailbox_id = ?"  # noqa: S608
_IN_PORTIONS: Final = f"SELECT {IN_PORTIONS} FROM messages WHERE mailbox_id = ?"  # noqa: S608
_OF_PLACE: Final = (
    "SELECT received_at, message_id FROM (SELECT received_at, message_id FROM messages"
    " WHERE mailbox_id = ? AND folder_id = ?{} ORDER BY {} LIMIT ?) AS place"
)
_AT: Final = READ.count(",")  # the document's column
_WIDTH: Final = _AT + 2  # of IN_PORTIONS
_TOGETHER: Final = 50  # folders to a statement

Where = tuple[str, Params]


def add(tx: Tx, item: Item) -> None:
    """Add a message; a StoreError when that id is taken."""
    number = tx.change_number()
    tx.executemany(_ADD, ((*row_of(item), number, number),))
    if item.folder_id:
        tx.count_folder(item.mailbox_id, item.folder_id, 1, 0 if item.is_read else 1, item.size)


def get(tx: Tx, mailbox_id: int, message_id: int) -> Item | None:
    """The message wherever it is; in a write, nobody else changes it before the end."""
    row = tx.one(f"{_READ} AND message_id = ?{tx.dialect.for_update}", (mailbox_id, message_id))
    return None if row is None else item_of(mailbox_id, row)


def find(
    tx: Tx,
    mailbox_id: int,
    *,
    folder_id: int | None = None,
    where: Where | None = None,
    order: Order = NEWEST,
    after: Key | None = None,
    skip: int = 0,
    top: int = 10,
) -> list[Item]:
    """A page of the messages of a folder, or (None) of all folders but that of recoverable items: a portion at most.

    `where` is a condition on columns and its parameters.  Ties in the order go by message id, so that pages neither
    overlap nor leave out; with `after`, the `sort_key` of a message, the page begins behind that message's place.
    """
    slot = Slot(order, after, skip, top)
    found, _ = find_flagged(tx, mailbox_id, (), slot, folder_id=folder_id, where=where)
    return [item for item, _ in found]


def find_flagged(
    tx: Tx,
    mailbox_id: int,
    flags: Sequence[Where],
    slot: Slot,
    *,
    folder_id: int | None = None,
    where: Where | None = None,
) -> tuple[list[tuple[Item, tuple[bool, ...]]], bool]:
    """As `find`, and which of the conditions `flags` each message meets; and whether some are left out for their size."""
    if unknown := [column for column, _ in slot.order if column not in COLUMNS]:
        raise ValueError(f"not a column to order by: {unknown[0]}")
    fields = "".join(f", CASE WHEN {text} THEN 1 ELSE 0 END" for text, _ in flags)
    read = f"SELECT {IN_PORTIONS}{fields} FROM messages WHERE mailbox_id = ?"  # noqa: S608
    values = [small(slot.top, slot.portion), *(value for _, params in flags for value in params)]
    if folder_id is None and len(slot.order) == 1 and slot.order[0][0] == "received_at":
        numbers = _by_time(tx, mailbox_id, slot, where)
        if not numbers:
            return [], False
        marks = ", ".join("?" * len(numbers))
        rows = tx.all(f"{read} AND message_id IN ({marks})", (*values, mailbox_id, *numbers))
        by_number = {row[0]: row for row in rows}
        rows = [by_number[number] for number in numbers]
    else:
        condition, params = _condition(mailbox_id, folder_id, where)
        behind, key = keyset(slot.order, slot.after)
        sql = f"{read}{condition}{behind} ORDER BY {ordering(slot.order)} LIMIT ? OFFSET ?"
        rows = tx.all(sql, (*values, *params, *key, slot.top, slot.skip))
    whole, is_cut = portion_of(tx, mailbox_id, rows, slot.portion)
    return [(item, tuple(value != 0 for value in row[_WIDTH:])) for item, row in whole], is_cut


def get_some(
    tx: Tx, mailbox_id: int, numbers: Sequence[int], portion: int = 0
) -> tuple[list[Item], Sequence[int]]:
    """Those of the messages that are there, wherever they are, in that order; and which were not looked at for their size."""
    if not numbers:
        return [], ()
    rows = tx.all(
        f"{_IN_PORTIONS} AND message_id IN ({', '.join('?' * len(numbers))})",
        (small(len(numbers), portion), mailbox_id, *numbers),
    )
    by_number = {row[0]: row for row in rows}
    whole, is_cut = portion_of(
        tx, mailbox_id, [by_number[number] for number in numbers if number in by_number], portion
    )
    items = [item for item, _ in whole]
    return items, numbers[numbers.index(items[-1].message_id) + 1 :] if is_cut else ()


def ascending(tx: Tx, mailbox_id: int, above: int, limit: int) -> list[Item]:
    """Messages of all folders, recoverable ones too, in the order of their ids: a portion at most."""
    rows = tx.all(
        f"{_IN_PORTIONS} AND message_id > ? AND folder_id <> ? ORDER BY message_id LIMIT ?",
        (small(limit), mailbox_id, above, NO_FOLDER, limit),
    )
    return [item for item, _ in portion_of(tx, mailbox_id, rows)[0]]


def portion_of(
    tx: Tx, mailbox_id: int, rows: list[Row], portion: int = 0
) -> tuple[list[tuple[Item, Row]], bool]:
    """The messages of the first rows, which begin with `IN_PORTIONS`, and whether others are left out for their size."""
    whole, number = fill(tx, mailbox_id, rows, _AT, portion)
    return [(item_of(mailbox_id, row), row) for row in whole], number < len(rows)


def descending_ids(
    tx: Tx,
    mailbox_id: int,
    folder_id: int | None,
    above: int,
    at_most: int,
    limit: int,
    where: Where | None = None,
) -> list[int]:
    """The ids of messages that `find` looks at, above one and up to another, the highest first."""
    condition, params = _condition(mailbox_id, folder_id, where)
    rows = tx.all(
        f"SELECT message_id FROM messages WHERE mailbox_id = ?{condition}"  # noqa: S608
        " AND message_id > ? AND message_id <= ? ORDER BY message_id DESC LIMIT ?",
        (*params, above, at_most, limit),
    )
    return [row[0] for row in rows]


def matching(tx: Tx, mailbox_id: int, numbers: Sequence[int], where: Where) -> set[int]:
    """Those of the messages, given by their ids, that meet a condition."""
    if not numbers:
        return set()
    marks, (condition, params) = ", ".join("?" * len(numbers)), where
    rows = tx.all(
        f"SELECT message_id FROM messages WHERE mailbox_id = ? AND message_id IN ({marks}) AND ({condition})",  # noqa: S608
        (mailbox_id, *numbers, *params),
    )
    return {row[0] for row in rows}


def count(tx: Tx, mailbox_id: int, folder_id: int | None = None, where: Where | None = None) -> int:
    """How many messages a folder, or (None) all that `find` looks at have; without a condition, as folders count."""
    if where is None and (folders := _counted(tx, mailbox_id, folder_id)) is not None:
        return folders
    condition, params = _condition(mailbox_id, folder_id, where)
    row = tx.one(f"SELECT COUNT(*) FROM messages WHERE mailbox_id = ?{condition}", params)  # noqa: S608
    return int(row[0]) if row else 0


def _counted(tx: Tx, mailbox_id: int, folder_id: int | None) -> int | None:
    """The sum of the folders' counts; None when there is no such folder (then nothing was counted)."""
    one = " AND folder_id <> ?" if folder_id is None else " AND folder_id = ?"
    params = (mailbox_id, RECOVERABLE if folder_id is None else folder_id)
    rows = tx.all(f"SELECT total_count FROM folders WHERE mailbox_id = ?{one}", params)  # noqa: S608
    return sum(row[0] for row in rows) if rows else None


def change(tx: Tx, before: Item, after: Item) -> Item:
    """Write `after` over `before`; the item as it now is: next version, and next place when it was moved or sent.

    Raises PreconditionFailed when the stored message is no longer the version of `before`, or is gone.
    """
    moved = after.folder_id != before.folder_id or after.is_draft != before.is_draft
    item = msgspec.structs.replace(after, version=before.version + 1, moves=before.moves + moved)
    key = (before.mailbox_id, before.message_id, before.version)
    number = tx.change_number()
    sql, numbers = (_CHANGE_PLACE, (number, number)) if moved else (_CHANGE, (number,))
    if tx.execute(sql, (*row_of(item)[2:], *numbers, *key)) != 1:
        raise PreconditionFailed("The message was changed by somebody else.")
    if moved:
        _leave(tx, before, removals.MOVED if item.folder_id else removals.DELETED)
    if moved or item.is_read != before.is_read:
        _count(tx, before, -1)
        _count(tx, item, 1)
    else:
        tx.touch(item.mailbox_id)
        if item.folder_id and item.size != before.size:
            tx.weigh_folder(item.mailbox_id, item.folder_id, item.size - before.size)
    return item


def remove(tx: Tx, item: Item) -> bool:
    """Delete the message's row (not its contents); whether it was there, at that place."""
    gone = tx.execute(
        "DELETE FROM messages WHERE mailbox_id = ? AND message_id = ? AND version = ?",
        (item.mailbox_id, item.message_id, item.version),
    )
    if gone:
        _leave(tx, item, removals.DELETED)
        _count(tx, item, -1)
    return gone > 0


def places(tx: Tx, mailbox_id: int) -> list[int]:
    """The folders that have messages."""
    return [row[0] for row in tx.all(PLACES.format("messages"), (mailbox_id, mailbox_id))]


def _by_time(tx: Tx, mailbox_id: int, slot: Slot, where: Where | None) -> list[int]:
    """The first of all folders, from the first of each: the index is by folder, and a mailbox may be large."""
    found_in = [place for place in places(tx, mailbox_id) if place != RECOVERABLE]
    (behind, key), (condition, params) = keyset(slot.order, slot.after), _given(where)
    one = {
        place: _OF_PLACE.format(behind + condition + _by_sender(place, condition), ordering(slot.order))
        for place in found_in
    }
    found: list[Row] = []
    for start in range(0, len(found_in), _TOGETHER):
        some = found_in[start : start + _TOGETHER]
        values = [
            value for place in some for value in (mailbox_id, place, *key, *params, slot.skip + slot.top)
        ]
        found += tx.all(" UNION ALL ".join(one[place] for place in some), values)
    found.sort(reverse=slot.order[0][1])
    return [row[1] for row in found[slot.skip : slot.skip + slot.top]]


def _leave(tx: Tx, item: Item, reason: int) -> None:
    if item.folder_id:
        removals.add(tx, item.mailbox_id, item.folder_id, [(item.message_id, item.moves)], reason)


def _count(tx: Tx, item: Item, number: int) -> None:
    if item.folder_id:
        unread = 0 if item.is_read else number
        tx.count_folder(item.mailbox_id, item.folder_id, number, unread, number * item.size)


def _condition(mailbox_id: int, folder_id: int | None, where: Where | None) -> tuple[str, tuple[Any, ...]]:
    condition, params = _given(where)
    if folder_id is None:
        return f" AND folder_id NOT IN (?, ?){condition}", (mailbox_id, NO_FOLDER, RECOVERABLE, *params)
    return f" AND folder_id = ?{condition}{_by_sender(folder_id, condition)}", (
        mailbox_id,
        folder_id,
        *params,
    )


def _by_sender(folder_id: int, condition: str) -> str:
    """What lets the database use the index by sender, which leaves out Sent Items."""
    is_of_use = folder_id != SENT_ITEMS and "(from_address = ?)" in condition
    return f" AND folder_id <> {SENT_ITEMS}" if is_of_use else ""


def _given(where: Where | None) -> tuple[str, tuple[Any, ...]]:
    return ("", ()) if where is None or not where[0] else (f" AND ({where[0]})", tuple(where[1]))
