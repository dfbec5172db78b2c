"""Receipts that requests cause: a message is read, or deleted without it.

Each writes into the transaction that marks or deletes the message, which then owes none any more.
"""

from __future__ import annotations

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.delivery import filing
from graphpost.graph.call import Call
from graphpost.mail.message import Item
from graphpost.mail.receipt import Disposition
from graphpost.store.store import Tx


def read(tx: Tx, call: Call, before: Item, after: Item, now: Instant) -> Item:
    """The item as it is to be, when a request may have marked it as read."""
    if not before.message.receipt_to or before.is_read or not after.is_read:
        return after
    return _told(tx, call, after, "displayed", now)


def unread(tx: Tx, call: Call, item: Item, now: Instant) -> Item:
    """The item as it is to be, when a request deletes it and nobody can read it any more."""
    if not item.message.receipt_to or item.is_read:
        return item
    return _told(tx, call, item, "deleted", now)


def silent(item: Item) -> Item:
    """The item as it is to be, when nobody is to be told what becomes of it."""
    return replace(item, message=item.message.copied)


def _told(tx: Tx, call: Call, item: Item, disposition: Disposition, now: Instant) -> Item:
    receipt = call.services.receipt_of(call.box, item, disposition, now)
    if receipt is not None:
        filing.add(tx, receipt)
    return silent(item)
