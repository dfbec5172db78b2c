"""The delivery queue: one row for a message and a destination.

A row is queued (0), done (1) or held (2).  To claim is to lease: `due_at` moves to the lease's end and `owner` is set,
so an attempt that never comes back is due again by itself.  `settle` writes only while owner and attempts are still
those of the claim, so a late worker changes nothing.  Rows lie in buckets (`bucket_of` the mailbox), and every statement
names its bucket.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.dsn import Dsn
from graphpost.store.store import Row, Tx

BUCKETS: Final = 16
QUEUED: Final = 0
DONE: Final = 1
HELD: Final = 2
ANSWERS: Final = 10
_ROWS: Final = 32  # to a statement, at most

OPEN: Final = frozenset({"queued", "deferred"})  # the states of a recipient that still waits

Place = tuple[Instant, int, int]
"""In the order of age: created_at, message_id, position."""
RecipientState = Literal["queued", "delivered", "captured", "deferred", "failed", "cancelled"]


class Saying(Struct, frozen=True, array_like=True):
    """What the other side said last, as `transport.courier.Reply` has it."""

    code: int
    status: str
    text: str
    host: str = ""


class Answer(Struct, frozen=True, array_like=True):
    """What was said at an attempt, and when."""

    reply: Saying
    at: Instant


class Recipient(Struct, frozen=True, array_like=True):
    """One recipient and how far the message is on the way there; `at` is when that became so.

    `earlier` are the answers before `reply`, the last ANSWERS of them.  Fields are only ever added, at the end.
    """

    address: str
    state: RecipientState = "queued"
    reply: Saying | None = None
    at: Instant = 0
    earlier: tuple[Answer, ...] = ()


class Delivery(Struct, frozen=True):
    """One message to one destination.  `position` tells a message's deliveries apart, `siblings` is their number.

    `hidden`: no copy was wanted, so the message goes when its last delivery is done.  `given_back` 1 says of a conclusion
    that there was no attempt: `settle` takes the claim's off the count.  It is not stored.
    """

    mailbox_id: int
    message_id: int
    position: int
    destination: str
    due_at: Instant
    created_at: Instant
    expires_at: Instant
    sender: str
    recipients: tuple[Recipient, ...]
    state: int = QUEUED
    owner: int = 0
    attempts: int = 0
    finished_at: Instant = 0
    warned: bool = False
    subject: str = ""
    internet_message_id: str = ""
    siblings: int = 1
    wants_success: bool = False
    hidden: bool = False
    dsn: Dsn | None = None  # what the envelope asked to be told
    given_back: int = 0


class _Document(Struct, frozen=True, array_like=True):
    """What of a delivery no statement looks at.  Fields are only ever added, at the end."""

    expires_at: Instant
    warned: bool
    sender: str
    recipients: tuple[Recipient, ...]
    subject: str
    internet_message_id: str
    siblings: int
    wants_success: bool
    hidden: bool
    dsn: Dsn | None = None


_COLUMNS: Final = (
    "bucket, message_id, position, mailbox_id, destination, state, due_at, owner, attempts, created_at, finished_at,"
    " document"
)
_QUALIFIED: Final = ", ".join(f"deliveries.{column.strip()}" for column in _COLUMNS.split(","))
_ADD: Final = f"INSERT INTO deliveries ({_COLUMNS}) VALUES ({', '.join('?' * 12)})"  # noqa: S608
READ: Final = f"SELECT {_COLUMNS} FROM deliveries WHERE bucket = ?"  # noqa: S608
_OF_MESSAGE: Final = f"{READ} AND message_id = ? ORDER BY position"
_CLAIM: Final = (
    "WITH due AS MATERIALIZED (SELECT message_id AS m, position AS p FROM deliveries"
    " WHERE bucket = ? AND destination = ? AND state = 0 AND due_at <= ?"
    " ORDER BY due_at LIMIT {limit}{lock})"
    " UPDATE deliveries SET due_at = ?, owner = ?, attempts = attempts + 1 FROM due"
    " WHERE deliveries.bucket = ? AND deliveries.message_id = due.m AND deliveries.position = due.p"
    " RETURNING {columns}"
).replace("{columns}", _QUALIFIED)
_SETTLE: Final = (
    "WITH new(m, p, a, b, s, d, f, document) AS (VALUES {rows})"
    " UPDATE deliveries SET owner = CASE WHEN deliveries.state = new.s AND deliveries.due_at = new.d"
    " THEN deliveries.owner ELSE 0 END, state = new.s, due_at = new.d, finished_at = new.f,"
    " attempts = deliveries.attempts - new.b, document = new.document FROM new"
    " WHERE deliveries.bucket = ? AND deliveries.message_id = new.m AND deliveries.position = new.p"
    " AND deliveries.owner = ? AND deliveries.attempts = new.a AND deliveries.state = 0"
    " RETURNING deliveries.message_id, deliveries.position"
)
_SETTLE_ONE: Final = (
    "UPDATE deliveries SET owner = CASE WHEN state = ? AND due_at = ? THEN owner ELSE 0 END,"
    " state = ?, due_at = ?, finished_at = ?, attempts = attempts - ?, document = ?"
    " WHERE bucket = ? AND message_id = ? AND position = ? AND owner = ? AND attempts = ? AND state = 0"
)
_PRUNE: Final = (
    "DELETE FROM deliveries WHERE bucket = ? AND (message_id, position) IN ("
    "SELECT message_id, position FROM deliveries WHERE bucket = ? AND state = 1 AND finished_at < ?"
    " ORDER BY message_id LIMIT ?) RETURNING {columns}"
).replace("{columns}", _COLUMNS)
_WAITING: Final = (
    f"{READ} AND destination = ? AND state = 0 AND due_at <= ? AND created_at <= ?"
    " AND (created_at, message_id, position) > (?, ?, ?) ORDER BY created_at, message_id, position LIMIT ?"
)
_CLAIM_ONE: Final = (
    "UPDATE deliveries SET due_at = ?, owner = ?, attempts = attempts + 1"
    " WHERE bucket = ? AND message_id = ? AND position = ? AND state = 0 AND due_at <= ?"
    " RETURNING {columns}"
).replace("{columns}", _COLUMNS)
_SET_ASIDE: Final = (
    "UPDATE deliveries SET state = 2, owner = 0 WHERE bucket = ? AND message_id = ? AND position = ?"
)
_UNREADABLE: Final = _Document(0, False, "", (), "(this entry cannot be read)", "", 1, False, False)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Document).decode


def bucket_of(mailbox_id: int) -> int:
    return mailbox_id % BUCKETS


def add(tx: Tx, delivery: Delivery) -> None:
    """Put a delivery into the queue."""
    tx.executemany(_ADD, (_row(delivery),))


def claim(
    tx: Tx, bucket: int, destination: str, now: Instant, lease_until: Instant, owner: int, limit: int
) -> list[Delivery]:
    """Lease up to `limit` due deliveries to a destination, the longest due first; attempts are counted here.

    A row that cannot be read is held, not returned.
    """
    rows = tx.all(
        _claim(limit, tx.dialect.skip_locked), (bucket, destination, now, lease_until, owner, bucket)
    )
    found = sorted(map(from_row, rows), key=lambda d: (d.created_at, d.message_id, d.position))
    if all(delivery.expires_at for delivery in found):
        return found
    tx.executemany(
        _SET_ASIDE,
        [(bucket, delivery.message_id, delivery.position) for delivery in found if not delivery.expires_at],
    )
    return [delivery for delivery in found if delivery.expires_at]


def settle(tx: Tx, settled: Iterable[Delivery], owner: int) -> set[tuple[int, int]]:
    """Write claimed deliveries' new states: (message_id, position) of those whose claim still was `owner`'s.

    Of the others nothing is written.  A lease ends when state or due_at changed; otherwise it goes on.
    """
    if tx.dialect.updates_one_by_one:
        return {(d.message_id, d.position) for d in settled if _settle_one(tx, d, owner)}
    buckets: dict[int, list[Delivery]] = {}
    for delivery in settled:
        buckets.setdefault(bucket_of(delivery.mailbox_id), []).append(delivery)
    written: set[tuple[int, int]] = set()
    for bucket, some in sorted(buckets.items()):
        for start in range(0, len(some), _ROWS):
            part = some[start : start + _ROWS]
            params = [value for delivery in part for value in _settlement(delivery)]
            written.update((row[0], row[1]) for row in tx.all(_settle(len(part)), (*params, bucket, owner)))
    return written


def _settle_one(tx: Tx, d: Delivery, owner: int) -> bool:
    after = (d.state, d.due_at, d.state, d.due_at, d.finished_at, d.given_back, document_of(d))
    key = (bucket_of(d.mailbox_id), d.message_id, d.position, owner, d.attempts)
    return tx.execute(_SETTLE_ONE, after + key) == 1


def give_back(tx: Tx, delivery: Delivery, owner: int, now: Instant) -> bool:
    """End a claim that led to no attempt: due again at once, the attempt not counted."""
    key = (bucket_of(delivery.mailbox_id), delivery.message_id, delivery.position, owner, delivery.attempts)
    changed = tx.execute(
        "UPDATE deliveries SET owner = 0, due_at = ?, attempts = attempts - 1"
        " WHERE bucket = ? AND message_id = ? AND position = ? AND owner = ? AND attempts = ? AND state = 0",
        (now, *key),
    )
    return changed == 1


def renew(tx: Tx, held: Iterable[Delivery], owner: int, lease_until: Instant) -> None:
    """Put off the end of leases that are still `owner`'s."""
    tx.executemany(
        "UPDATE deliveries SET due_at = ?"
        " WHERE bucket = ? AND message_id = ? AND position = ? AND owner = ? AND state = 0",
        [(lease_until, bucket_of(d.mailbox_id), d.message_id, d.position, owner) for d in held],
    )


def get(tx: Tx, mailbox_id: int, message_id: int) -> list[Delivery]:
    """A message's deliveries in order."""
    rows = tx.all(_OF_MESSAGE, (bucket_of(mailbox_id), message_id))
    return [from_row(row) for row in rows]


def find(tx: Tx, message_id: int) -> list[Delivery]:
    """A message's deliveries, when only its number is known: each bucket is asked, by its primary key."""
    for bucket in range(BUCKETS):
        if rows := tx.all(_OF_MESSAGE, (bucket, message_id)):
            return [from_row(row) for row in rows]
    return []


def release(tx: Tx, bucket: int, now: Instant, owner: int = 0) -> int:
    """End the leases of a bucket at once: an owner's, who is dead, or all (0).  How many attempts were interrupted."""
    of_owner, params = ("owner = ?", (owner,)) if owner else ("owner <> 0", ())
    return tx.execute(
        f"UPDATE deliveries SET owner = 0, due_at = ? WHERE bucket = ? AND state = 0 AND {of_owner}",  # noqa: S608
        (now, bucket, *params),
    )


def depth(tx: Tx) -> tuple[int, Instant]:
    """How many deliveries are queued, and the instant the oldest was created (0 when there is none)."""
    row = tx.one(
        "SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM deliveries WHERE bucket BETWEEN 0 AND ? AND state = 0",
        (BUCKETS - 1,),
    )
    return (row[0], row[1]) if row else (0, 0)


def prune(tx: Tx, bucket: int, before: Instant, limit: int = 1000) -> list[Delivery]:
    """Delete up to `limit` deliveries that were finished before an instant, and tell which."""
    return [from_row(row) for row in tx.all(_PRUNE, (bucket, bucket, before, limit))]


@lru_cache(maxsize=256)
def _claim(limit: int, lock: str) -> str:
    """The limit is in the text: PostgreSQL plans without knowing parameters, and must know that rows are few."""
    return _CLAIM.replace("{limit}", str(limit)).replace("{lock}", lock)


def waiting(
    tx: Tx, bucket: int, destination: str, now: Instant, after: Place, until: Instant, limit: int
) -> list[Delivery]:
    """What is due to a destination, leased to nobody and accepted in a time that begins behind a place; by age.

    Where many wait, the index tells which: the rows of the others are not looked at.
    """
    return list(map(from_row, tx.all(_WAITING, (bucket, destination, now, until, *after, limit))))


def claim_one(tx: Tx, delivery: Delivery, now: Instant, lease_until: Instant, owner: int) -> Delivery | None:
    """Lease one of those, as `claim` does; None when it is not due any more, or cannot be read (then it is held)."""
    key = (bucket_of(delivery.mailbox_id), delivery.message_id, delivery.position)
    row = tx.one(_CLAIM_ONE, (lease_until, owner, *key, now))
    if row is None:
        return None
    claimed = from_row(row)
    if not claimed.expires_at:
        tx.execute(_SET_ASIDE, key)
        return None
    return claimed


@cache
def _settle(rows: int) -> str:
    return _SETTLE.replace("{rows}", ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows))


def _settlement(d: Delivery) -> tuple[Any, ...]:
    return (
        d.message_id,
        d.position,
        d.attempts,
        d.given_back,
        d.state,
        d.due_at,
        d.finished_at,
        document_of(d),
    )


def document_of(d: Delivery) -> bytes:
    """What of a delivery no statement looks at, as it is stored."""
    rest = (d.subject, d.internet_message_id, d.siblings, d.wants_success, d.hidden, d.dsn)
    return _encode(_Document(d.expires_at, d.warned, d.sender, d.recipients, *rest))


def _row(d: Delivery) -> tuple[Any, ...]:
    return (
        bucket_of(d.mailbox_id),
        d.message_id,
        d.position,
        d.mailbox_id,
        d.destination,
        d.state,
        d.due_at,
        d.owner,
        d.attempts,
        d.created_at,
        d.finished_at,
        document_of(d),
    )


def from_row(row: Row) -> Delivery:
    """The delivery of a row as READ gives it; one that cannot be read has no recipients and expires at 0."""
    try:
        document = _decode(row[11])
    except msgspec.DecodeError:
        document = _UNREADABLE
    # By place as far as may be: of more names Python makes a dictionary first, which costs as much as all else.
    return Delivery(
        row[3],
        row[1],
        row[2],
        row[4],
        row[6],
        row[9],
        document.expires_at,
        document.sender,
        document.recipients,
        row[5],
        row[7],
        row[8],
        finished_at=row[10],
        warned=document.warned,
        subject=document.subject,
        internet_message_id=document.internet_message_id,
        siblings=document.siblings,
        wants_success=document.wants_success,
        hidden=document.hidden,
        dsn=document.dsn,
    )
