"""Candidates of a search: ids of messages that may be meant, the highest first.

Each part of a search is something that knows the next candidate at or below an id; parts are joined by leaping: the one
that is furthest ahead says where all others go on.  So a rare word decides what is looked at, however common the others;
if it is rare enough, it alone.
What no word is in (dates, sizes, NOT) is nothing that the index can propose: a search of nothing else goes through all
messages whose columns do not rule it out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Protocol

from graphpost.odata.sought import AllOf, AnyOf, Is, Phrase, Range, Sought, Without
from graphpost.store.mailbox import folders, messages
from graphpost.store.mailbox.pages import Condition
from graphpost.store.mailbox.rows import IMPORTANCE
from graphpost.store.search import words
from graphpost.store.search.indexing import Progress
from graphpost.store.search.searched import EVERYTHING, KIND, index_word
from graphpost.store.store import Tx

PREFIXED: Final = 100  # words that a prefix may stand for; more are not looked up
FEW: Final = 200  # ids of a word
_AHEAD: Final = 100  # ids read at a time
_NUMBERS: Final = {"received": "received_at", "sent": "sent_at", "size": "size"}
_ANY: Final[Condition] = ("(1 = 1)", ())
_NONE: Final[Condition] = ("(1 = 0)", ())


class Ids(Protocol):
    """Some ids in descending order."""

    def at_most(self, number: int) -> int | None:
        """The greatest of them that is not above the number."""
        ...

    def is_few(self) -> bool:
        """Whether they are so few that looking at their messages costs less than asking what else they have."""
        ...


def candidates(
    tx: Tx,
    mailbox_id: int,
    folder_id: int | None,
    sought: Sought,
    progress: Progress | None,
    newer: Sequence[int],
) -> tuple[Ids, Condition | None]:
    """Every message that is meant is among them, and others; and what the columns of those have that may be meant.

    `newer` are ascending: what is behind the index's mark.
    """
    is_small = folder_id is not None and _is_small(tx, mailbox_id, folder_id)
    found = None if progress is None or is_small else _plan(tx, mailbox_id, sought)
    where = _possible(sought)
    if progress is None or found is None:
        return _Stored(tx, mailbox_id, folder_id, 0, where), None
    parts: list[Ids] = [found, _Listed(newer)]
    if progress.built_to < words.HIGHEST:
        parts.append(_Stored(tx, mailbox_id, folder_id, progress.built_to, where))
    place = [] if folder_id is None else [("(folder_id = ?)", (folder_id,))]
    return _Either(parts), _joined(" AND ", [*place, *([where] if where is not None else [])])


def _is_small(tx: Tx, mailbox_id: int, folder_id: int) -> bool:
    """Whether looking at all messages of the folder costs less than asking the index."""
    folder = folders.get(tx, mailbox_id, folder_id)
    return folder is not None and folder.total_count <= FEW


def _possible(sought: Sought) -> Condition | None:
    """What the columns of every message have that is meant; None when they tell nothing."""
    match sought:
        case Range() | Is():
            return _of_columns(sought)
        case Without(term=Range() | Is() as term):
            text, values = _of_columns(term)
            return f"(NOT {text})", values
        case AllOf():
            return _joined(
                " AND ", [found for term in sought.terms if (found := _possible(term)) is not None]
            )
        case AnyOf():
            every = [_possible(term) for term in sought.terms]
            return None if None in every else _joined(" OR ", [found for found in every if found is not None])
    return None


def _of_columns(sought: Range | Is) -> Condition:
    """The same condition, of columns."""
    if isinstance(sought, Range):
        column = _NUMBERS[sought.field]
        low = [(f"{column} >= ?", (sought.low,))] if sought.low is not None else []
        high = [(f"{column} < ?", (sought.high,))] if sought.high is not None else []
        return _joined(" AND ", [*low, *high]) or _ANY
    if sought.field == "kind":
        return _ANY if sought.value == KIND else _NONE
    if sought.field == "importance":
        return "(importance = ?)", (IMPORTANCE[sought.value],)
    return "(has_attachments = ?)", (int(sought.value == "true"),)


def _joined(word: str, found: Sequence[Condition]) -> Condition | None:
    if not found:
        return None
    return f"({word.join(text for text, _ in found)})", tuple(
        value for _, values in found for value in values
    )


def _plan(tx: Tx, mailbox_id: int, sought: Sought) -> Ids | None:
    """What the index proposes; None when it cannot tell."""
    match sought:
        case Phrase():
            return _phrase(tx, mailbox_id, sought)
        case AllOf():
            parts = [part for term in sought.terms if (part := _plan(tx, mailbox_id, term)) is not None]
            return _Every(parts) if parts else None
        case AnyOf():
            every = [_plan(tx, mailbox_id, term) for term in sought.terms]
            known = [part for part in every if part is not None]
            return _Either(known) if len(known) == len(every) else None
    return None


def _phrase(tx: Tx, mailbox_id: int, phrase: Phrase) -> Ids | None:
    whole = phrase.words[:-1] if phrase.is_prefix else phrase.words
    fields: list[Ids] = [_Posted(tx, mailbox_id, EVERYTHING)]
    for field in phrase.fields:
        parts: list[Ids] = [_Posted(tx, mailbox_id, index_word(field, word)) for word in dict.fromkeys(whole)]
        if phrase.is_prefix:
            prefix = index_word(field, phrase.words[-1])
            some = words.beginning_with(tx, mailbox_id, prefix, PREFIXED + 1)
            if len(some) <= PREFIXED:
                parts.append(_Either([_Posted(tx, mailbox_id, word) for word in some]))
        if not parts:
            return None
        fields.append(_Every(parts))
    return _Either(fields)


class _Posted:
    """The ids that the index has for a word, block by block."""

    def __init__(self, tx: Tx, mailbox_id: int, word: str) -> None:
        self._tx = tx
        self._mailbox_id = mailbox_id
        self._word = word
        self._block: list[int] = []
        self._highest = -1  # below or at it and from the block's first id on, the block has all there are

    def at_most(self, number: int) -> int | None:
        if number > self._highest or (self._block and number < self._block[0]):
            self._block = words.block_below(self._tx, self._mailbox_id, self._word, number)
            self._highest = number
        return self._block[bisect_right(self._block, number) - 1] if self._block else None

    def is_few(self) -> bool:
        self.at_most(words.HIGHEST)
        block = self._block
        if len(block) > FEW:
            return False
        return not block or not words.block_below(self._tx, self._mailbox_id, self._word, block[0] - 1)


class _Listed:
    """Ascending ids that are in memory."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids

    def at_most(self, number: int) -> int | None:
        at = bisect_right(self._ids, number)
        return self._ids[at - 1] if at else None

    def is_few(self) -> bool:
        return len(self._ids) <= FEW


class _Stored:
    """The ids of the messages of a folder (None: of all) above one, as they are stored and as far as columns allow."""

    def __init__(
        self, tx: Tx, mailbox_id: int, folder_id: int | None, above: int, where: Condition | None
    ) -> None:
        self._tx = tx
        self._place = (mailbox_id, folder_id, above)
        self._where = where
        self._known: list[int] = []
        self._highest = -1

    def at_most(self, number: int) -> int | None:
        if number > self._highest or (self._known and number < self._known[0]):
            self._known = messages.descending_ids(self._tx, *self._place, number, _AHEAD, self._where)[::-1]
            self._highest = number
        return self._known[bisect_right(self._known, number) - 1] if self._known else None

    def is_few(self) -> bool:
        return False


class _Either:
    def __init__(self, parts: Sequence[Ids]) -> None:
        self._parts = parts

    def at_most(self, number: int) -> int | None:
        return max((each for part in self._parts if (each := part.at_most(number)) is not None), default=None)

    def is_few(self) -> bool:
        return all(part.is_few() for part in self._parts)


class _Every:
    """What is in all parts, or in those alone that are few."""

    def __init__(self, parts: Sequence[Ids]) -> None:
        self._few = [part for part in parts if len(parts) > 1 and part.is_few()]
        self._parts = self._few or parts

    def at_most(self, number: int) -> int | None:
        agreed = 0
        while agreed < len(self._parts):
            for part in self._parts:
                found = part.at_most(number)
                if found is None:
                    return None
                agreed = agreed + 1 if found == number else 1
                number = found
                if agreed == len(self._parts):
                    break
        return number

    def is_few(self) -> bool:
        return bool(self._few) or all(part.is_few() for part in self._parts)
