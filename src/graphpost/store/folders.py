"""Mailboxes' folders; `Tx.count_folder` keeps their counts."""

from __future__ import annotations

from typing import Final

from graphpost.mail.mailbox import ROOT, WELL_KNOWN, Folder
from graphpost.store.store import Row, Tx

_READ: Final = (
    "SELECT folder_id, parent_id, name, well_known, is_hidden, total_count, unread_count, version,"
    " (SELECT COUNT(*) FROM folders child WHERE child.mailbox_id = folders.mailbox_id"
    " AND child.parent_id = folders.folder_id AND child.is_hidden = 0)"
    " FROM folders WHERE mailbox_id = ?"
)
_ADD: Final = (
    "INSERT INTO folders (mailbox_id, folder_id, parent_id, name, name_key, well_known, is_hidden,"
    " total_count, unread_count, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_HIDDEN: Final = frozenset(
    {"clutter", "conflicts", "localfailures", "recoverableitemsdeletions", "scheduled"}
) | {
    "searchfolders",
    "serverfailures",
    "syncissues",
}
_NO_PARENT: Final = 0


def create_defaults(tx: Tx, mailbox_id: int) -> None:
    """Give a mailbox the well-known folders; those that it has stay as they are."""
    for well_known, (folder_id, name) in WELL_KNOWN.items():
        parent = _NO_PARENT if folder_id == ROOT else ROOT
        folder = Folder(
            mailbox_id=mailbox_id,
            folder_id=folder_id,
            parent_id=parent,
            name=name,
            well_known=well_known,
            is_hidden=well_known in _HIDDEN,
        )
        add(tx, folder)


def add(tx: Tx, folder: Folder) -> bool:
    """Add a folder; False when its parent has one of that name (letter case does not matter)."""
    row = (
        folder.mailbox_id,
        folder.folder_id,
        folder.parent_id,
        folder.name.replace("\0", ""),
        _key(folder.name),
        folder.well_known,
        int(folder.is_hidden),
        folder.total_count,
        folder.unread_count,
        folder.version,
    )
    return tx.execute(_ADD, row) == 1


def get(tx: Tx, mailbox_id: int, folder_id: int) -> Folder | None:
    row = tx.one(f"{_READ} AND folder_id = ?", (mailbox_id, folder_id))
    return None if row is None else _folder(mailbox_id, row)


def children(tx: Tx, mailbox_id: int, parent_id: int, include_hidden: bool = False) -> list[Folder]:
    """The folders right under a folder, in the order of their names."""
    visible = "" if include_hidden else " AND is_hidden = 0"
    rows = tx.all(f"{_READ} AND parent_id = ?{visible} ORDER BY name_key, folder_id", (mailbox_id, parent_id))
    return [_folder(mailbox_id, row) for row in rows]


def _key(name: str) -> str:
    return name.casefold().replace("\0", "")


def _folder(mailbox_id: int, row: Row) -> Folder:
    return Folder(
        mailbox_id=mailbox_id,
        folder_id=row[0],
        parent_id=row[1],
        name=row[2],
        well_known=row[3],
        is_hidden=row[4] != 0,
        total_count=row[5],
        unread_count=row[6],
        version=row[7],
        child_count=row[8],
    )
