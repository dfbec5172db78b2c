"""Orders of rows, and places in them: what a page is sorted by and begins behind.

A place is named by values, not by a number of rows before it, so it stays where it is while rows come and go: a walk in
pages shows every row once that stays where it is.  No column is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any, Final

Order = Sequence[tuple[str, bool]]  # (column, descending)
Key = tuple[Any, ...]  # the columns' values, and the message id
Condition = tuple[str, tuple[Any, ...]]

NEWEST: Final = (("received_at", True),)


@dataclass(frozen=True, slots=True)
class Slot:
    """Which rows: at most `top`, after `skip` of those behind the place `after`; of messages a portion (0: of the usual size)."""

    order: Order = NEWEST
    after: Key | None = None
    skip: int = 0
    top: int = 10
    portion: int = 0


def ordering(order: Order) -> str:
    """The terms of ORDER BY; ties go by message id, in the direction of the last term."""
    return ", ".join(f"{column} DESC" if descending else column for column, descending in _terms(order))


def keyset(order: Order, after: Key | None) -> Condition:
    """The condition, with AND before it, that a row comes behind that place; '' without one."""
    if after is None:
        return "", ()
    terms = _terms(order)
    if len({descending for _, descending in terms}) == 1:  # as indexes are
        columns, marks = ", ".join(column for column, _ in terms), ", ".join("?" * len(terms))
        return f" AND ({columns}) {_sign(terms[0][1])} ({marks})", after
    either = [
        " AND ".join(
            [*(f"{column} = ?" for column, _ in terms[:at]), f"{terms[at][0]} {_sign(terms[at][1])} ?"]
        )
        for at in range(len(terms))
    ]
    return f" AND ({' OR '.join(either)})", tuple(v for at in range(len(terms)) for v in after[: at + 1])


def place_of(order: Order) -> Callable[[Key], Any]:
    """A function from keys to what sorts as the database does."""
    signs = [-1 if descending else 1 for _, descending in _terms(order)]

    def compare(left: Key, right: Key) -> int:
        for sign, mine, other in zip(signs, left, right, strict=True):
            if mine != other:
                return sign if mine > other else -sign
        return 0

    return cmp_to_key(compare)


def _terms(order: Order) -> list[tuple[str, bool]]:
    return [*order, ("message_id", order[-1][1])]


def _sign(descending: bool) -> str:
    return "<" if descending else ">"
