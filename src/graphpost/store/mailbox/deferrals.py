"""Drafts that wait for their time: one row for each, until it is sent.

The draft is the truth about what is sent; the row says when, and in whose name it was asked for.  Whoever sends the
draft takes the row away in the same transaction, so that of several processes one sends it, once.  A row whose message
is gone, or no draft any more, means nothing.  Rows lie in the buckets of the queue.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.store.mailbox import folders
from graphpost.store.queue.deliveries import BUCKETS, bucket_of
from graphpost.store.store import Row, Tx

_COLUMNS: Final = "bucket, message_id, mailbox_id, due_at, created_at, document"
_READ: Final = f"SELECT {_COLUMNS} FROM deferrals WHERE bucket = ?"  # noqa: S608
_PUT: Final = (
    f"INSERT INTO deferrals ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
    " ON CONFLICT (bucket, message_id) DO UPDATE SET due_at = excluded.due_at,"
    " created_at = excluded.created_at, document = excluded.document"
)
_PLACES: Final = (
    "SELECT message_id, folder_id FROM messages WHERE mailbox_id = ? AND message_id IN"
    " (SELECT message_id FROM deferrals WHERE bucket = ? AND mailbox_id = ?)"
)
_DUE: Final = (
    f"SELECT {_COLUMNS} FROM deferrals WHERE due_at <= ? AND bucket BETWEEN 0 AND ?"  # noqa: S608
    " ORDER BY due_at LIMIT ?"
)


class Requester(Struct, frozen=True, array_like=True):
    """Who asked for a message to be sent: a Principal without its token.  Fields are only ever added, at the end."""

    kind: Literal["user", "application"]
    tenant_id: str
    object_id: str
    client_id: str
    permissions: frozenset[str] = frozenset()  # of a token of another issuer


NOBODY: Final = Requester("application", "", "", "")


class Deferral(Struct, frozen=True, kw_only=True):
    """One draft and its time.  `created_at` is when it was submitted; `saves`: a copy stays in Sent Items."""

    mailbox_id: int
    message_id: int
    due_at: Instant
    created_at: Instant
    requester: Requester = NOBODY
    saves: bool = True
    request_id: str = ""


class _Document(Struct, frozen=True, array_like=True):
    """Fields are only ever added, at the end."""

    requester: Requester
    saves: bool
    request_id: str


_UNREADABLE: Final = _Document(NOBODY, True, "")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Document).decode


def put(tx: Tx, deferral: Deferral) -> None:
    """Let a draft wait; one that waits already waits so from now on."""
    document = _encode(_Document(deferral.requester, deferral.saves, deferral.request_id))
    number, mailbox_id = deferral.message_id, deferral.mailbox_id
    tx.execute(
        _PUT, (bucket_of(mailbox_id), number, mailbox_id, deferral.due_at, deferral.created_at, document)
    )


def get(tx: Tx, mailbox_id: int, message_id: int) -> Deferral | None:
    """What a message waits for; in a write, nobody else changes it before the end."""
    row = tx.one(f"{_READ} AND message_id = ?{tx.dialect.for_update}", (bucket_of(mailbox_id), message_id))
    return None if row is None else _deferral(row)


def find(tx: Tx, message_id: int) -> Deferral | None:
    """The same when only the message's number is known: each bucket is asked, by its primary key."""
    for bucket in range(BUCKETS):
        if row := tx.one(f"{_READ} AND message_id = ?", (bucket, message_id)):
            return _deferral(row)
    return None


def due(tx: Tx, now: Instant, limit: int) -> list[Deferral]:
    """Those whose time has come, the longest due first."""
    return [_deferral(row) for row in tx.all(_DUE, (now, BUCKETS - 1, limit))]


def listed(tx: Tx, limit: int, mailbox_id: int | None = None) -> list[Deferral]:
    """For people to look at: the newest first, of one mailbox when given."""
    condition, params = ("", ()) if mailbox_id is None else (" AND mailbox_id = ?", (mailbox_id,))
    sql = f"{_READ}{condition} ORDER BY message_id DESC LIMIT ?"
    buckets = range(BUCKETS) if mailbox_id is None else (bucket_of(mailbox_id),)
    found = [_deferral(row) for bucket in buckets for row in tx.all(sql, (bucket, *params, limit))]
    return sorted(found, key=lambda each: -each.message_id)[:limit]


def postpone(tx: Tx, deferral: Deferral, due_at: Instant) -> bool:
    """Give it another time; False when it is no longer as it was read."""
    return (
        tx.execute(
            "UPDATE deferrals SET due_at = ? WHERE bucket = ? AND message_id = ? AND due_at = ? AND created_at = ?",
            (due_at, *_key(deferral)),
        )
        > 0
    )


def hasten(tx: Tx, deferral: Deferral, now: Instant) -> Deferral:
    """Make it due; as it then is."""
    put(tx, replace(deferral, due_at=now))
    return replace(deferral, due_at=now)


def cancel(tx: Tx, deferral: Deferral, now: Instant) -> Deferral:
    """End the waiting; as it was."""
    remove(tx, deferral.mailbox_id, deferral.message_id)
    return deferral


def take(tx: Tx, deferral: Deferral) -> bool:
    """End the waiting, and be the only one who does; False when it is no longer as it was read."""
    return (
        tx.execute(
            "DELETE FROM deferrals WHERE bucket = ? AND message_id = ? AND due_at = ? AND created_at = ?",
            _key(deferral),
        )
        > 0
    )


def remove(tx: Tx, mailbox_id: int, message_id: int) -> bool:
    """The message waits no more; whether it did."""
    return (
        tx.execute(
            "DELETE FROM deferrals WHERE bucket = ? AND message_id = ?", (bucket_of(mailbox_id), message_id)
        )
        > 0
    )


def remove_below(tx: Tx, mailbox_id: int, folder_id: int) -> None:
    """Nothing in the folder, or in those below it, waits any more."""
    rows = tx.all(_PLACES, (mailbox_id, bucket_of(mailbox_id), mailbox_id))
    below = {
        place for place in {row[1] for row in rows} if folder_id in folders.ancestors(tx, mailbox_id, place)
    }
    for message_id, place in rows:
        if place in below:
            remove(tx, mailbox_id, message_id)


def _key(deferral: Deferral) -> tuple[Any, ...]:
    return bucket_of(deferral.mailbox_id), deferral.message_id, deferral.due_at, deferral.created_at


def _deferral(row: Row) -> Deferral:
    """A row that cannot be read is nobody's: its time comes, it cannot be sent, and somebody is told."""
    try:
        document = _decode(row[5])
    except msgspec.DecodeError:
        document = _UNREADABLE
    return Deferral(
        mailbox_id=row[2],
        message_id=row[1],
        due_at=row[3],
        created_at=row[4],
        requester=document.requester,
        saves=document.saves,
        request_id=document.request_id,
    )
