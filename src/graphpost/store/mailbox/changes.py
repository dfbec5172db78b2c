"""What changed in a mailbox since a moment, for clients that synchronise.

It is kept by the rows themselves (`changed`, the number of the last transaction that wrote them) and by `removals`.
Whoever reads it goes from one horizon to the next: first `latest`, then everything above the horizon before and up to
this one.  What changes meanwhile has a higher number and comes the next time; nothing is ever left out.  Something may
come twice, and a message that was created and changed again around a horizon may come as "updated" alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.mailbox import Folder
from graphpost.mail.message import Item
from graphpost.store.mailbox import folders, messages, removals
from graphpost.store.mailbox.pages import NEWEST, Slot
from graphpost.store.mailbox.portions import small
from graphpost.store.mailbox.rows import IN_PORTIONS
from graphpost.store.store import Tx

Kind = Literal["created", "updated", "deleted"]


class Mark(NamedTuple):
    """A place in the log: between a change and the next one."""

    changed: int
    message_id: int


class Change(Struct, frozen=True):
    """What became of a message of a folder.

    `item` is the message as it is now, None when it left the folder, where its id had `moves`; `is_gone`: it did not go
    to another one.
    """

    mark: Mark
    kind: Kind
    folder_id: int
    message_id: int
    moves: int
    item: Item | None = None
    is_gone: bool = False


class Changes(NamedTuple):
    """Changes in order; `is_cut`: there are more, which were left out because the messages are large."""

    found: list[Change]
    is_cut: bool


class FolderChange(Struct, frozen=True):
    """A folder as it is now, or None when it is gone."""

    mark: Mark
    folder_id: int
    folder: Folder | None


_LAST: Final = 2**63 - 1
_SPAN: Final = (
    " WHERE mailbox_id = ? AND folder_id = ? AND (changed, message_id) > (?, ?) AND changed <= ?"
    " ORDER BY changed, message_id LIMIT ?"
)
_PRESENT: Final = f"SELECT changed, message_id FROM messages{_SPAN}"  # noqa: S608
_REMOVED: Final = f"SELECT changed, message_id, moves, reason FROM removals{_SPAN}"  # noqa: S608
_FOLDERS: Final = (
    f"SELECT {folders.READ}, changed FROM folders"  # noqa: S608
    " WHERE mailbox_id = ? AND (changed, folder_id) > (?, ?) AND changed <= ? ORDER BY changed, folder_id LIMIT ?"
)


def latest(tx: Tx) -> int:
    """The horizon: every change with this number or a lower one can be seen in this transaction."""
    return tx.change_horizon()


def forgotten(tx: Tx) -> int:
    """Who has not seen everything up to this number cannot be told what was removed, and begins anew."""
    return removals.forgotten(tx)


def after(number: int) -> Mark:
    """The mark behind everything up to that number."""
    return Mark(number, _LAST)


def messages_since(
    tx: Tx,
    mailbox_id: int,
    folder_id: int | None,
    mark: Mark,
    until: int,
    limit: int,
    *,
    since: int | None = None,
    portion: int = 0,
) -> Changes:
    """What became of the messages of a folder, or (None) of every folder, behind the mark and up to that number.

    In the order of the marks; of one mark a departure comes before an arrival.  About `limit` changes and a portion of
    messages: those with the same mark are kept together.  "created" is what came to the folder after `since`, by default the mark's number: a
    reader that takes several pages gives the number that it began at.
    """
    places = _places(tx, mailbox_id) if folder_id is None else {folder_id}
    span = (*mark, until, limit)
    found: list[tuple[Mark, int, Change | None]] = []
    for place in places:
        found += [(Mark(*row), place, None) for row in tx.all(_PRESENT, (mailbox_id, place, *span))]
        rows = tx.all(_REMOVED, (mailbox_id, place, *span))
        found += [(change.mark, place, change) for row in rows if (change := _departure(place, row))]
    found.sort(key=lambda each: (each[0], each[2] is None))
    chosen = [each for each in found if len(found) <= limit or each[0] <= found[limit - 1][0]]
    arrived = [key.message_id for key, _, change in chosen if change is None]
    present, rest = _present(tx, mailbox_id, arrived, mark.changed if since is None else since, portion)
    end = next((key for key, _, change in chosen if change is None and key.message_id in rest), None)
    told = [
        change if change is not None else present[key.message_id]
        for key, _, change in chosen
        if (end is None or key < end) and (change is not None or key.message_id in present)
    ]
    return Changes(told, end is not None)


def present(
    tx: Tx,
    mailbox_id: int,
    folder_id: int,
    before: tuple[Instant, int],
    oldest: Instant,
    limit: int,
    *,
    portion: int = 0,
) -> tuple[list[Item], bool]:
    """A folder's messages, the newest first, behind a place (received_at, message id) and not older than that.

    A portion at most: also whether some were left out for their size.
    """
    slot, where = Slot(NEWEST, before, 0, limit, portion), ("received_at >= ?", (oldest,))
    found, is_cut = messages.find_flagged(tx, mailbox_id, (), slot, folder_id=folder_id, where=where)
    return [item for item, _ in found], is_cut


def among(tx: Tx, mailbox_id: int, folder_id: int, numbers: Sequence[int]) -> set[int]:
    """Which of these messages are in a folder."""
    marks = ", ".join("?" * len(numbers))
    rows = tx.all(
        f"SELECT message_id FROM messages WHERE mailbox_id = ? AND message_id IN ({marks}) AND folder_id = ?",  # noqa: S608
        (mailbox_id, *numbers, folder_id),
    )
    return {row[0] for row in rows}


def folders_since(tx: Tx, mailbox_id: int, mark: Mark, until: int, limit: int) -> list[FolderChange]:
    """What became of the mailbox's folders behind the mark and up to that number, in order; at most `limit`."""
    span = (*mark, until, limit)
    found = [
        FolderChange(Mark(row[-1], row[0]), row[0], folders.folder_of(mailbox_id, row))
        for row in tx.all(_FOLDERS, (mailbox_id, *span))
    ]
    rows = tx.all(_REMOVED, (mailbox_id, removals.FOLDERS, *span))
    found += [FolderChange(Mark(row[0], row[1]), row[1], None) for row in rows]
    return sorted(found, key=lambda change: change.mark)[:limit]


def _places(tx: Tx, mailbox_id: int) -> set[int]:
    """Every folder that has messages, or had some."""
    return {*messages.places(tx, mailbox_id), *removals.places(tx, mailbox_id)}


def _departure(place: int, row: Sequence[int]) -> Change:
    changed, message_id, moves, reason = row
    return Change(
        Mark(changed, message_id),
        "deleted",
        place,
        message_id,
        moves,
        is_gone=reason == removals.DELETED,
    )


def _present(
    tx: Tx, mailbox_id: int, numbers: list[int], since: int, portion: int
) -> tuple[dict[int, Change], frozenset[int]]:
    """The changes of messages that are there, by their number; and those that were not looked at for their size."""
    if not numbers:
        return {}, frozenset()
    marks = ", ".join("?" * len(numbers))
    rows = tx.all(
        f"SELECT {IN_PORTIONS}, changed, placed FROM messages"  # noqa: S608
        f" WHERE mailbox_id = ? AND message_id IN ({marks})",
        (small(len(numbers), portion), mailbox_id, *numbers),
    )
    by_number = {row[0]: row for row in rows}
    there = [number for number in numbers if number in by_number]
    whole, is_cut = messages.portion_of(tx, mailbox_id, [by_number[number] for number in there], portion)
    found = {}
    for item, row in whole:
        changed, placed = row[-2:]
        found[item.message_id] = Change(
            Mark(changed, item.message_id),
            "created" if placed > since else "updated",
            item.folder_id,
            item.message_id,
            item.moves,
            item,
        )
    return found, frozenset(there).difference(found) if is_cut else frozenset()
