"""What mailboxes keep beside their mail: entries of a kind.

An entry has an id, a value of its kind's type, and a key that no other entry of that kind and mailbox has.  Whoever
writes holds the mailbox first (`hold`), so that what is counted or compared before stays true.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.address import to_wire
from graphpost.mail.preferences import Answered, AutomaticReplies, Category, PersonalSettings, SenderOverride
from graphpost.mail.rules import Rule
from graphpost.store.mailbox import folders
from graphpost.store.store import Tx


class Kind(IntEnum):
    """The numbers are in the database."""

    SETTINGS = 1  # one entry, whose id is ''
    CATEGORY = 2
    RULE = 3
    OVERRIDE = 4
    ANSWERED = 5  # senders who were sent an automatic reply, by their addresses


MOST_ANSWERED: Final = 5000  # senders of one absence: strangers can make up as many as they like
_TYPES: Final[Mapping[Kind, Any]] = MappingProxyType(
    {
        Kind.SETTINGS: PersonalSettings,
        Kind.CATEGORY: Category,
        Kind.RULE: Rule,
        Kind.OVERRIDE: SenderOverride,
        Kind.ANSWERED: Answered,
    }
)
_READ: Final = "SELECT entry_id, name_key, document FROM preferences WHERE mailbox_id = ? AND kind = ?"
_ADD: Final = (
    "INSERT INTO preferences (mailbox_id, kind, entry_id, name_key, document) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_ON_ARRIVAL: Final = "SELECT kind, name_key, document FROM preferences WHERE mailbox_id = ? AND kind IN (?, ?, ?) ORDER BY entry_id"
_FOLLOWED: Final = (int(Kind.SETTINGS), int(Kind.RULE), int(Kind.OVERRIDE))
_encode: Final = msgspec.msgpack.Encoder().encode
_decoders: Final = {kind: msgspec.msgpack.Decoder(type_).decode for kind, type_ in _TYPES.items()}


class Entry(Struct, frozen=True):
    """One of them; `value` is of its kind's type."""

    entry_id: str
    key: str
    value: Any


def hold(tx: Tx, mailbox_id: int) -> None:
    """Let nobody else change the mailbox's entries before the end of this write."""
    folders.hold_tree(tx, mailbox_id)


def entries(tx: Tx, mailbox_id: int, kind: Kind) -> list[Entry]:
    """All of a kind, in the order of their ids."""
    rows = tx.all(f"{_READ} ORDER BY entry_id", (mailbox_id, int(kind)))
    return [Entry(row[0], row[1], _decoders[kind](row[2])) for row in rows]


def get(tx: Tx, mailbox_id: int, kind: Kind, entry_id: str) -> Entry | None:
    row = tx.one(f"{_READ} AND entry_id = ?", (mailbox_id, int(kind), entry_id))
    return None if row is None else Entry(row[0], row[1], _decoders[kind](row[2]))


def find(tx: Tx, mailbox_id: int, kind: Kind, key: str) -> Entry | None:
    """The entry that has that key."""
    row = tx.one(f"{_READ} AND name_key = ?", (mailbox_id, int(kind), key))
    return None if row is None else Entry(row[0], row[1], _decoders[kind](row[2]))


def usage(tx: Tx, mailbox_id: int, kind: Kind) -> tuple[int, int]:
    """How many entries of a kind there are, and how many bytes their values take."""
    row = tx.one(
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(document)), 0) FROM preferences WHERE mailbox_id = ? AND kind = ?",
        (mailbox_id, int(kind)),
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


def add(tx: Tx, mailbox_id: int, kind: Kind, entry: Entry) -> bool:
    """Add an entry; False when its id or its key is taken."""
    row = (mailbox_id, int(kind), entry.entry_id, entry.key, _encode(entry.value))
    return tx.execute(_ADD, row) == 1


def change(tx: Tx, mailbox_id: int, kind: Kind, entry: Entry) -> bool:
    """Write an entry's value over that of its id; whether there was one.  Its key stays."""
    return (
        tx.execute(
            "UPDATE preferences SET document = ? WHERE mailbox_id = ? AND kind = ? AND entry_id = ?",
            (_encode(entry.value), mailbox_id, int(kind), entry.entry_id),
        )
        == 1
    )


def remove(tx: Tx, mailbox_id: int, kind: Kind, entry_id: str) -> bool:
    """Delete an entry; whether it was there."""
    return (
        tx.execute(
            "DELETE FROM preferences WHERE mailbox_id = ? AND kind = ? AND entry_id = ?",
            (mailbox_id, int(kind), entry_id),
        )
        == 1
    )


def on_arrival(
    tx: Tx, mailbox_id: int
) -> tuple[list[Rule], dict[str, SenderOverride], AutomaticReplies | None]:
    """What is followed when mail arrives: rules in the order of their ids, overrides by key, replies if they are on."""
    rules, overrides, replies = [], {}, None
    rows = tx.all(_ON_ARRIVAL, (mailbox_id, *_FOLLOWED))
    for kind, key, document in rows:
        value = _decoders[kind](document)
        if kind == Kind.RULE:
            rules.append(value)
        elif kind == Kind.OVERRIDE:
            overrides[key] = value
        elif value.automatic_replies.status != "disabled":
            replies = value.automatic_replies
    return rules, overrides, replies


def note_answer(tx: Tx, mailbox_id: int, sender: str, now: Instant) -> bool:
    """Remember that a sender is sent an automatic reply; False when it was already, or too many were."""
    key = to_wire(sender).lower()
    if usage(tx, mailbox_id, Kind.ANSWERED)[0] >= MOST_ANSWERED:
        return False
    return add(tx, mailbox_id, Kind.ANSWERED, Entry(key, key, Answered(now)))


def forget_answers(tx: Tx, mailbox_id: int) -> None:
    """Let everybody be answered anew."""
    tx.execute("DELETE FROM preferences WHERE mailbox_id = ? AND kind = ?", (mailbox_id, int(Kind.ANSWERED)))


def settings_of(tx: Tx, mailbox_id: int) -> PersonalSettings:
    """The mailbox's settings; the defaults as long as nothing was set."""
    found = get(tx, mailbox_id, Kind.SETTINGS, "")
    return PersonalSettings() if found is None else found.value


def set_settings(tx: Tx, mailbox_id: int, settings: PersonalSettings) -> None:
    """Keep the mailbox's settings."""
    entry = Entry("", "", settings)
    if not change(tx, mailbox_id, Kind.SETTINGS, entry):
        add(tx, mailbox_id, Kind.SETTINGS, entry)
