"""Extended properties of folders: one row for each on which somebody set any.

They go with the folder (`folders.remove`), and a copy of it has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from graphpost.mail.message import ExtendedProperty
from graphpost.store.store import Tx

_PUT: Final = (
    "INSERT INTO folder_properties (mailbox_id, folder_id, document) VALUES (?, ?, ?)"
    " ON CONFLICT (mailbox_id, folder_id) DO UPDATE SET document = excluded.document"
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[ExtendedProperty, ...]).decode


def get(tx: Tx, mailbox_id: int, folder_id: int) -> tuple[ExtendedProperty, ...]:
    """What is set on a folder."""
    row = tx.one(
        "SELECT document FROM folder_properties WHERE mailbox_id = ? AND folder_id = ?",
        (mailbox_id, folder_id),
    )
    return () if row is None else _decode(row[0])


def put(tx: Tx, mailbox_id: int, folder_id: int, properties: Iterable[ExtendedProperty]) -> None:
    """Set all of a folder's properties."""
    tx.execute(_PUT, (mailbox_id, folder_id, _encode(tuple(properties))))
