"""The index of words: for each, the ids of the messages that have it, in blocks.

A word's blocks part the ids among them: each has those from its `first_id` on, up to the next one's.  What comes with a
growing id, as nearly everything does, goes to the last block, and a new one begins when that is full; so a word in five
messages is one row, however large the mailbox.  Ids are kept as differences in units of their greatest common divisor.
An id may be here whose message no longer has the word, or is gone: whoever reads looks at the message.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from graphpost.store.store import Tx

BLOCK: Final = 512  # ids in a block, at most
TOGETHER: Final = 50  # words to a statement
HIGHEST: Final = 2**63 - 1

_COVERING: Final = (
    "SELECT word, first_id, ids FROM (SELECT word, first_id, ids FROM words"
    " WHERE mailbox_id = ? AND word = ? AND first_id <= ? ORDER BY first_id DESC LIMIT 1) AS block"
)
_PUT: Final = (
    "INSERT INTO words (mailbox_id, word, first_id, ids) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (mailbox_id, word, first_id) DO UPDATE SET ids = excluded.ids"
)
_BEGINNING: Final = (
    "SELECT DISTINCT word FROM words WHERE mailbox_id = ? AND word >= ? AND word < ? ORDER BY word LIMIT ?"
)
_FROM: Final = (
    "SELECT word, first_id, ids FROM words WHERE mailbox_id = ? AND (word, first_id) > (?, ?)"
    " ORDER BY word, first_id LIMIT ?"
)
_DELETE: Final = "DELETE FROM words WHERE mailbox_id = ? AND word = ? AND first_id = ?"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, list[int]]).decode

Place = tuple[str, int]  # word and first id: of a block
BEGINNING: Final = ("", 0)


def add(tx: Tx, mailbox_id: int, postings: Mapping[str, Sequence[int]]) -> None:
    """Add messages to words; ids in ascending order.  What is there already stays as it is."""
    pending = dict(postings)
    while pending:
        known = _covering(tx, mailbox_id, {word: ids[-1] for word, ids in pending.items()})
        left: dict[str, Sequence[int]] = {}
        rows: list[tuple[int, str, int, bytes]] = []
        for word, ids in pending.items():
            first, there = known.get(word, (0, []))
            mine = [number for number in ids if number >= first]
            if len(mine) < len(ids):
                left[word] = ids[: len(ids) - len(mine)]
            merged = sorted({*there, *mine})
            if len(merged) > len(there):
                rows += [(mailbox_id, word, block[0], pack(block)) for block in _blocks(merged)]
        tx.executemany(_PUT, rows)
        pending = left


def block_below(tx: Tx, mailbox_id: int, word: str, at_most: int) -> list[int]:
    """The ids of the block that has those right up to `at_most`; empty when there is none."""
    return _covering(tx, mailbox_id, {word: at_most}).get(word, (0, []))[1]


def beginning_with(tx: Tx, mailbox_id: int, prefix: str, limit: int) -> list[str]:
    """The words that begin so, at most that many."""
    rows = tx.all(_BEGINNING, (mailbox_id, prefix, prefix + "\U0010ffff", limit))
    return [row[0] for row in rows]


def dead(tx: Tx, mailbox_id: int, after: Place, limit: int) -> tuple[dict[Place, set[int]], Place | None]:
    """Ids of messages that are gone, by block, in the next blocks; and where to go on, None at the end."""
    rows = tx.all(_FROM, (mailbox_id, *after, limit))
    found: dict[Place, set[int]] = {}
    for word, first, data in rows:
        ids = unpack(first, data)
        marks = ", ".join("?" * len(ids))
        alive = tx.all(
            f"SELECT message_id FROM messages WHERE mailbox_id = ? AND message_id IN ({marks})",  # noqa: S608
            (mailbox_id, *ids),
        )
        if gone := set(ids).difference(row[0] for row in alive):
            found[word, first] = gone
    return found, (rows[-1][0], rows[-1][1]) if len(rows) == limit else None


def remove(tx: Tx, mailbox_id: int, dead: Mapping[Place, set[int]]) -> None:
    """Take ids out of blocks."""
    for (word, first), gone in dead.items():
        there = block_below(tx, mailbox_id, word, first)
        if there and there[0] == first:
            tx.execute(_DELETE, (mailbox_id, word, first))
            left = [number for number in there if number not in gone]
            tx.executemany(_PUT, [(mailbox_id, word, block[0], pack(block)) for block in _blocks(left)])


def pack(ids: Sequence[int]) -> bytes:
    """Ascending ids as bytes; the first one is kept elsewhere."""
    steps = [later - earlier for earlier, later in pairwise(ids)]
    unit = math.gcd(*steps) or 1
    return _encode((unit, [step // unit for step in steps]))


def unpack(first: int, data: bytes) -> list[int]:
    """The ids of a block that begins with that one."""
    unit, steps = _decode(data)
    return list(accumulate((unit * step for step in steps), initial=first))


def _covering(tx: Tx, mailbox_id: int, highest: Mapping[str, int]) -> dict[str, tuple[int, list[int]]]:
    """For each word the first id and the ids of the block that has its id, or would have it."""
    found = {}
    asked = list(highest.items())
    for start in range(0, len(asked), TOGETHER):
        some = asked[start : start + TOGETHER]
        sql = " UNION ALL ".join([_COVERING] * len(some))
        for word, first, data in tx.all(sql, [value for pair in some for value in (mailbox_id, *pair)]):
            found[word] = (first, unpack(first, data))
    return found


def _blocks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), BLOCK):
        yield ids[start : start + BLOCK]
