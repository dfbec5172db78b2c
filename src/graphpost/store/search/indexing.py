"""How a mailbox's index of words comes to be, and how far it is.

It begins with a mailbox's first search.  First come the messages that were there then, in the order of their ids (`built_to`),
then what the log of changes has since (`mark`).  So at any time a message is found by the index, or it has a higher id, or
it is in the log behind the mark.  A step reads some messages (`gather`), adds their words in slices, and last of all says how
far it came: what was interrupted is done again, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.mail.message import Item
from graphpost.store.mailbox import changes, messages
from graphpost.store.mailbox.changes import Mark
from graphpost.store.search import words
from graphpost.store.search.searched import index_words
from graphpost.store.search.words import HIGHEST
from graphpost.store.store import Tx

MESSAGES: Final = 500  # to a step, at most
CHARACTERS: Final = 2_000_000  # of bodies, about
WORDS: Final = 400  # to a transaction that writes

_READ: Final = (
    "SELECT changed, changed_id, built_to, pruned_word, pruned_id FROM indexes WHERE mailbox_id = ?"
)
_BEGIN: Final = (
    "INSERT INTO indexes (mailbox_id, changed, changed_id, built_to, pruned_word, pruned_id)"
    " VALUES (?, ?, ?, 0, '', 0) ON CONFLICT DO NOTHING"
)
_ADVANCE: Final = (
    "UPDATE indexes SET changed = ?, changed_id = ?, built_to = ?"
    " WHERE mailbox_id = ? AND changed = ? AND changed_id = ? AND built_to = ?"
)
_PRUNED: Final = "UPDATE indexes SET pruned_word = ?, pruned_id = ? WHERE mailbox_id = ?"


class Progress(Struct, frozen=True):
    """Found by the index: what has an id up to `built_to` (HIGHEST: any) and did not change behind the mark.

    Blocks up to `pruned` were looked through for what is gone.
    """

    mark: Mark
    built_to: int
    pruned: words.Place = words.BEGINNING


class Step(Struct, frozen=True):
    """Words to be added, and how far the index is then."""

    before: Progress
    after: Progress
    postings: dict[str, list[int]]

    def slices(self) -> Iterator[dict[str, list[int]]]:
        """The words in portions for one transaction each."""
        entries = iter(sorted(self.postings.items()))
        while some := dict(islice(entries, WORDS)):
            yield some


def progress(tx: Tx, mailbox_id: int) -> Progress | None:
    """How far the mailbox's index is; None when there is none."""
    row = tx.one(_READ, (mailbox_id,))
    return None if row is None else Progress(Mark(row[0], row[1]), row[2], (row[3], row[4]))


def begin(tx: Tx, mailbox_id: int) -> None:
    """Begin an index, unless there is one."""
    tx.execute(_BEGIN, (mailbox_id, *changes.after(changes.latest(tx))))


def gather(tx: Tx, mailbox_id: int) -> Step | None:
    """The next step of a mailbox that has an index; None when there is nothing left to do."""
    before = progress(tx, mailbox_id)
    if before is None:
        return None
    if before.built_to < HIGHEST:
        items = list(_portion(messages.ascending(tx, mailbox_id, before.built_to, MESSAGES)))
        end = items[-1].message_id if items else HIGHEST
        return Step(before, replace(before, built_to=end), _postings(items))
    until = changes.latest(tx)
    found, _ = changes.messages_since(tx, mailbox_id, None, before.mark, until, MESSAGES)
    if not found:
        return None
    items = [change.item for change in found if change.item is not None]
    return Step(before, replace(before, mark=found[-1].mark), _postings(items))


def add(tx: Tx, mailbox_id: int, postings: dict[str, list[int]]) -> None:
    """Add a slice of a step; others who index the mailbox wait meanwhile."""
    tx.one(_READ + tx.dialect.for_update, (mailbox_id,))
    words.add(tx, mailbox_id, postings)


def advance(tx: Tx, mailbox_id: int, before: Progress, after: Progress) -> bool:
    """Say how far the index is now; False when somebody else has done so meanwhile."""
    to, was = (*after.mark, after.built_to), (*before.mark, before.built_to)
    return tx.execute(_ADVANCE, (*to, mailbox_id, *was)) == 1


def prune(tx: Tx, mailbox_id: int, dead: dict[words.Place, set[int]], place: words.Place) -> None:
    """Take out what is gone, and go on at that place the next time; others who index the mailbox wait meanwhile."""
    tx.one(_READ + tx.dialect.for_update, (mailbox_id,))
    words.remove(tx, mailbox_id, dead)
    tx.execute(_PRUNED, (*place, mailbox_id))


def _portion(items: Iterable[Item]) -> Iterator[Item]:
    """The first items, as far as their bodies are not too large; at least one."""
    size = 0
    for item in items:
        if size > CHARACTERS:
            return
        size += len(item.message.body.content)
        yield item


def _postings(items: Iterable[Item]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for item in sorted(items, key=lambda each: each.message_id):
        for word in index_words(item):
            found.setdefault(word, []).append(item.message_id)
    return found
