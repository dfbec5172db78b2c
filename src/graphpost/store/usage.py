"""What applications and mailboxes have used of their limits, in all processes.

A limit has a name and lies in a bucket; how much of it was used is added up by cells of time (`throttling.window`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from graphpost.clock import Instant
from graphpost.store.store import Tx

Place = tuple[int, str]  # bucket and name
_AT_ONCE: Final = 32  # names in a statement
_ADD: Final = (
    "INSERT INTO usage (bucket, name, began_at, expires_at, amount) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (bucket, name, began_at) DO UPDATE SET amount = usage.amount + excluded.amount"
)
_MARKS: Final = ", ".join("?" * _AT_ONCE)
_FIND: Final = (
    f"SELECT name, began_at, amount FROM usage WHERE bucket = ? AND began_at >= ? AND name IN ({_MARKS})"  # noqa: S608
)
_FORGET: Final = "DELETE FROM usage WHERE bucket = ? AND name = ?"
_PRUNE: Final = "DELETE FROM usage WHERE bucket = ? AND expires_at <= ?"


class Use(NamedTuple):
    """An amount in the cell that began then, which counts until it expires."""

    bucket: int
    name: str
    began_at: Instant
    expires_at: Instant
    amount: int


def add(tx: Tx, uses: Sequence[Use]) -> None:
    """Add amounts; in the order of their keys, so that two who do so don't wait for each other."""
    tx.executemany(_ADD, uses)


def find(tx: Tx, oldest: Mapping[Place, Instant]) -> dict[Place, list[tuple[Instant, int]]]:
    """Beginnings of cells and amounts, from the instants given on."""
    found: dict[Place, list[tuple[Instant, int]]] = {place: [] for place in oldest}
    for bucket in sorted({bucket for bucket, _ in oldest}):
        names = sorted(name for lies_in, name in oldest if lies_in == bucket)
        since = min(oldest[bucket, name] for name in names)
        for some in _portions(names):
            for name, began, amount in tx.all(_FIND, (bucket, since, *some)):
                if began >= oldest[bucket, name]:
                    found[bucket, name].append((began, amount))
    return found


def prune(tx: Tx, bucket: int, now: Instant) -> int:
    """Remove what does not count any more; how much."""
    return tx.execute(_PRUNE, (bucket, now))


def forget(tx: Tx, place: Place) -> None:
    """Remove all of a name."""
    tx.execute(_FORGET, place)


def _portions(names: Sequence[str]) -> Iterable[list[str]]:
    """As many as a statement takes; the last ones filled up."""
    for start in range(0, len(names), _AT_ONCE):
        some = list(names[start : start + _AT_ONCE])
        yield some + [some[0]] * (_AT_ONCE - len(some))
