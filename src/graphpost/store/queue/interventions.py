"""Interventions: what people do to queued deliveries, one or many at a time.

Nothing is done to a delivery while an attempt at it may be under way (its lease lasts): it is counted and left.  A held
delivery (state 2) is never claimed, so it neither expires nor warns; released, it has the age it has.  To hold or
release some of a delivery's recipients is to divide it: they get a row of their own, beside the other one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import DONE, HELD, OPEN, QUEUED, Delivery, Recipient
from graphpost.store.queue.lookups import Choice
from graphpost.store.store import Tx

Action = Literal["retry", "hold", "release", "cancel"]
Key = tuple[int, int]  # message_id, position
STATES: Final[dict[Action, tuple[int, ...]]] = {
    "retry": (QUEUED,),
    "hold": (QUEUED,),
    "release": (HELD,),
    "cancel": (QUEUED, HELD),
}
"""The states in which an action finds its deliveries."""
CANCELLED: Final = "cancelled"
"""The destination of what was cancelled and is to be reported: everything fails there."""

# The order is by an expression, or the index of the queued (or held) ones would be left for the whole table's.
_KEYS: Final = (
    "SELECT message_id, position FROM deliveries WHERE bucket = ?{conditions}"
    " AND (message_id + 0, position) > (?, ?) ORDER BY message_id + 0, position LIMIT ?"
)
_PLACE: Final = (
    "UPDATE deliveries SET owner = 0, state = ?, due_at = ?, finished_at = ?, destination = ?"
    " WHERE bucket = ? AND message_id = ? AND position = ?"
)
_CHANGE: Final = _PLACE.replace(" WHERE", ", document = ? WHERE")


class Tally(Struct, frozen=True):
    """What was done: deliveries and recipients of them; `under_way` were left, because they are being attempted."""

    deliveries: int = 0
    recipients: int = 0
    under_way: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.deliveries + other.deliveries,
            self.recipients + other.recipients,
            self.under_way + other.under_way,
        )


def keys(tx: Tx, bucket: int, state: int, choice: Choice, after: Key, limit: int) -> list[Key]:
    """Deliveries of a bucket in one state that a choice may mean, in order, after one of them."""
    text, params = choice.conditions(state)
    sql = _KEYS.replace("{conditions}", text)
    return [(row[0], row[1]) for row in tx.all(sql, (bucket, *params, *after, limit))]


def act(
    tx: Tx,
    action: Action,
    bucket: int,
    some: Sequence[Key],
    choice: Choice,
    now: Instant,
    *,
    report: bool = False,
) -> Tally:
    """Do it to those of some deliveries that are meant, and in a state for it.

    `report`: the sender is told that the recipients were cancelled, by the worker, who does that with all that fails.
    """
    if not some:
        return Tally()
    tally, opened = Tally(), set[str]()
    places = [part for key in some for part in key]
    for row in tx.all(_some(len(some), tx.dialect.for_update), (bucket, *places)):
        delivery = deliveries.from_row(row)
        meant = [each for each in delivery.recipients if each.state in OPEN and choice.wants(each)]
        if delivery.state not in STATES[action] or not choice.is_of(delivery):
            continue
        if not meant and choice.recipient:
            continue
        if delivery.state == QUEUED and delivery.owner and delivery.due_at > now:
            tally += Tally(under_way=1)
            continue
        tally += Tally(1, len(meant))
        for after in _results(tx, action, delivery, meant, now, report=report):
            _put(tx, delivery, after)
        if action in ("retry", "release"):
            opened.add(delivery.destination)
    _open(tx, bucket, opened)
    return tally


def _results(
    tx: Tx, action: Action, delivery: Delivery, meant: Sequence[Recipient], now: Instant, *, report: bool
) -> tuple[Delivery, ...]:
    """What a delivery becomes; what cannot be read is taken as a whole."""
    if action == "retry":
        return (replace(delivery, due_at=now),)
    if action == "cancel" and not (report and meant):
        return (_cancelled(delivery, meant, now),)
    part, *rest = _divided(tx, delivery, meant)
    if action == "hold":
        part = replace(part, state=HELD)
    elif action == "release":
        part = replace(part, state=QUEUED, due_at=now)
    else:
        part = replace(part, state=QUEUED, due_at=now, destination=CANCELLED)
    return part, *rest


def _divided(tx: Tx, delivery: Delivery, meant: Sequence[Recipient]) -> tuple[Delivery, ...]:
    """Those meant, and what is left when others still wait: they are at a position of their own then.

    What is settled stays with those that are left.
    """
    left = tuple(each for each in delivery.recipients if each not in meant)
    if not any(each.state in OPEN for each in left):
        return (delivery,)
    others = deliveries.get(tx, delivery.mailbox_id, delivery.message_id)
    free, total = max(other.position for other in others) + 1, len(others) + 1
    part = replace(delivery, position=free, recipients=tuple(meant), siblings=total)
    return part, replace(delivery, recipients=left, siblings=total)


def _cancelled(delivery: Delivery, meant: Sequence[Recipient], now: Instant) -> Delivery:
    recipients = tuple(
        replace(each, state="cancelled", at=now) if each in meant else each for each in delivery.recipients
    )
    if any(each.state in OPEN for each in recipients):
        return replace(delivery, recipients=recipients)
    return replace(delivery, recipients=recipients, state=DONE, finished_at=now)


def _put(tx: Tx, before: Delivery, after: Delivery) -> None:
    """Write what a delivery has become, and never the document of one that could not be read."""
    after = replace(after, owner=0)
    if after.position != before.position:
        deliveries.add(tx, after)
        return
    key = (deliveries.bucket_of(after.mailbox_id), after.message_id, after.position)
    place = (after.state, after.due_at, after.finished_at, after.destination)
    if after.recipients == before.recipients:
        tx.execute(_PLACE, place + key)
    else:
        tx.execute(_CHANGE, (*place, deliveries.document_of(after), *key))


def _open(tx: Tx, bucket: int, destinations: Iterable[str]) -> None:
    """Let destinations be tried, whatever they answered before."""
    for destination in sorted(destinations):
        tx.execute(
            "UPDATE destinations SET not_before = 0 WHERE bucket = ? AND destination = ?",
            (bucket, destination),
        )


@lru_cache(maxsize=600)
def _some(count: int, lock: str) -> str:
    pairs = ", ".join(["(?, ?)"] * count)
    return f"{deliveries.READ} AND (message_id, position) IN (VALUES {pairs}) ORDER BY message_id, position{lock}"
