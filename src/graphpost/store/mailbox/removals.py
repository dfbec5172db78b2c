"""What was in a folder and is not any more, kept for a time.

Clients know a message by an id that names its place, so a removal has the `moves` of that place.  Folders that are gone
are removals from the place `FOLDERS`.  Within one transaction the first departure from a folder counts alone: nobody saw
the places after it.  Whether the message is gone is what its last departure says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from graphpost.clock import Instant
from graphpost.mail.mailbox import NO_FOLDER
from graphpost.store.store import Tx

FOLDERS: Final = NO_FOLDER  # no message is ever removed from there
MOVED: Final = 0
DELETED: Final = 1
# A loose scan of messages or removals: from one folder that has some to the next.
PLACES: Final = (
    "WITH RECURSIVE places(folder_id) AS ("
    " SELECT (SELECT MIN(x.folder_id) FROM {0} x WHERE x.mailbox_id = ? AND x.folder_id > 0)"
    " UNION ALL SELECT (SELECT MIN(x.folder_id) FROM {0} x WHERE x.mailbox_id = ? AND x.folder_id > places.folder_id)"
    " FROM places WHERE places.folder_id IS NOT NULL)"
    " SELECT folder_id FROM places WHERE folder_id IS NOT NULL"
)
_ADD: Final = (
    "INSERT INTO removals (mailbox_id, folder_id, changed, message_id, moves, reason)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_GONE: Final = (
    "UPDATE removals SET reason = ? WHERE mailbox_id = ? AND folder_id = ? AND changed = ? AND message_id = ?"
)


def add(tx: Tx, mailbox_id: int, folder_id: int, gone: Iterable[tuple[int, int]], reason: int) -> None:
    """Note that these (message id, moves) left a folder."""
    number, left = tx.change_number(), list(gone)
    tx.executemany(_ADD, [(mailbox_id, folder_id, number, *each, reason) for each in left])
    if again := [message_id for message_id, moves in left if moves > 1 and reason == DELETED]:
        # it may have left before, to come back
        tx.executemany(_GONE, [(DELETED, mailbox_id, folder_id, number, each) for each in again])


def places(tx: Tx, mailbox_id: int) -> list[int]:
    """The folders that messages were removed from."""
    return [row[0] for row in tx.all(PLACES.format("removals"), (mailbox_id, mailbox_id))]


def note_time(tx: Tx, now: Instant) -> None:
    """Note what the latest number is, so that it can be told later how old it is."""
    tx.execute(
        "INSERT INTO horizons (number, seen_at, is_forgotten) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (tx.change_horizon(), now, 0),
    )


def forget(tx: Tx, before: Instant) -> int:
    """Let go of the removals before a time, as noted; the number up to which they may now be pruned (0: none)."""
    row = tx.one("SELECT MAX(number) FROM horizons WHERE seen_at < ?", (before,))
    if row is not None and row[0] is not None:
        tx.execute("UPDATE horizons SET is_forgotten = ? WHERE number = ?", (1, row[0]))
        tx.execute("DELETE FROM horizons WHERE number < ?", (row[0],))
    return forgotten(tx)


def forget_all(tx: Tx) -> None:
    """Let everybody who synchronises begin anew, because the past is not the one that they know."""
    tx.execute(
        "INSERT INTO horizons (number, seen_at, is_forgotten) VALUES (?, ?, ?)", (tx.change_number(), 0, 1)
    )


def forgotten(tx: Tx) -> int:
    """The number up to which removals are not known any more."""
    row = tx.one("SELECT MAX(number) FROM horizons WHERE is_forgotten = ?", (1,))
    return int(row[0]) if row is not None and row[0] is not None else 0


def prune(tx: Tx, mailbox_id: int, until: int, limit: int) -> int:
    """Delete up to `limit` of a mailbox's removals up to that number; how many."""
    rows = tx.all(
        "SELECT folder_id, changed, message_id FROM removals WHERE mailbox_id = ? AND changed <= ? LIMIT ?",
        (mailbox_id, until, limit),
    )
    if rows:
        tx.executemany(
            "DELETE FROM removals WHERE mailbox_id = ? AND folder_id = ? AND changed = ? AND message_id = ?",
            [(mailbox_id, *row) for row in rows],
        )
    return len(rows)
