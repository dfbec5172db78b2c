"""Nodes: the servers that share the queue, and whether they live.

Each adds to its `beats` again and again.  No time is written down: those who look count by clocks of their own, which
need not agree with others'.  A node lies in the bucket of its owner number, by which its leases are known.
"""

from __future__ import annotations

from typing import Final

from graphpost.clock import Instant
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import BUCKETS, bucket_of
from graphpost.store.store import Tx

_BEAT: Final = "UPDATE nodes SET beats = beats + 1 WHERE bucket = ? AND owner = ?"
_ENTER: Final = "INSERT INTO nodes (bucket, owner, beats) VALUES (?, ?, 1)"
_OTHERS: Final = "SELECT owner, beats FROM nodes WHERE bucket BETWEEN 0 AND ? AND owner <> ?"
_LEAVE: Final = "DELETE FROM nodes WHERE bucket = ? AND owner = ?"


def beat(tx: Tx, owner: int) -> tuple[bool, dict[int, int]]:
    """Say that it lives: whether it was known (if not, it is now), and the beats of all others."""
    is_known = tx.execute(_BEAT, (bucket_of(owner), owner)) == 1
    if not is_known:
        tx.execute(_ENTER, (bucket_of(owner), owner))
    return is_known, {row[0]: row[1] for row in tx.all(_OTHERS, (BUCKETS - 1, owner))}


def leave(tx: Tx, owner: int, now: Instant) -> int:
    """It works no more.  What it has leased still is due for the others; how many attempts were interrupted."""
    tx.execute(_LEAVE, (bucket_of(owner), owner))
    return _release(tx, owner, now)


def take_over(tx: Tx, owner: int, beats: int, now: Instant) -> int:
    """End the leases of a node, unless it has beaten since; how many attempts were interrupted.

    A beat and this wait for each other, so a node that still lives learns at its next beat that it is not known.
    """
    if not tx.execute(f"{_LEAVE} AND beats = ?", (bucket_of(owner), owner, beats)):
        return 0
    return _release(tx, owner, now)


def _release(tx: Tx, owner: int, now: Instant) -> int:
    return sum(deliveries.release(tx, bucket, now, owner) for bucket in range(BUCKETS))
