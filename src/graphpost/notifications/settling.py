"""What an answer makes of the feeds that were told: on, again later, or given up.

A receiver that has failed for `expiry_seconds` is not told what waited: its feed goes to the end of the log, and the
lifecycle event `missed` says so.  After that it is told new changes as if nothing had been.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from graphpost.clock import SECOND, Instant
from graphpost.config import NotificationSettings
from graphpost.notifications.gathering import End, Told
from graphpost.store.mailbox import changes
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.notifications.feeds import Feed
from graphpost.store.notifications.subscriptions import REMOVED
from graphpost.store.store import Tx


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request; `failure` '' when its receiver took it."""

    failure: str
    now: Instant
    settings: NotificationSettings

    def is_final(self, feed: Feed) -> bool:
        """Whether the feed's receiver has failed for too long."""
        patience = int(self.settings.expiry_seconds * SECOND)
        return bool(self.failure and feed.failing_since and self.now - feed.failing_since >= patience)

    def next_attempt(self, feed: Feed) -> Instant:
        waits = self.settings.retry_seconds
        return self.now + int(waits[min(feed.failures, len(waits) - 1)] * SECOND)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a feed; `feed` None when its lease was lost, or it is gone."""

    told: Told
    feed: Feed | None = None
    dropped: bool = False
    ended: End = ""
    has_events: bool = False


def settle(tx: Tx, told: Told, outcome: Outcome) -> Settled:
    """End the lease of a feed and do what follows."""
    feed = told.feed
    if told.end == "expired":
        subscriptions.remove(tx, feed.subscription_id)
        return Settled(told)
    failed = bool(outcome.failure and told.notifications)
    dropped = failed and outcome.is_final(feed)
    after = _after(told, outcome, failed=failed, dropped=dropped)
    if not feeds.settle(tx, feed, after):
        return Settled(told)
    if feed.channel == feeds.LIFECYCLE:
        if feed.events & feeds.GONE and (dropped or not failed):
            subscriptions.remove(tx, feed.subscription_id)
        return Settled(told, after, dropped)
    if told.end and (dropped or not failed):
        return Settled(told, None, dropped, told.end, end(tx, feed.subscription_id))
    lost = dropped or (told.lost and not failed)
    has_events = lost and feeds.tell(tx, feed.bucket, feed.subscription_id, feeds.MISSED)
    return Settled(told, after, dropped, has_events=has_events)


def end(tx: Tx, subscription_id: str) -> bool:
    """End a subscription for its owner; whether the owner is still to be told so."""
    subscription = subscriptions.get(tx, subscription_id)
    if subscription is None:
        return False
    feeds.end_changes(tx, subscription.bucket, subscription_id)
    if not feeds.tell(tx, subscription.bucket, subscription_id, feeds.GONE):
        subscriptions.remove(tx, subscription_id)
        return False
    subscriptions.change(tx, replace(subscription, state=REMOVED))
    return True


def _after(told: Told, outcome: Outcome, *, failed: bool, dropped: bool) -> Feed:
    feed = told.feed
    if not failed:
        return replace(told.after, due_at=0, owner=0, failures=0, failing_since=0)
    if not dropped:
        return replace(
            feed,
            due_at=outcome.next_attempt(feed),
            owner=0,
            failures=feed.failures + 1,
            failing_since=feed.failing_since or outcome.now,
        )
    if feed.channel == feeds.LIFECYCLE:
        return replace(feed, events=0, due_at=0, owner=0, failing_since=0)
    last = changes.after(told.horizon)
    return replace(
        feed,
        changed=last.changed,
        message_id=last.message_id,
        began=last.changed,
        due_at=0,
        owner=0,
        failing_since=0,
    )
