"""Audit records as JSON lines: one line each, the same in files and in exports."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from graphpost.clock import to_text
from graphpost.store.audit import Record

# Beside those that JSON escapes itself: next line, line separator, paragraph separator.
_LINE_ENDS: Final = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


def as_dict(record: Record) -> dict[str, Any]:
    """What a line says; what there is none of is left out."""
    actor = record.actor
    found = {
        "time": to_text(record.at),
        "id": f"{record.number:016x}",
        "kind": actor.kind,
        "application": actor.client_id,
        "user": actor.person,
        "objectId": actor.object_id,
        "remote": actor.remote,
        "tokenId": actor.token_id,
        "action": actor.action,
        "permission": actor.permission,
        "right": actor.right,
        "mailbox": record.mailbox,
        "message": f"{record.message_id:016x}" if record.message_id else "",
        "recipients": list(record.recipients),
        "status": record.status,
        "code": record.code,
        "requestId": actor.request_id,
        "clientRequestId": actor.client_request_id,
    }
    return {name: value for name, value in found.items() if value not in ("", [], 0)}


def as_line(record: Record) -> bytes:
    """With its line end.  Everything that ends a line for any reader is escaped: nobody writes lines of their own."""
    line = msgspec.json.encode(as_dict(record))
    for found, written in _LINE_ENDS:
        line = line.replace(found, written)
    return line + b"\n"
