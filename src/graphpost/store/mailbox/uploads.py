"""Upload sessions: what is to be attached to which draft, and how much of it came.

The bytes are in a partial file beside the blobs, named by `part_name`.  `received` counts those that were acknowledged:
the file may have more of them after a crash, and what it has more does not count.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from graphpost.clock import Instant
from graphpost.mail.mailbox import NO_FOLDER, RECOVERABLE
from graphpost.mail.message import Attachment
from graphpost.store.mailbox.deferrals import NOBODY, Requester
from graphpost.store.store import Row, Tx

_READ: Final = (
    "SELECT mailbox_id, upload_id, message_id, token_hash, total, received, sha256, is_attached, expires_at, document,"
    " client_id"
    " FROM uploads WHERE mailbox_id = ?"
)


class _Document(Attachment, frozen=True, omit_defaults=True, kw_only=True):
    """An attachment, as older versions wrote it, and who wants it."""

    requester: Requester = NOBODY


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Document).decode


class Upload(Struct, frozen=True, kw_only=True):
    """One session.  `attachment` is what the file becomes; its ids are known from the beginning.

    `sha256` is '' until every byte is there and durable.
    """

    mailbox_id: int
    upload_id: int
    message_id: int
    token_hash: str
    total: int  # bytes
    received: int = 0
    sha256: str = ""
    is_attached: bool = False
    expires_at: Instant
    attachment: Attachment
    client_id: str = ""  # the application that opened it
    requester: Requester = NOBODY  # who opened it; NOBODY when that was not kept


def part_name(upload_id: int) -> str:
    """What a session's partial file is called."""
    return f"{upload_id:016x}"


def add(tx: Tx, upload: Upload) -> None:
    """Begin a session."""
    tx.execute(
        "INSERT INTO uploads (mailbox_id, upload_id, message_id, token_hash, total, received, sha256, is_attached,"
        " expires_at, document, client_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            upload.mailbox_id,
            upload.upload_id,
            upload.message_id,
            upload.token_hash,
            upload.total,
            upload.received,
            upload.sha256,
            int(upload.is_attached),
            upload.expires_at,
            _encode(_Document(**asdict(upload.attachment), requester=upload.requester)),
            upload.client_id,
        ),
    )


def get(tx: Tx, mailbox_id: int, upload_id: int) -> Upload | None:
    """The session, expired or not; in a write, nobody else changes it before the end."""
    row = tx.one(f"{_READ} AND upload_id = ?{tx.dialect.for_update}", (mailbox_id, upload_id))
    return None if row is None else _upload(row)


def advance(tx: Tx, before: Upload, after: Upload) -> bool:
    """Write how far it is; False when it is no longer where it was before, or gone."""
    return (
        tx.execute(
            "UPDATE uploads SET received = ?, sha256 = ?, is_attached = ?"
            " WHERE mailbox_id = ? AND upload_id = ? AND received = ? AND sha256 = ? AND is_attached = ?",
            (
                after.received,
                after.sha256,
                int(after.is_attached),
                before.mailbox_id,
                before.upload_id,
                before.received,
                before.sha256,
                int(before.is_attached),
            ),
        )
        > 0
    )


def remove(tx: Tx, mailbox_id: int, upload_id: int) -> bool:
    """End a session; whether it was there."""
    return (
        tx.execute("DELETE FROM uploads WHERE mailbox_id = ? AND upload_id = ?", (mailbox_id, upload_id)) > 0
    )


def remove_ended(tx: Tx, mailbox_id: int, now: Instant) -> int:
    """End the sessions of a mailbox whose time is over, or whose draft was sent or is gone; how many."""
    return tx.execute(
        "DELETE FROM uploads WHERE mailbox_id = ? AND (expires_at <= ? OR NOT EXISTS (SELECT 1 FROM messages m"
        " WHERE m.mailbox_id = ? AND m.message_id = uploads.message_id AND m.is_draft = 1"
        " AND m.folder_id NOT IN (?, ?)))",
        (mailbox_id, now, mailbox_id, NO_FOLDER, RECOVERABLE),
    )


def count_open(tx: Tx, mailbox_id: int, now: Instant) -> int:
    """How many sessions of a mailbox can still be used."""
    row = tx.one(
        "SELECT COUNT(*) FROM uploads WHERE mailbox_id = ? AND is_attached = 0 AND expires_at > ?",
        (mailbox_id, now),
    )
    return int(row[0]) if row else 0


def parts_of(tx: Tx, mailbox_id: int) -> set[str]:
    """The names of the partial files that a mailbox's sessions may still need."""
    rows = tx.all("SELECT upload_id FROM uploads WHERE mailbox_id = ? AND is_attached = 0", (mailbox_id,))
    return {part_name(row[0]) for row in rows}


def blobs_of(tx: Tx, mailbox_id: int) -> set[str]:
    """The names of the blobs that are complete and about to be attached."""
    rows = tx.all(
        "SELECT sha256 FROM uploads WHERE mailbox_id = ? AND is_attached = 0 AND sha256 <> ''", (mailbox_id,)
    )
    return {row[0] for row in rows}


def _upload(row: Row) -> Upload:
    fields = asdict(_decode(row[9]))
    requester = fields.pop("requester")
    return Upload(
        mailbox_id=row[0],
        upload_id=row[1],
        message_id=row[2],
        token_hash=row[3],
        total=row[4],
        received=row[5],
        sha256=row[6],
        is_attached=row[7] != 0,
        expires_at=row[8],
        attachment=Attachment(**fields),
        client_id=row[10],
        requester=requester,
    )
