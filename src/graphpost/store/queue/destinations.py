"""Destinations: which have something due, and until when each is held back.

A destination that refuses everybody is held back as a whole, in every bucket.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from graphpost.clock import SECOND, Instant
from graphpost.store.queue.deliveries import BUCKETS
from graphpost.store.store import Tx

# A loose scan: from one destination with queued rows to the next, however many rows there are.
_DUE: Final = (
    "WITH RECURSIVE waiting(destination) AS ("
    " SELECT (SELECT MIN(d.destination) FROM deliveries d WHERE d.bucket = ? AND d.state = 0)"
    " UNION ALL SELECT (SELECT MIN(d.destination) FROM deliveries d"
    " WHERE d.bucket = ? AND d.state = 0 AND d.destination > waiting.destination)"
    " FROM waiting WHERE waiting.destination IS NOT NULL)"
    " SELECT waiting.destination FROM waiting LEFT JOIN destinations g"
    " ON g.bucket = ? AND g.destination = waiting.destination"
    " WHERE waiting.destination IS NOT NULL AND COALESCE(g.not_before, 0) <= ?"
    " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.bucket = ? AND d.state = 0"
    " AND d.destination = waiting.destination AND d.due_at <= ?)"
)
_HOLD: Final = (
    "INSERT INTO destinations (bucket, destination, not_before, failures) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (bucket, destination) DO UPDATE SET not_before = excluded.not_before, failures = excluded.failures"
)
_HELD: Final = (
    "SELECT destination, MAX(not_before), MAX(failures) FROM destinations"
    " WHERE bucket BETWEEN 0 AND ? AND not_before > ? GROUP BY destination"
)
_PACE: Final = (
    "INSERT INTO paces (bucket, destination, next_at) VALUES (?, ?, ?) ON CONFLICT (bucket, destination) DO UPDATE"
    " SET next_at = CASE WHEN paces.next_at BETWEEN ? AND ? THEN paces.next_at ELSE ? END + ? RETURNING next_at"
)
FARTHEST: Final = 3600 * SECOND  # a time further ahead was taken by a clock that was wrong


def due_in(tx: Tx, bucket: int, now: Instant) -> list[str]:
    """The destinations with something due, but for those held back.  Costs by destination, not by delivery."""
    return [row[0] for row in tx.all(_DUE, (bucket, bucket, bucket, now, bucket, now))]


def due(tx: Tx, now: Instant) -> dict[str, tuple[int, ...]]:
    """The same for all buckets: the destinations, each with the buckets in which something is due."""
    found: dict[str, tuple[int, ...]] = {}
    for bucket in range(BUCKETS):
        for destination in due_in(tx, bucket, now):
            found[destination] = (*found.get(destination, ()), bucket)
    return found


def hold(tx: Tx, destination: str, not_before: Instant, failures: int) -> None:
    """Attempt nothing to a destination, from any bucket, before that instant; 0 and 0 when it works again."""
    tx.executemany(_HOLD, [(bucket, destination, not_before, failures) for bucket in range(BUCKETS)])


def held(tx: Tx, now: Instant) -> dict[str, tuple[Instant, int]]:
    """The destinations that are held back: until when, and how often in a row they were."""
    return {row[0]: (row[1], row[2]) for row in tx.all(_HELD, (BUCKETS - 1, now))}


def forget(tx: Tx, before: Instant) -> int:
    """Forget those that were not held back since, nor had a time taken; how many rows that were."""
    return sum(
        tx.execute("DELETE FROM destinations WHERE bucket = ? AND not_before < ?", (bucket, before))
        + tx.execute("DELETE FROM paces WHERE bucket = ? AND next_at < ?", (bucket, before))
        for bucket in range(BUCKETS)
    )


def take_times(tx: Tx, destination: str, now: Instant, number: int, interval: Instant) -> Instant:
    """Take so many times, `interval` apart, at which a message may go to a destination; the first of them."""
    taken, bucket = number * interval, crc32(destination.encode()) % BUCKETS
    row = tx.one(_PACE, (bucket, destination, now + taken, now, now + FARTHEST, now, taken))
    assert row is not None, "an INSERT with RETURNING gives a row"
    return int(row[0]) - taken
