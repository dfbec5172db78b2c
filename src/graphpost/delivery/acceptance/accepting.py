"""What is written, in one transaction, when a message is accepted or kept."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.delivery.acceptance.answered import mark_answered
from graphpost.errors import NotFound, PreconditionFailed
from graphpost.mail.deferral import is_timed
from graphpost.mail.mailbox import DELETED_ITEMS, DRAFTS, RECOVERABLE
from graphpost.mail.message import Item
from graphpost.store import audit, contents, repeats
from graphpost.store.audit import Entry
from graphpost.store.contents import Content
from graphpost.store.mailbox import deferrals, folders, messages
from graphpost.store.mailbox.deferrals import Deferral
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.repeats import Once
from graphpost.store.store import Tx


class Source(Struct, frozen=True, kw_only=True):
    """Contents that a message has in common with a stored one of its mailbox, by their numbers; `size` in bytes."""

    message_id: int
    contents: tuple[int, ...]
    size: int = 0


def adding(
    item: Item, kept: list[Content], queued: list[Delivery], source: Source | None
) -> Callable[[Tx], Item]:
    """A message, its contents and its deliveries."""

    def add(tx: Tx) -> Item:
        if source is not None:
            _share(tx, item, source)
        messages.add(tx, item)
        if kept:
            contents.add(tx, item.mailbox_id, item.message_id, kept)
        for delivery in queued:
            deliveries.add(tx, delivery)
        mark_answered(tx, item)
        return item

    return add


def sending(draft: Item, sent: Item, queued: list[Delivery], row: Deferral | None) -> Callable[[Tx], Item]:
    """A draft as it is sent, and its deliveries.

    Everybody who changes a waiting draft locks the message first, then its row.
    """
    key = draft.mailbox_id, draft.message_id

    def send(tx: Tx) -> Item:
        if row is not None and messages.get(tx, *key) is not None and not deferrals.take(tx, row):
            raise PreconditionFailed("The message was changed by somebody else.")
        item = messages.change(tx, draft, sent)
        if row is None and is_timed(draft.message):
            deferrals.remove(tx, *key)
        for delivery in queued:
            deliveries.add(tx, delivery)
        mark_answered(tx, item)
        return item

    return send


def deferring(draft: Item, after: Item, row: Deferral) -> Callable[[Tx], Item]:
    """Let a draft wait; one among what is deleted goes to Drafts, or its time would find it deleted."""

    def wait(tx: Tx) -> Item:
        above = folders.ancestors(tx, draft.mailbox_id, draft.folder_id)
        is_kept = {DELETED_ITEMS, RECOVERABLE}.isdisjoint(above)
        item = messages.change(tx, draft, after if is_kept else replace(after, folder_id=DRAFTS))
        deferrals.put(tx, row)
        return item

    return wait


def _share(tx: Tx, item: Item, source: Source) -> None:
    if not contents.copy_some(tx, item.mailbox_id, source.message_id, item.message_id, source.contents):
        raise NotFound


def keeping(
    item: Item, kept: list[Content], source: Source | None, row: Deferral | None
) -> Callable[[Tx], Item]:
    """A draft, and with a row that it waits for its time."""

    def keep(tx: Tx) -> Item:
        if folders.share(tx, item.mailbox_id, item.folder_id) is None:
            raise NotFound
        if source is not None:
            _share(tx, item, source)
        messages.add(tx, item)
        if kept:
            contents.add(tx, item.mailbox_id, item.message_id, kept)
        if row is not None:
            deferrals.put(tx, row)
        return item

    return keep


def noted(
    fn: Callable[[Tx], Item], item: Item, now: Instant, once: Once | None, record: Entry | None
) -> Callable[[Tx], Item]:
    """The same in one transaction with what is to be known of it later.

    With `once`, DoneBefore when it was done already; the record is for the audit log.
    """
    if once is None and record is None:
        return fn

    def run(tx: Tx) -> Item:
        if once is not None:
            repeats.check(tx, item.mailbox_id, once)
        done = fn(tx)
        if once is not None:
            repeats.remember(tx, item.mailbox_id, once, item.message_id, now)
        if record is not None:
            audit.add(tx, record)
        return done

    return run
