"""Lookups: deliveries for people to look at, newest first and in pages.

They are chosen by what is known of them.  Numbers grow with time, so a page ends at a message's number and the next one
begins below it.  Sender, recipient and Message-ID are in no index: a page looks at a bounded number of messages, and may
hold less than was asked for, or nothing, though there are more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import BUCKETS, DONE, Delivery, Recipient, RecipientState
from graphpost.store.store import Tx

NEWEST: Final = 2**63 - 1
LOOKED_AT: Final = 5000  # messages for a page, when they have to be read to know whether they are meant
_AT_ONCE: Final = 250  # messages to a statement

_NUMBERS: Final = (
    "SELECT DISTINCT {number} FROM deliveries WHERE bucket = ?{conditions} AND {number} < ?"
    " ORDER BY {number} DESC LIMIT ?"
)


class Choice(Struct, frozen=True, kw_only=True):
    """Which deliveries are meant: all that is given must hold.

    Addresses count in any letter case; `@domain` is every address of it, and `<>` the empty sender.  `outcome` is the
    state of a recipient that is meant.
    """

    mailbox_id: int | None = None
    destination: str = ""
    sender: str = ""
    recipient: str = ""
    internet_message_id: str = ""
    outcome: RecipientState | None = None

    def is_of(self, delivery: Delivery) -> bool:
        """Whether sender and Message-ID are the wanted ones; mailbox and destination are looked at in the database."""
        return (not self.sender or _is_meant(self.sender, delivery.sender or "<>")) and (
            not self.internet_message_id or self.internet_message_id == delivery.internet_message_id
        )

    def wants(self, recipient: Recipient) -> bool:
        return (not self.recipient or _is_meant(self.recipient, recipient.address)) and (
            self.outcome is None or self.outcome == recipient.state
        )

    def means(self, delivery: Delivery) -> bool:
        """Whether it is a delivery that is meant, or one of its recipients is."""
        return (
            self.destination in ("", delivery.destination)
            and self.mailbox_id in (None, delivery.mailbox_id)
            and self.is_of(delivery)
            and (not (self.recipient or self.outcome) or any(map(self.wants, delivery.recipients)))
        )

    def looks_inside(self) -> bool:
        """Whether a delivery has to be read to know."""
        return bool(self.sender or self.recipient or self.internet_message_id or self.outcome)

    def conditions(self, state: int | None) -> tuple[str, list[int | str]]:
        """What of it the database looks at.  The state is in the text, or its index is of no use."""
        text, params = "" if state is None else f" AND state = {int(state)}", list[int | str]()
        if self.destination:
            text += " AND destination = ?"
            params.append(self.destination)
        if self.mailbox_id is not None:
            text += " AND mailbox_id = ?"
            params.append(self.mailbox_id)
        return text, params


ANY: Final = Choice()


def page(
    tx: Tx, choice: Choice = ANY, *, state: int | None = None, limit: int = 100, before: int = NEWEST
) -> tuple[list[Delivery], int]:
    """Deliveries of up to `limit` messages, and the number that the next page is below (0: there is none)."""
    at_most = max(limit, LOOKED_AT) if choice.looks_inside() else limit
    numbers = _numbers(tx, choice, state, before, at_most + 1)
    next_ = numbers[at_most - 1][0] if len(numbers) > at_most else 0
    found: list[Delivery] = []
    messages = 0
    for start in range(0, min(len(numbers), at_most), _AT_ONCE):
        for some in _read(tx, numbers[start : start + _AT_ONCE]):
            meant = [each for each in some if state in (None, each.state) and choice.means(each)]
            found += meant
            messages += bool(meant)
            if messages == limit:
                rest = found[-1].message_id
                return found, rest if numbers[-1][0] < rest else 0
    return found, next_


def _numbers(tx: Tx, choice: Choice, state: int | None, before: int, limit: int) -> list[tuple[int, int]]:
    """Numbers of messages, the newest first, and their buckets."""
    text, params = choice.conditions(state)
    number = "message_id" if state in (None, DONE) else "message_id + 0"  # by the table, or by a small index
    sql = _NUMBERS.replace("{conditions}", text).replace("{number}", number)
    box = choice.mailbox_id
    found: list[tuple[int, int]] = []
    for bucket in range(BUCKETS) if box is None else (deliveries.bucket_of(box),):
        found += [(row[0], bucket) for row in tx.all(sql, (bucket, *params, before, limit))]
    return sorted(found, reverse=True)[:limit]


def _read(tx: Tx, numbers: Sequence[tuple[int, int]]) -> list[list[Delivery]]:
    """The deliveries of messages, in the order of these."""
    found: dict[int, list[Delivery]] = {number: [] for number, _ in numbers}
    for bucket in sorted({bucket for _, bucket in numbers}):
        some = [number for number, of in numbers if of == bucket]
        for row in tx.all(_of_messages(len(some)), (bucket, *some)):
            found[row[1]].append(deliveries.from_row(row))
    return list(found.values())


@lru_cache(maxsize=_AT_ONCE)
def _of_messages(count: int) -> str:
    marks = ", ".join("?" * count)
    return f"{deliveries.READ} AND message_id IN ({marks}) ORDER BY message_id, position"


def _is_meant(pattern: str, address: str) -> bool:
    pattern, address = pattern.lower(), address.lower()
    return address.endswith(pattern) if pattern.startswith("@") else address == pattern
