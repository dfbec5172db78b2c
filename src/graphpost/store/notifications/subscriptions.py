"""Subscriptions: who wants to be told of a mailbox's changes, and where.

A subscription lies in the bucket of its mailbox (as the mailbox's deliveries do), and its id begins with the bucket's
digit, so that every statement names its bucket.  What is told and what is still to be told is in `store.notifications.feeds`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.ids import new_guid
from graphpost.store.queue.deliveries import BUCKETS, bucket_of
from graphpost.store.store import Row, Tx

ACTIVE: Final = 0
REMOVED: Final = 1
_READ: Final = (
    "SELECT subscription_id, mailbox_id, folder_id, client_id, object_id, state, expires_at, document"
    " FROM subscriptions WHERE bucket = ?"
)


class Terms(Struct, frozen=True, array_like=True):
    """What of a subscription no statement looks at.  Fields are only ever added, at the end.

    `object_id` of the subscription is a user's when `kind` is "user", else a service principal's; `filter` is that of
    the resource, as written for `version`; `created_at` is when it was made or last renewed.
    """

    kind: Literal["user", "application"]
    changes: tuple[str, ...]
    url: str
    lifecycle_url: str
    resource: str
    client_state: str
    filter: str
    version: str
    tls: str
    immutable: bool
    created_at: Instant
    permissions: frozenset[str] = frozenset()  # of a token of another issuer


class Subscription(Struct, frozen=True, kw_only=True):
    """One subscription.  `folder_id` 0 is the whole mailbox; `client_id` and `object_id` are its owner."""

    subscription_id: str
    mailbox_id: int
    folder_id: int
    client_id: str
    object_id: str
    state: int = ACTIVE
    expires_at: Instant
    terms: Terms

    @property
    def bucket(self) -> int:
        return bucket_of(self.mailbox_id)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Terms).decode


def new_id(mailbox_id: int) -> str:
    """A random GUID that begins with the bucket of the mailbox."""
    return f"{bucket_of(mailbox_id):x}{new_guid()[1:]}"


def add(tx: Tx, subscription: Subscription) -> None:
    """Add a subscription."""
    tx.execute(
        "INSERT INTO subscriptions (bucket, subscription_id, mailbox_id, folder_id, client_id, object_id, state,"
        " expires_at, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            subscription.bucket,
            subscription.subscription_id,
            subscription.mailbox_id,
            subscription.folder_id,
            subscription.client_id,
            subscription.object_id,
            subscription.state,
            subscription.expires_at,
            _encode(subscription.terms),
        ),
    )


def get(tx: Tx, subscription_id: str) -> Subscription | None:
    """The subscription, expired or not; in a write, nobody else changes it before the end."""
    bucket = _bucket(subscription_id)
    if bucket is None:
        return None
    row = tx.one(f"{_READ} AND subscription_id = ?{tx.dialect.for_update}", (bucket, subscription_id))
    return None if row is None else _subscription(row)


def owned(
    tx: Tx, client_id: str, object_id: str, now: Instant, after: str = "", limit: int = 100
) -> list[Subscription]:
    """The active subscriptions of an owner, in the order of their ids, behind that id."""
    found: list[Subscription] = []
    for bucket in range(_bucket(after) or 0, BUCKETS):
        rows = tx.all(
            f"{_READ} AND client_id = ? AND object_id = ? AND state = 0 AND expires_at > ? AND subscription_id > ?"
            " ORDER BY subscription_id LIMIT ?",
            (bucket, client_id, object_id, now, after, limit - len(found)),
        )
        found += map(_subscription, rows)
        if len(found) >= limit:
            break
    return found


def count(tx: Tx, mailbox_id: int, now: Instant) -> int:
    """How many active subscriptions there are to a mailbox, of all owners."""
    row = tx.one(
        "SELECT COUNT(*) FROM subscriptions WHERE bucket = ? AND mailbox_id = ? AND state = 0 AND expires_at > ?",
        (bucket_of(mailbox_id), mailbox_id, now),
    )
    return int(row[0]) if row else 0


def change(tx: Tx, subscription: Subscription) -> bool:
    """Write its end, state and terms; whether it was there."""
    return (
        tx.execute(
            "UPDATE subscriptions SET expires_at = ?, state = ?, document = ?"
            " WHERE bucket = ? AND subscription_id = ?",
            (
                subscription.expires_at,
                subscription.state,
                _encode(subscription.terms),
                subscription.bucket,
                subscription.subscription_id,
            ),
        )
        > 0
    )


def remove(tx: Tx, subscription_id: str) -> bool:
    """Delete a subscription and its feeds; whether it was there."""
    key = (_bucket(subscription_id), subscription_id)
    tx.execute("DELETE FROM feeds WHERE bucket = ? AND subscription_id = ?", key)
    return tx.execute("DELETE FROM subscriptions WHERE bucket = ? AND subscription_id = ?", key) > 0


def remove_expired(tx: Tx, bucket: int, now: Instant, limit: int = 100) -> int:
    """Delete subscriptions whose time is over; how many."""
    rows = tx.all(
        "SELECT subscription_id FROM subscriptions WHERE bucket = ? AND expires_at <= ? LIMIT ?",
        (bucket, now, limit),
    )
    return sum(remove(tx, row[0]) for row in rows)


def _bucket(subscription_id: str) -> int | None:
    digit = subscription_id[:1]
    return int(digit, 16) if digit in set("0123456789abcdef") else None


def _subscription(row: Row) -> Subscription:
    return Subscription(
        subscription_id=row[0],
        mailbox_id=row[1],
        folder_id=row[2],
        client_id=row[3],
        object_id=row[4],
        state=row[5],
        expires_at=row[6],
        terms=_decode(row[7]),
    )


def renewed(
    subscription: Subscription, expires_at: Instant, now: Instant, permissions: frozenset[str] = frozenset()
) -> Subscription:
    """The subscription with a new end, and with what another issuer permits now."""
    terms = replace(subscription.terms, created_at=now, permissions=permissions)
    return replace(subscription, expires_at=expires_at, terms=terms)
