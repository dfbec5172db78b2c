"""The audit log: who did what, to which mailbox, by which right, and how it ended.

Records are added and, when they are old, deleted; there is no statement that changes one.  The record of a message that
was sent has the message's number, and is written in the transaction that makes the message durable: there is one exactly
when there is the other.  No content and no token is in a record.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct

from graphpost.clock import Instant
from graphpost.store.store import Row, Tx

NO_MAILBOX: Final = 0
Kind = Literal["user", "application", "administrator", "nobody"]
_ADD: Final = "INSERT INTO audit (mailbox_id, number, document) VALUES (?, ?, ?)"
_BELOW: Final = (
    "SELECT mailbox_id, number, document FROM audit WHERE mailbox_id = ? AND number < ? AND number >= ?"
    " ORDER BY number DESC LIMIT ?"
)


class Actor(Struct, frozen=True, array_like=True):
    """Who asked: the application, the person (for an application that acts by itself ''), and from where.

    `permission` is the name in the token that opened the route, `right` why the mailbox was open to them.
    """

    kind: Kind
    client_id: str = ""
    object_id: str = ""
    person: str = ""
    token_id: str = ""
    remote: str = ""
    permission: str = ""
    right: str = ""
    action: str = ""  # method and template of the route, or what an administrator's operation is called
    request_id: str = ""
    client_request_id: str = ""


class Record(Struct, frozen=True, array_like=True):
    """One thing that was asked, and its end.  `message_id` 0: about no message."""

    mailbox_id: int
    number: int
    at: Instant
    actor: Actor
    mailbox: str = ""
    message_id: int = 0
    recipients: tuple[str, ...] = ()
    status: int = 0
    code: str = ""  # of the error


class _Document(Struct, frozen=True, array_like=True):
    """What is in a row beside its key.  Fields are only ever added, at the end."""

    at: Instant
    actor: Actor
    mailbox: str
    message_id: int
    recipients: tuple[str, ...]
    status: int
    code: str


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Document).decode


def add(tx: Tx, record: Record) -> None:
    """Add a record."""
    document = _Document(
        record.at,
        record.actor,
        record.mailbox,
        record.message_id,
        record.recipients,
        record.status,
        record.code,
    )
    tx.executemany(_ADD, ((record.mailbox_id, record.number, _encode(document)),))


def get(tx: Tx, mailbox_id: int, number: int) -> Record | None:
    """The record with a number: that of a message is of its sending."""
    row = tx.one(
        "SELECT mailbox_id, number, document FROM audit WHERE mailbox_id = ? AND number = ?",
        (mailbox_id, number),
    )
    return None if row is None else _record(row)


def below(tx: Tx, mailbox_id: int, number: int, least: int, limit: int) -> list[Record]:
    """Records of a mailbox with lower numbers, from `least` on; the newest first."""
    return [_record(row) for row in tx.all(_BELOW, (mailbox_id, number, least, limit))]


def prune(tx: Tx, mailbox_id: int, before: int, limit: int) -> int:
    """Delete up to `limit` of a mailbox's records with numbers below that one; how many."""
    return tx.execute(
        "DELETE FROM audit WHERE mailbox_id = ? AND number IN"
        " (SELECT number FROM audit WHERE mailbox_id = ? AND number < ? ORDER BY number LIMIT ?)",
        (mailbox_id, mailbox_id, before, limit),
    )


def _record(row: Row) -> Record:
    found = _decode(row[2])
    return Record(
        row[0],
        row[1],
        found.at,
        found.actor,
        found.mailbox,
        found.message_id,
        found.recipients,
        found.status,
        found.code,
    )
