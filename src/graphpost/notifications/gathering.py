"""What there is to tell a subscription's receivers.

That is the change log from where they were left, and lifecycle events.  The log is the only memory: a feed knows how far it got, so what a receiver does not take is read again, and several
changes of one message that were not told yet are told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.mail.message import Item
from graphpost.store.mailbox import changes, folders
from graphpost.store.mailbox.changes import Change, Mark
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.notifications.feeds import Feed
from graphpost.store.notifications.subscriptions import ACTIVE, Subscription
from graphpost.store.store import Tx

Notification = dict[str, Any]
End = Literal["", "expired", "access", "folder"]
EVENTS: Final = (feeds.MISSED, feeds.REAUTHORIZE, feeds.GONE)


class Wording(Protocol):
    """How the API says it, and what it knows of the owners of subscriptions."""

    def may_read(self, subscription: Subscription) -> bool:
        """Whether its owner may still read the mailbox."""
        ...

    def matching(self, tx: Tx, subscription: Subscription, items: Sequence[Item]) -> set[int]:
        """Which of the messages it is for, by their numbers."""
        ...

    def change(self, subscription: Subscription, change: Change) -> Notification:
        """A change, as it is told."""
        ...

    def event(self, subscription: Subscription, event: int) -> Notification:
        """A lifecycle event, as it is told."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be told of a claimed feed, and the feed as it is when that was taken.

    `lost`: something cannot be told any more; `end`: why the subscription is over; `more`: there is more to tell.
    """

    feed: Feed
    after: Feed
    notifications: list[Notification]
    horizon: int = 0
    lost: bool = False
    end: End = ""
    more: bool = False


def gather(tx: Tx, feed: Feed, wording: Wording, now: Instant, limit: int) -> Told:
    """What is to be told of a feed, `limit` log entries at most."""
    subscription = subscriptions.get(tx, feed.subscription_id)
    if subscription is None or subscription.expires_at <= now:
        return Told(feed, feed, [], end="expired")
    if feed.channel == feeds.LIFECYCLE:
        told = [wording.event(subscription, event) for event in EVENTS if feed.events & event]
        return Told(feed, replace(feed, events=0), told)
    if subscription.state != ACTIVE or not wording.may_read(subscription):
        return Told(feed, feed, [], end="access")
    return _changes(tx, feed, subscription, wording, limit)


def _changes(tx: Tx, feed: Feed, subscription: Subscription, wording: Wording, limit: int) -> Told:
    horizon = changes.latest(tx)
    folder = feed.folder_id or None
    mark = Mark(feed.changed, feed.message_id)
    found, is_cut = changes.messages_since(
        tx, feed.mailbox_id, folder, mark, horizon, limit, since=feed.began
    )
    more = is_cut or len(found) >= limit
    end = found[-1].mark if more else changes.after(max(horizon, feed.changed))
    after = replace(
        feed, changed=end.changed, message_id=end.message_id, began=feed.began if more else end.changed
    )
    chosen = _chosen(tx, subscription, found, wording)
    is_there = folder is None or folders.get(tx, feed.mailbox_id, folder) is not None
    return Told(
        feed,
        after,
        [wording.change(subscription, change) for change in chosen],
        horizon=horizon,
        lost=feed.changed < changes.forgotten(tx),
        end="" if is_there or more else "folder",
        more=more,
    )


def _chosen(tx: Tx, subscription: Subscription, found: Iterable[Change], wording: Wording) -> list[Change]:
    """Those that the subscription is for.

    Whether a message that is gone met the filter is not known: it is told.
    """
    wanted = [
        change
        for each in found
        if (change := _as_seen(subscription, each)) is not None and change.kind in subscription.terms.changes
    ]
    matching = wording.matching(tx, subscription, [each.item for each in wanted if each.item is not None])
    return [change for change in wanted if change.item is None or change.message_id in matching]


def _as_seen(subscription: Subscription, change: Change) -> Change | None:
    """A move inside the mailbox changes the id; to whom ids don't change, the message was updated."""
    if not subscription.terms.immutable or subscription.folder_id:
        return change
    if change.item is None:
        return change if change.is_gone else None
    return replace(change, kind="updated") if change.kind == "created" and change.moves else change
