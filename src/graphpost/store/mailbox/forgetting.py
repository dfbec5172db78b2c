"""Forgetting messages: row and contents go, unless a delivery still needs them.

A message that is deleted for good while it is on its way is in no folder from then on; its deliveries find it there, and
it is removed when they are forgotten too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.mail.mailbox import NO_FOLDER, RECOVERABLE
from graphpost.mail.message import Item
from graphpost.store import contents
from graphpost.store.mailbox import deferrals, messages
from graphpost.store.queue import deliveries
from graphpost.store.store import Tx

_UNNEEDED: Final = (
    "SELECT m.message_id FROM messages m WHERE m.mailbox_id = ? AND m.folder_id = ?"
    " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.bucket = ? AND d.message_id = m.message_id)"
    " ORDER BY m.message_id LIMIT ?"
)
_OUTDATED: Final = (
    "SELECT message_id FROM messages WHERE mailbox_id = ? AND folder_id = ? AND modified_at < ?"
    " ORDER BY message_id LIMIT ?"
)


def forget(tx: Tx, item: Item) -> None:
    """Delete a message for good.  Raises PreconditionFailed when it is not the stored version."""
    queued = deliveries.get(tx, item.mailbox_id, item.message_id)
    if any(delivery.state != deliveries.DONE for delivery in queued):
        messages.change(tx, item, replace(item, folder_id=NO_FOLDER))
    else:
        remove(tx, item)


def remove(tx: Tx, item: Item) -> None:
    """Delete the row, the contents, and what it may wait for."""
    if item.is_draft:
        deferrals.remove(tx, item.mailbox_id, item.message_id)
    contents.remove(tx, item.mailbox_id, item.message_id)
    messages.remove(tx, item)


def find_unneeded(tx: Tx, mailbox_id: int, limit: int) -> list[int]:
    """Messages in no folder, of which the queue knows nothing any more."""
    bucket = deliveries.bucket_of(mailbox_id)
    return [row[0] for row in tx.all(_UNNEEDED, (mailbox_id, NO_FOLDER, bucket, limit))]


def find_outdated(tx: Tx, mailbox_id: int, before: Instant, limit: int) -> list[int]:
    """Recoverable items that were deleted before that instant."""
    return [row[0] for row in tx.all(_OUTDATED, (mailbox_id, RECOVERABLE, before, limit))]


def sweep(tx: Tx, mailbox_id: int, numbers: Iterable[int]) -> None:
    """Forget those of the messages that still are in no folder, or recoverable."""
    for number in numbers:
        item = messages.get(tx, mailbox_id, number)
        if item is not None and item.folder_id in (NO_FOLDER, RECOVERABLE):
            forget(tx, item)
