"""Searching a mailbox: the newest messages that are meant, found in steps.

A search goes through the candidates from the highest id down, which is from what came last, and looks at each message.
What it finds is exact whether there is an index or not, and however far it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.mail.mailbox import NO_FOLDER, RECOVERABLE
from graphpost.mail.message import Item
from graphpost.odata.sought import Sought
from graphpost.store.mailbox import changes, messages
from graphpost.store.search import indexing
from graphpost.store.search.candidates import Ids, candidates
from graphpost.store.search.indexing import Progress
from graphpost.store.search.searched import matches
from graphpost.store.search.words import HIGHEST
from graphpost.store.store import Tx

LOOKED_AT: Final = 500  # messages to a step, about
ASKED: Final = 0.1  # what it costs to ask a message's columns, of what it costs to look at it
CHARACTERS: Final = 1_000_000  # of bodies to a step, about
FIRST: Final = 10  # messages to the first statement of a step; each has twice as many as the one before
TOGETHER: Final = 160  # to the last ones
_LOGGED: Final = 1000  # changes read at a time


Place = tuple[Instant, int]  # when a message was sent, and its id


class Search(Struct, frozen=True):
    """What is looked for, in a folder (None: in all); messages up to `at_most` and from `lowest` on are still to be looked at.

    `progress` and `newer` are the index's and the log's at the beginning; all that came later is behind that mark too.
    """

    mailbox_id: int
    folder_id: int | None
    sought: Sought
    at_most: int = HIGHEST
    lowest: int = 0
    progress: Progress | None = None
    newer: tuple[int, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.at_most < self.lowest


def begin(tx: Tx, search: Search) -> Search:
    """The search with what it has to know of the index."""
    progress = indexing.progress(tx, search.mailbox_id)
    if progress is None:
        return search
    return replace(search, progress=progress, newer=_newer(tx, search.mailbox_id, progress))


def look(tx: Tx, search: Search, wanted: int) -> tuple[list[Place], Search]:
    """Which of the next candidates are meant, from the highest id down, about `wanted`; and the search as it goes on."""
    ids, where = candidates(
        tx, search.mailbox_id, search.folder_id, search.sought, search.progress, search.newer
    )
    found: list[Place] = []
    number, together, looked_at, size = search.at_most, FIRST, 0.0, 0
    while looked_at < LOOKED_AT and len(found) < wanted:
        some = _next(ids, number, search.lowest, together)
        rest: Sequence[int] = some
        if where is not None:
            possible = messages.matching(tx, search.mailbox_id, some, where)
            rest = [each for each in some if each in possible]
        looked_at += len(rest) + ASKED * len(some)
        while rest:
            if size > CHARACTERS:
                return found, replace(search, at_most=rest[0])
            items, rest = messages.get_some(tx, search.mailbox_id, rest, CHARACTERS)
            found += [place_of(item) for item in items if _is_meant(search, item)]
            size += sum(len(item.message.body.content) for item in items)
        if len(some) < together:
            return found, replace(search, at_most=search.lowest - 1)
        number, together = some[-1] - 1, min(2 * together, TOGETHER)
    return found, replace(search, at_most=number)


def _next(ids: Ids, number: int, lowest: int, most: int) -> list[int]:
    """The next candidates, from a number down."""
    some: list[int] = []
    while len(some) < most and (found := ids.at_most(number)) is not None and found >= lowest:
        some.append(found)
        number = found - 1
    return some


def fetch(tx: Tx, search: Search, places: Sequence[Place], portion: int = 0) -> tuple[list[Item], int]:
    """The messages that are still there, in that order: a portion at most; and how many of the places were looked at."""
    items, rest = messages.get_some(tx, search.mailbox_id, [number for _, number in places], portion)
    return [item for item in items if _is_there(item, search.folder_id)], len(places) - len(rest)


def place_of(item: Item) -> Place:
    """What results are sorted by."""
    return item.sent_at, item.message_id


def _is_meant(search: Search, item: Item) -> bool:
    return _is_there(item, search.folder_id) and matches(search.sought, item)


def _is_there(item: Item, folder_id: int | None) -> bool:
    return (
        item.folder_id not in (NO_FOLDER, RECOVERABLE) if folder_id is None else item.folder_id == folder_id
    )


def _newer(tx: Tx, mailbox_id: int, progress: Progress) -> tuple[int, ...]:
    """The ids of what changed behind the index's mark, ascending: also of what others are still committing."""
    mark, found = progress.mark, set[int]()
    while some := changes.messages_since(tx, mailbox_id, None, mark, HIGHEST, _LOGGED).found:
        found.update(change.message_id for change in some if change.item is not None)
        mark = some[-1].mark
    return tuple(sorted(found))
