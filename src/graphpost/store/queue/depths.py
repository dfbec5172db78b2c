"""Depths: how much waits for each destination, since when, and what it said last.

Counting reads an index and no delivery; it costs by the queue's length, a fifth of a second or so for a million.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import BUCKETS, Recipient
from graphpost.store.store import Tx

_QUEUED: Final = (
    "SELECT destination, COUNT(*), SUM(CASE WHEN due_at > ? THEN 1 ELSE 0 END), MIN(created_at) FROM deliveries"
    " WHERE bucket = ? AND state = 0 GROUP BY destination"
)
_HELD: Final = (
    "SELECT destination, COUNT(*) FROM deliveries WHERE bucket = ? AND state = 2 GROUP BY destination"
)
_GATES: Final = "SELECT destination, not_before, failures FROM destinations WHERE bucket = ?"
_LAST: Final = f"{deliveries.READ} AND destination = ? AND state = 0 ORDER BY due_at DESC LIMIT 1"


class Depth(Struct, frozen=True):
    """Of one destination: `queued` deliveries, of which `later` are being attempted or wait for another attempt.

    `oldest` is when the oldest queued one was created (0: none is), `not_before` until when all are held back, after so
    many `failures` in a row.
    """

    queued: int = 0
    later: int = 0
    held: int = 0
    oldest: Instant = 0
    not_before: Instant = 0
    failures: int = 0


def by_destination(tx: Tx, now: Instant) -> dict[str, Depth]:
    """Every destination for which something waits or is held, the deepest first."""
    queued: dict[str, tuple[int, int, Instant]] = {}
    held: dict[str, int] = {}
    gates: dict[str, tuple[Instant, int]] = {}
    for bucket in range(BUCKETS):
        for name, count, later, oldest in tx.all(_QUEUED, (now, bucket)):
            before = queued.get(name, (0, 0, oldest))
            queued[name] = before[0] + count, before[1] + later, min(before[2], oldest)
        for name, count in tx.all(_HELD, (bucket,)):
            held[name] = held.get(name, 0) + count
        for name, not_before, failures in tx.all(_GATES, (bucket,)):
            known = gates.get(name, (0, 0))
            gates[name] = max(known[0], not_before), max(known[1], failures)
    found = {}
    for name in {*queued, *held}:
        count, later, oldest = queued.get(name, (0, 0, 0))
        found[name] = Depth(count, later, held.get(name, 0), oldest, *gates.get(name, (0, 0)))
    return dict(sorted(found.items(), key=lambda each: (-each[1].queued - each[1].held, each[0])))


def last_answer(tx: Tx, destination: str) -> Recipient | None:
    """A waiting recipient of a destination, with what was said to it last; None when nothing was."""
    for bucket in range(BUCKETS):
        for row in tx.all(_LAST, (bucket, destination)):
            answered = [each for each in deliveries.from_row(row).recipients if each.reply is not None]
            if answered:
                return max(answered, key=lambda each: each.at)
    return None
