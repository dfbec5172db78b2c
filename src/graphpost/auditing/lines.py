"""Audit records as JSON lines: one line each, the same in files and in exports."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from graphpost.clock import to_text
from graphpost.store.audit import Record

# Beside those that JSON escapes itself: next line, line separator, paragraph separator.
_LINE_ENDS: Final = (
    (b"\xc2\x85", b"\\u0085"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)
_encode: Final = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What a line says; what there is none of is left out."""

    time: str
    id: str
    kind: str
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


def line_of(record: Record) -> Line:
    """A record as a line has it."""
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


def as_dict(record: Record) -> dict[str, Any]:
    """The same as plain values."""
    found: dict[str, Any] = msgspec.to_builtins(line_of(record))
    return found


def as_line(record: Record) -> bytes:
    """With its line end.  Everything that ends a line for any reader is escaped: nobody writes lines of their own."""
    line = _encode(line_of(record))
    if not line.isascii():
        for found, written in _LINE_ENDS:
            line = line.replace(found, written)
    return line + b"\n"
