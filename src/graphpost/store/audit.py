"""The audit log: who did what, to which mailbox, by which right, and how it ended.

Records are added and, when they are old, deleted; there is no statement that changes one.  The record of a message that
was sent has the message's number, and is written in the transaction that makes the message durable: there is one exactly
when there is the other.  No content and no token is in a record.  One that cannot be read is
found as one of the kind "unreadable", with the time that its number tells.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct

from graphpost.clock import Instant, from_datetime, to_text
from graphpost.ids import instant_of
from graphpost.store.store import Row, Tx

NO_MAILBOX: Final = 0
ISSUER: Final = "issuer "  # the beginning of the actions of the embedded issuer
SMTP_AUTH: Final = "SMTP AUTH"
ADMINISTRATION: Final = "administration"
Kind = Literal["user", "application", "administrator", "nobody", "unreadable"]
_ADD: Final = "INSERT INTO audit (mailbox_id, number, document) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
# What ends a line beside the characters that JSON escapes: next line, line separator, paragraph separator.
_LINE_ENDS: Final = (
    (b"\xc2\x85", b"\\u0085"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)
_BELOW: Final = (
    "SELECT mailbox_id, number, document FROM audit WHERE mailbox_id = ? AND number < ? AND number >= ?"
    " ORDER BY number DESC LIMIT ?"
)


class Actor(Struct, frozen=True, array_like=True):
    """Who asked: the application, the person (for an application that acts by itself ''), and from where.

    `permission` is the name in the token that opened the route, or what a token that was issued has; `right` why the
    mailbox was open to them.  "nobody" has proved nothing: the names are those that were claimed.
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


class Line(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A record as it is kept, and as files and exports have it: what there is none of is left out."""

    time: str
    id: str
    kind: Kind
    application: str = ""
    user: str = ""
    object_id: str = ""
    remote: str = ""
    token_id: str = ""
    action: str = ""
    permission: str = ""
    right: str = ""
    mailbox: str = ""
    message: str = ""
    recipients: tuple[str, ...] = ()
    status: int = 0
    code: str = ""
    request_id: str = ""
    client_request_id: str = ""


class Entry(Struct, frozen=True):
    """A record that is written down: `line` is JSON, without its line end."""

    mailbox_id: int
    number: int
    line: bytes


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Line).decode


def line_of(record: Record) -> Line:
    actor = record.actor
    return Line(
        to_text(record.at),
        f"{record.number:016x}",
        actor.kind,
        actor.client_id,
        actor.person,
        actor.object_id,
        actor.remote,
        actor.token_id,
        actor.action,
        actor.permission,
        actor.right,
        record.mailbox,
        f"{record.message_id:016x}" if record.message_id else "",
        record.recipients,
        record.status,
        record.code,
        actor.request_id,
        actor.client_request_id,
    )


def entry_of(record: Record) -> Entry:
    """Everything that ends a line for any reader is escaped: nobody writes lines of their own."""
    line = _encode(line_of(record))
    if not line.isascii():
        for found, written in _LINE_ENDS:
            line = line.replace(found, written)
    return Entry(record.mailbox_id, record.number, line)


def add(tx: Tx, entry: Entry) -> None:
    """Add a record; again is of no effect."""
    tx.executemany(_ADD, ((entry.mailbox_id, entry.number, entry.line),))


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
    try:
        return _read(row)
    except ValueError:  # msgspec's errors are ValueErrors too
        return Record(row[0], row[1], instant_of(row[1]), Actor("unreadable"))


def _read(row: Row) -> Record:
    line = _decode(row[2])
    actor = Actor(
        line.kind,
        line.application,
        line.object_id,
        line.user,
        line.token_id,
        line.remote,
        line.permission,
        line.right,
        line.action,
        line.request_id,
        line.client_request_id,
    )
    message_id = int(line.message, 16) if line.message else 0
    at = from_datetime(datetime.fromisoformat(line.time))
    return Record(
        row[0], row[1], at, actor, line.mailbox, message_id, line.recipients, line.status, line.code
    )
