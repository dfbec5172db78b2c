"""Requests to send that were done: the same one again is not done again.

The row is written in the transaction that makes the message durable: there is one exactly when there is the other.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.store.store import Tx

_READ: Final = "SELECT message_id FROM repeats WHERE mailbox_id = ? AND request = ? AND done_at >= ?"
_REMEMBER: Final = (
    "INSERT INTO repeats (mailbox_id, request, message_id, done_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (mailbox_id, request) DO UPDATE SET message_id = excluded.message_id,"
    " done_at = excluded.done_at WHERE repeats.done_at < ?"
)
_PRUNE: Final = (
    "DELETE FROM repeats WHERE mailbox_id = ? AND request IN"
    " (SELECT request FROM repeats WHERE mailbox_id = ? AND done_at < ? LIMIT ?)"
)


class DoneBefore(Exception):
    """The same request was done before; this time nothing was."""


class Once(Struct, frozen=True):
    """A request that is to be done once, by its digest.  What was done before `since` is forgotten."""

    request: bytes
    since: Instant


def find(tx: Tx, mailbox_id: int, once: Once) -> int | None:
    """The number of the message that the same request became, if it was done."""
    row = tx.one(_READ, (mailbox_id, once.request, once.since))
    return None if row is None else int(row[0])


def check(tx: Tx, mailbox_id: int, once: Once) -> None:
    """Raise DoneBefore when it was done; to be asked before anything is written."""
    if find(tx, mailbox_id, once) is not None:
        raise DoneBefore


def remember(tx: Tx, mailbox_id: int, once: Once, message_id: int, now: Instant) -> None:
    """Note that it is done; DoneBefore when somebody else was quicker, and then nothing of this must be kept."""
    if tx.execute(_REMEMBER, (mailbox_id, once.request, message_id, now, once.since)) != 1:
        raise DoneBefore


def prune(tx: Tx, mailbox_id: int, before: Instant, limit: int) -> int:
    """Forget up to `limit` requests of a mailbox that were done before an instant; how many."""
    return tx.execute(_PRUNE, (mailbox_id, mailbox_id, before, limit))
