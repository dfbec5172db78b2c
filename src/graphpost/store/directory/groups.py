"""Groups of mailboxes: who is named together.

A member is an address or an object id, in lower case.  What the settings file declares is kept apart from what a command
added, so that what is taken out of the file goes and the rest stays.  Who changes a group holds the directory and counts
its revision up (`accounts`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from graphpost.errors import ConfigurationError
from graphpost.mail.mailbox import Group
from graphpost.store.store import Tx

Origin = Literal["settings", "command"]


def list_groups(tx: Tx) -> list[Group]:
    """Every group, in the order of their names."""
    members: dict[str, set[str]] = {}
    for key, member in tx.all("SELECT name_key, member FROM mailbox_group_members"):
        members.setdefault(key, set()).add(member)
    rows = tx.all("SELECT name_key, name, address FROM mailbox_groups ORDER BY name_key")
    return [
        Group(name=name, address=address, members=frozenset(members.get(key, ())))
        for key, name, address in rows
    ]


def by_member(tx: Tx, origin: Origin) -> dict[str, list[str]]:
    """The names of the groups that members were put into by the settings or by commands, by the member."""
    rows = tx.all(
        "SELECT m.member, g.name FROM mailbox_group_members m JOIN mailbox_groups g ON g.name_key = m.name_key"
        " WHERE m.origin = ? ORDER BY g.name_key",
        (origin,),
    )
    found: dict[str, list[str]] = {}
    for member, name in rows:
        found.setdefault(member, []).append(name)
    return found


def is_address(tx: Tx, address: str) -> bool:
    """Whether a group has that address."""
    rows = tx.all("SELECT address FROM mailbox_groups WHERE address <> ''")
    return any(row[0].casefold() == address.casefold() for row in rows)


def put(tx: Tx, name: str, address: str, origin: Origin) -> bool:
    """Make a group, or change how one of that name is written and its address; False when it was so.

    Raises ConfigurationError when the address is a mailbox's, or another group's.
    """
    row = tx.one("SELECT name, address, origin FROM mailbox_groups WHERE name_key = ?", (name.casefold(),))
    if row == (name, address, origin):
        return False
    others = [
        each[0]
        for each in tx.all(
            "SELECT address FROM mailbox_groups WHERE name_key <> ? AND address <> ''", (name.casefold(),)
        )
    ]
    if address and address.casefold() in map(str.casefold, others):
        raise ConfigurationError("address", f"{address} belongs to another group")
    if address and tx.one("SELECT 1 FROM addresses WHERE address = ?", (address.casefold(),)):
        raise ConfigurationError("address", f"{address} belongs to a mailbox")
    tx.execute(
        "INSERT INTO mailbox_groups (name_key, name, address, origin) VALUES (?, ?, ?, ?) ON CONFLICT (name_key)"
        " DO UPDATE SET name = excluded.name, address = excluded.address, origin = excluded.origin",
        (name.casefold(), name, address, origin),
    )
    return True


def add_members(tx: Tx, name: str, members: Collection[str], origin: Origin) -> bool:
    """Put mailboxes into a group; False when all of them were there."""
    added = [
        tx.execute(
            "INSERT INTO mailbox_group_members (name_key, member, origin) VALUES (?, ?, ?)"
            " ON CONFLICT (name_key, member, origin) DO NOTHING",
            (name.casefold(), member, origin),
        )
        for member in sorted({member.casefold() for member in members})
    ]
    return any(added)


def remove_members(tx: Tx, name: str, members: Collection[str], origin: Origin) -> bool:
    """Take mailboxes out of a group; False when none of them was there."""
    removed = [
        tx.execute(
            "DELETE FROM mailbox_group_members WHERE name_key = ? AND member = ? AND origin = ?",
            (name.casefold(), member, origin),
        )
        for member in sorted({member.casefold() for member in members})
    ]
    return any(removed)


def of_member(tx: Tx, member: str, origin: Origin) -> list[str]:
    """The names of the groups that the settings, or commands, put somebody into."""
    rows = tx.all(
        "SELECT g.name FROM mailbox_groups g JOIN mailbox_group_members m ON m.name_key = g.name_key"
        " WHERE m.member = ? AND m.origin = ? ORDER BY g.name_key",
        (member.casefold(), origin),
    )
    return [row[0] for row in rows]


def is_group(tx: Tx, name: str) -> bool:
    """Whether there is a group of that name."""
    return tx.one("SELECT 1 FROM mailbox_groups WHERE name_key = ?", (name.casefold(),)) is not None


def remove(tx: Tx, name: str) -> bool:
    """Remove a group; False when there was none."""
    tx.execute("DELETE FROM mailbox_group_members WHERE name_key = ?", (name.casefold(),))
    return tx.execute("DELETE FROM mailbox_groups WHERE name_key = ?", (name.casefold(),)) == 1


def remove_from_all(tx: Tx, member: str) -> None:
    """Take a mailbox out of every group that a command put it into, by the member's address or object id."""
    tx.execute(
        "DELETE FROM mailbox_group_members WHERE member = ? AND origin = 'command'", (member.casefold(),)
    )


def declare(tx: Tx, declared: Mapping[str, tuple[str, Collection[str]]]) -> bool:
    """Make the groups of the settings file so, names to addresses and members; False when they were.

    A group that it names no longer loses the members that it had from it, and goes when it has no others.
    """
    changed = False
    for name, (address, members) in declared.items():
        changed |= put(tx, name, address, "settings")
        old = _members(tx, name, "settings") - {member.casefold() for member in members}
        changed |= remove_members(tx, name, old, "settings")
        changed |= add_members(tx, name, members, "settings")
    keys = {name.casefold() for name in declared}
    for key, name in tx.all("SELECT name_key, name FROM mailbox_groups WHERE origin = 'settings'"):
        if key not in keys:
            changed = True
            remove_members(tx, name, _members(tx, name, "settings"), "settings")
            if _members(tx, name, "command"):
                tx.execute("UPDATE mailbox_groups SET origin = 'command' WHERE name_key = ?", (key,))
            else:
                remove(tx, name)
    return changed


def _members(tx: Tx, name: str, origin: Origin) -> set[str]:
    rows = tx.all(
        "SELECT member FROM mailbox_group_members WHERE name_key = ? AND origin = ?",
        (name.casefold(), origin),
    )
    return {row[0] for row in rows}
