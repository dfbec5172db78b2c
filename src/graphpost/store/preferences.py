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

from graphpost.mail.preferences import Category, PersonalSettings, SenderOverride
from graphpost.mail.rules import Rule
from graphpost.store import folders
from graphpost.store.store import Tx


class Kind(IntEnum):
    """The numbers are in the database."""

    SETTINGS = 1  # one entry, whose id is ''
    CATEGORY = 2
    RULE = 3
    OVERRIDE = 4


_TYPES: Final[Mapping[Kind, Any]] = MappingProxyType(
    {
        Kind.SETTINGS: PersonalSettings,
        Kind.CATEGORY: Category,
        Kind.RULE: Rule,
        Kind.OVERRIDE: SenderOverride,
    }
)
_READ: Final = "SELECT entry_id, name_key, document FROM preferences WHERE mailbox_id = ? AND kind = ?"
_ADD: Final = (
    "INSERT INTO preferences (mailbox_id, kind, entry_id, name_key, document) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
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


def on_arrival(tx: Tx, mailbox_id: int) -> tuple[list[Rule], dict[str, SenderOverride]]:
    """What is followed when mail arrives: rules in the order of their ids, overrides by key."""
    rows = tx.all(
        "SELECT kind, name_key, document FROM preferences WHERE mailbox_id = ? AND kind IN (?, ?) ORDER BY entry_id",
        (mailbox_id, int(Kind.RULE), int(Kind.OVERRIDE)),
    )
    rules = [_decoders[Kind.RULE](row[2]) for row in rows if row[0] == Kind.RULE]
    return rules, {row[1]: _decoders[Kind.OVERRIDE](row[2]) for row in rows if row[0] == Kind.OVERRIDE}


def settings_of(tx: Tx, mailbox_id: int) -> PersonalSettings:
    """The mailbox's settings; the defaults as long as nothing was set."""
    found = get(tx, mailbox_id, Kind.SETTINGS, "")
    return PersonalSettings() if found is None else found.value


def set_settings(tx: Tx, mailbox_id: int, settings: PersonalSettings) -> None:
    """Keep the mailbox's settings."""
    entry = Entry("", "", settings)
    if not change(tx, mailbox_id, Kind.SETTINGS, entry):
        add(tx, mailbox_id, Kind.SETTINGS, entry)
