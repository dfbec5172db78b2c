"""Feeds: how far each subscription's receivers have been told, and what is next.

A subscription has a feed for changes and, if it wants them, one for lifecycle events; each has a URL of its own.  To
claim a feed is to lease it, as deliveries are leased: `due_at` moves to the lease's end and `owner` is set, so two
processes never tell the same thing at the same time, and what a process that died had claimed is told by another.
A feed moves on (`settle`) when its receiver has taken what it was told: nothing is lost, something may come twice.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.store.store import Row, Tx

CHANGES: Final = 0
LIFECYCLE: Final = 1

MISSED: Final = 1
REAUTHORIZE: Final = 2
GONE: Final = 4

_COLUMNS: Final = (
    "subscription_id, channel, mailbox_id, folder_id, url, changed, message_id, began, events, remind_at, due_at, owner,"
    " failures, failing_since"
)
_CLAIM: Final = (
    "UPDATE feeds SET due_at = ?, owner = ? WHERE bucket = ? AND subscription_id = ? AND channel = ?"
    " AND due_at <= ? RETURNING {columns}"
).replace("{columns}", _COLUMNS)

_NEWS: Final = (
    "SELECT 1 FROM folders f WHERE f.mailbox_id = ?{0} AND (f.changed > ? OR EXISTS (SELECT 1 FROM messages m"
    " WHERE m.mailbox_id = f.mailbox_id AND m.folder_id = f.folder_id AND m.changed > ?)) LIMIT 1"
)
_GONE: Final = "SELECT 1 FROM removals WHERE mailbox_id = ? AND folder_id = 0 AND changed > ? LIMIT 1"
_FOLDER: Final = "SELECT 1 FROM folders WHERE mailbox_id = ? AND folder_id = ?"


class Feed(Struct, frozen=True, kw_only=True):
    """One feed.

    Everything up to (`changed`, `message_id`) in the change log has been told, in a walk that began behind number `began`.
    `events` is a set of bits, `remind_at`
    when the owner is to be asked to renew.  `failing_since` is 0 while the receiver works.
    """

    bucket: int
    subscription_id: str
    channel: int
    mailbox_id: int
    folder_id: int
    url: str
    changed: int = 0
    message_id: int = 0
    began: int = 0
    events: int = 0
    remind_at: Instant = 0
    due_at: Instant = 0
    owner: int = 0
    failures: int = 0
    failing_since: Instant = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.subscription_id, self.channel


def add(tx: Tx, feed: Feed) -> None:
    """Add a feed."""
    tx.execute(
        f"INSERT INTO feeds (bucket, {_COLUMNS}) VALUES ({', '.join('?' * 15)})",  # noqa: S608
        (
            feed.bucket,
            feed.subscription_id,
            feed.channel,
            feed.mailbox_id,
            feed.folder_id,
            feed.url,
            feed.changed,
            feed.message_id,
            feed.began,
            feed.events,
            feed.remind_at,
            feed.due_at,
            feed.owner,
            feed.failures,
            feed.failing_since,
        ),
    )


def all_of(tx: Tx, bucket: int) -> list[Feed]:
    """Every feed of a bucket."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM feeds WHERE bucket = ?", (bucket,))  # noqa: S608
    return [_feed(bucket, row) for row in rows]


def has_news(tx: Tx, feed: Feed, now: Instant) -> bool:
    """Whether there may be something to tell: cheap to ask, and never wrongly no."""
    if feed.channel == LIFECYCLE:
        return feed.events != 0 or feed.remind_at <= now
    mailbox, folder = feed.mailbox_id, feed.folder_id
    numbers = (feed.began, feed.began)
    if not folder:
        news = tx.one(_NEWS.format(""), (mailbox, *numbers)) or tx.one(_GONE, (mailbox, feed.began))
        return news is not None
    news = tx.one(_NEWS.format(" AND f.folder_id = ?"), (mailbox, folder, *numbers))
    return news is not None or tx.one(_FOLDER, (mailbox, folder)) is None


def claim(tx: Tx, feed: Feed, now: Instant, lease_until: Instant, owner: int) -> Feed | None:
    """Lease a feed that is due; it as it is now, or None when somebody else has it, or it is not due, or gone."""
    rows = tx.all(
        _CLAIM,
        (lease_until, owner, feed.bucket, *feed.key, now),
    )
    return _feed(feed.bucket, rows[0]) if rows else None


def settle(tx: Tx, claimed: Feed, after: Feed) -> bool:
    """End a lease: write how far it is and when it is due; False when the lease was lost.

    The events that `after` lacks are no longer to be told; those that came meanwhile stay.
    """
    told = claimed.events & ~after.events
    return (
        tx.execute(
            "UPDATE feeds SET changed = ?, message_id = ?, began = ?, events = events & ?, due_at = ?, owner = 0, failures = ?,"
            " failing_since = ? WHERE bucket = ? AND subscription_id = ? AND channel = ? AND owner = ? AND due_at = ?",
            (
                after.changed,
                after.message_id,
                after.began,
                ~told,
                after.due_at,
                after.failures,
                after.failing_since,
                claimed.bucket,
                *claimed.key,
                claimed.owner,
                claimed.due_at,
            ),
        )
        > 0
    )


def tell(tx: Tx, bucket: int, subscription_id: str, event: int) -> bool:
    """Have the owner told of a lifecycle event; False when nobody wants to know."""
    return (
        tx.execute(
            "UPDATE feeds SET events = events | ? WHERE bucket = ? AND subscription_id = ? AND channel = 1",
            (event, bucket, subscription_id),
        )
        > 0
    )


def remind(tx: Tx, feed: Feed, now: Instant, never: Instant) -> bool:
    """Have the owner asked to renew, once; whether that was still to be done."""
    return (
        tx.execute(
            "UPDATE feeds SET events = events | ?, remind_at = ?"
            " WHERE bucket = ? AND subscription_id = ? AND channel = 1 AND remind_at <= ?",
            (REAUTHORIZE, never, feed.bucket, feed.subscription_id, now),
        )
        > 0
    )


def renew(tx: Tx, bucket: int, subscription_id: str, remind_at: Instant) -> None:
    """The owner renewed or reauthorised: no need to ask for it until then."""
    tx.execute(
        "UPDATE feeds SET events = events & ?, remind_at = ?"
        " WHERE bucket = ? AND subscription_id = ? AND channel = 1",
        (~REAUTHORIZE, remind_at, bucket, subscription_id),
    )


def move(tx: Tx, bucket: int, subscription_id: str, url: str) -> None:
    """Changes are told to another URL, at once."""
    tx.execute(
        "UPDATE feeds SET url = ?, due_at = 0, owner = 0, failures = 0, failing_since = 0"
        " WHERE bucket = ? AND subscription_id = ? AND channel = 0",
        (url, bucket, subscription_id),
    )


def end_changes(tx: Tx, bucket: int, subscription_id: str) -> None:
    """Tell no more changes."""
    tx.execute(
        "DELETE FROM feeds WHERE bucket = ? AND subscription_id = ? AND channel = 0",
        (bucket, subscription_id),
    )


def release(tx: Tx, bucket: int, now: Instant) -> int:
    """Make what a run that ended had leased due again; how many.  Only where nobody else can be running."""
    return tx.execute("UPDATE feeds SET due_at = ?, owner = 0 WHERE bucket = ? AND owner <> 0", (now, bucket))


def _feed(bucket: int, row: Row) -> Feed:
    return Feed(
        bucket=bucket,
        subscription_id=row[0],
        channel=row[1],
        mailbox_id=row[2],
        folder_id=row[3],
        url=row[4],
        changed=row[5],
        message_id=row[6],
        began=row[7],
        events=row[8],
        remind_at=row[9],
        due_at=row[10],
        owner=row[11],
        failures=row[12],
        failing_since=row[13],
    )
