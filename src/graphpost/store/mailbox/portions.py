"""Portions: how many whole messages are read into memory at once.

A document may be as large as a request, and a page have a thousand of them.  So a page's statement gives small documents
with their rows and of large ones the length alone, which no database reads the document for; large ones are read by a
further statement, as far as all together are within the portion, a number of bytes that the reader may say.
"""

from __future__ import annotations

from typing import Final

from graphpost.store.store import Row, Tx

PORTION: Final = 32 * 1024 * 1024  # bytes of documents, or of contents
DOCUMENT: Final = "CASE WHEN LENGTH(document) <= ? THEN document END, LENGTH(document)"
_SMALL: Final = 2048  # bytes: what is shorter costs less to read than to ask for
_TOGETHER: Final = 500  # documents to a statement


def small(top: int, portion: int = 0) -> int:
    """Documents up to this length come with the rows of a statement for so many: the parameter of `DOCUMENT`."""
    return max(_SMALL, (portion or PORTION) // max(1, top))


def fill(tx: Tx, mailbox_id: int, rows: list[Row], at: int, portion: int = 0) -> tuple[list[Row], int]:
    """The first rows with their documents, as far as these fit, and how many of the rows did; at least one does.

    A row begins with the message id and has `DOCUMENT` from column `at` on.  One whose message is gone meanwhile, in a
    write, is left out.
    """
    room = portion or PORTION
    total = number = 0
    for row in rows:
        total += row[at + 1]
        if number and total > room:
            break
        number += 1
    large = [row[0] for row in rows[:number] if row[at] is None]
    if not large:
        return rows[:number], number
    documents = dict[int, bytes]()
    for start in range(0, len(large), _TOGETHER):
        some = large[start : start + _TOGETHER]
        marks = ", ".join("?" * len(some))
        documents.update(
            tx.all(
                f"SELECT message_id, document FROM messages WHERE mailbox_id = ? AND message_id IN ({marks})",  # noqa: S608
                (mailbox_id, *some),
            )
        )
    filled = [row if row[at] is not None else _with(row, at, documents.get(row[0])) for row in rows[:number]]
    return [row for row in filled if row[at] is not None], number


def _with(row: Row, at: int, document: bytes | None) -> Row:
    return (*row[:at], document, *row[at + 1 :])
