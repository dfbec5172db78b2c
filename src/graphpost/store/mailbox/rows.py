"""Messages as rows: the document, and copies of what is filtered and sorted by.

The document (MessagePack of `Message`) is the truth.  The text columns are casefolded copies, `subject` cut to 255
characters, `from_address` to INDEXED (what PostgreSQL has in an index is 2704 bytes at most), `categories` between unit separators; enumerations are their position (`IMPORTANCE`, …); booleans 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from graphpost.mail.message import Item, Message
from graphpost.store.mailbox.pages import NEWEST, Key, Order
from graphpost.store.mailbox.portions import DOCUMENT
from graphpost.store.store import Row

IMPORTANCE: Final = MappingProxyType({"low": 0, "normal": 1, "high": 2})
INFERENCE: Final = MappingProxyType({"focused": 0, "other": 1})
FLAG_STATUS: Final = MappingProxyType({"notFlagged": 0, "complete": 1, "flagged": 2})
INDEXED: Final = 400
SEPARATOR: Final = "\x1f"
COLUMNS: Final = (
    "mailbox_id",
    "message_id",
    "folder_id",
    "moves",
    "version",
    "created_at",
    "modified_at",
    "received_at",
    "sent_at",
    "is_read",
    "is_draft",
    "has_attachments",
    "importance",
    "inference",
    "flag_status",
    "size",
    "subject",
    "from_address",
    "from_name",
    "sender_address",
    "internet_message_id",
    "conversation_id",
    "categories",
    "is_mentioned",
    "document",
)
READ: Final = (
    "message_id, folder_id, moves, version, created_at, modified_at, received_at, sent_at,"
    " is_read, is_draft, size, conversation_id, document"
)
IN_PORTIONS: Final = READ.replace("document", DOCUMENT)  # rows for `portion_of`
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


def row_of(item: Item) -> tuple[Any, ...]:
    """The values of the columns `COLUMNS`."""
    message = item.message
    from_, sender = message.from_, message.sender
    return (
        item.mailbox_id,
        item.message_id,
        item.folder_id,
        item.moves,
        item.version,
        item.created_at,
        item.modified_at,
        item.received_at,
        item.sent_at,
        int(item.is_read),
        int(item.is_draft),
        int(message.has_attachments) if message.attachments else 0,
        IMPORTANCE[message.importance],
        INFERENCE[message.inference],
        FLAG_STATUS[message.flag.status],
        item.size,
        _folded(message.subject[:255]),
        _folded(from_.address)[:INDEXED] if from_ else "",
        _folded(from_.name) if from_ else "",
        _folded(sender.address) if sender else "",
        _folded(message.internet_message_id),
        item.conversation_id,
        _categories(message.categories) if message.categories else "",
        int(message.is_mentioned),
        _encode(message),
    )


def item_of(mailbox_id: int, row: Row) -> Item:
    """The message of a row that begins with the columns `READ`."""
    return Item(
        mailbox_id=mailbox_id,
        message_id=row[0],
        folder_id=row[1],
        moves=row[2],
        version=row[3],
        created_at=row[4],
        modified_at=row[5],
        received_at=row[6],
        sent_at=row[7],
        is_read=row[8] != 0,
        is_draft=row[9] != 0,
        size=row[10],
        conversation_id=row[11],
        message=_decode(row[12]),
    )


def sort_key(item: Item, order: Order = NEWEST) -> Key:
    """The item's values in an order, and its id: its place among all others."""
    row = dict(zip(COLUMNS, row_of(item), strict=True))
    return *(row[column] for column, _ in order), item.message_id


def _folded(text: str) -> str:
    folded = text.casefold()
    return folded.replace("\0", "") if "\0" in folded else folded  # PostgreSQL has no NUL in text


def _categories(categories: Sequence[str]) -> str:
    return SEPARATOR + _folded(SEPARATOR.join(categories)) + SEPARATOR
