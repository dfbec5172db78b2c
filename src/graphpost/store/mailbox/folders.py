"""Mailboxes' folders; `Tx.count_folder` keeps their counts."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from graphpost.errors import PreconditionFailed
from graphpost.mail.mailbox import RECOVERABLE, ROOT, WELL_KNOWN, Folder
from graphpost.store.mailbox import removals
from graphpost.store.store import Row, Tx

# What names say of children is nothing: without it SQLite counts them by looking at all folders of the mailbox.
READ: Final = (
    "folder_id, parent_id, name, well_known, is_hidden, total_count, unread_count, version,"
    " (SELECT COUNT(*) FROM folders child WHERE child.mailbox_id = folders.mailbox_id"
    " AND child.parent_id = folders.folder_id AND child.name_key >= '' AND child.is_hidden = 0)"
)
_READ: Final = f"SELECT {READ} FROM folders WHERE mailbox_id = ?"  # noqa: S608
_ADD: Final = (
    "INSERT INTO folders (mailbox_id, folder_id, parent_id, name, name_key, well_known, is_hidden,"
    " total_count, unread_count, version, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_HIDDEN: Final = frozenset(
    {"clutter", "conflicts", "localfailures", "recoverableitemsdeletions", "scheduled"}
) | {
    "searchfolders",
    "serverfailures",
    "syncissues",
}
_NO_PARENT: Final = 0
_ANCESTORS: Final = (
    "WITH RECURSIVE above(folder_id, parent_id, depth) AS ("
    " SELECT f.folder_id, f.parent_id, 1 FROM folders f WHERE f.mailbox_id = ? AND f.folder_id = ?"
    " UNION ALL SELECT f.folder_id, f.parent_id, above.depth + 1 FROM above"
    " JOIN folders f ON f.mailbox_id = ? AND f.folder_id = above.parent_id)"
    " SELECT folder_id FROM above ORDER BY depth"
)


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
        tx.change_number(),
    )
    added = tx.execute(_ADD, row) == 1
    if added:
        _touch(tx, folder.mailbox_id, folder.parent_id)
    return added


def get(tx: Tx, mailbox_id: int, folder_id: int) -> Folder | None:
    row = tx.one(f"{_READ} AND folder_id = ?", (mailbox_id, folder_id))
    return None if row is None else folder_of(mailbox_id, row)


def hold(tx: Tx, mailbox_id: int, folder_id: int) -> Folder | None:
    """The folder, which nobody else removes before the end of this write."""
    row = tx.one(f"{_READ} AND folder_id = ?{tx.dialect.for_update}", (mailbox_id, folder_id))
    return None if row is None else folder_of(mailbox_id, row)


def share(tx: Tx, mailbox_id: int, folder_id: int) -> Folder | None:
    """The folder, which nobody removes before the end of this write; others may put messages into it too.

    Whoever puts a message into a folder that a client may have made shares it first, so that none lands in a folder that
    is being erased.
    """
    row = tx.one(f"{_READ} AND folder_id = ?{tx.dialect.for_share}", (mailbox_id, folder_id))
    return None if row is None else folder_of(mailbox_id, row)


def hold_tree(tx: Tx, mailbox_id: int) -> None:
    """Let nobody else change the mailbox's tree of folders before the end of this write.

    Whoever adds, moves, renames or removes a folder for a client holds the tree first: names stay unique and no folder
    gets below itself, however many do so at once.
    """
    hold(tx, mailbox_id, ROOT)


def change(tx: Tx, before: Folder, after: Folder) -> Folder:
    """Write name, parent and `is_hidden` of `after` over `before`; the folder as it now is, in its next version.

    The counts are not written: they belong to the messages.  Raises PreconditionFailed when the stored folder is no
    longer the version of `before`, or is gone, and StoreError when the parent has another folder of that name.
    """
    folder = replace(after, version=before.version + 1)
    name, key = (folder.name.replace("\0", ""), _key(folder.name))
    written = tx.execute(
        "UPDATE folders SET parent_id = ?, name = ?, name_key = ?, is_hidden = ?, version = ?, changed = ?"
        " WHERE mailbox_id = ? AND folder_id = ? AND version = ?",
        (
            *(folder.parent_id, name, key, int(folder.is_hidden), folder.version, tx.change_number()),
            *(before.mailbox_id, before.folder_id, before.version),
        ),
    )
    if written != 1:
        raise PreconditionFailed("The folder was changed by somebody else.")
    if (folder.parent_id, folder.is_hidden) != (before.parent_id, before.is_hidden):
        _touch(tx, before.mailbox_id, before.parent_id)
        _touch(tx, before.mailbox_id, folder.parent_id)
    return folder


def remove(tx: Tx, mailbox_id: int, folder_id: int) -> bool:
    """Delete the folder's row; whether it was there.  Its messages and child folders are for the caller to see to."""
    row = tx.one(
        "DELETE FROM folders WHERE mailbox_id = ? AND folder_id = ? RETURNING parent_id",
        (mailbox_id, folder_id),
    )
    if row is None:
        return False
    tx.execute(
        "DELETE FROM folder_properties WHERE mailbox_id = ? AND folder_id = ?", (mailbox_id, folder_id)
    )
    removals.add(tx, mailbox_id, removals.FOLDERS, [(folder_id, 0)], removals.DELETED)
    _touch(tx, mailbox_id, row[0])
    return True


def ancestors(tx: Tx, mailbox_id: int, folder_id: int) -> list[int]:
    """The folder itself, its parent, and so on up to the root; empty when there is no such folder."""
    return [row[0] for row in tx.all(_ANCESTORS, (mailbox_id, folder_id, mailbox_id))]


def free_name(tx: Tx, mailbox_id: int, parent_id: int, name: str, limit: int) -> str:
    """The name, or the first of `name1`, `name2`, … that no child of the parent has; at most `limit` characters."""
    rows = tx.all(
        "SELECT name_key FROM folders WHERE mailbox_id = ? AND parent_id = ?", (mailbox_id, parent_id)
    )
    taken, number, free = {row[0] for row in rows}, 0, name
    while _key(free) in taken:
        number += 1
        free = f"{name[: limit - len(str(number))]}{number}"
    return free


def children(tx: Tx, mailbox_id: int, parent_id: int, include_hidden: bool = False) -> list[Folder]:
    """The folders right under a folder, in the order of their names."""
    visible = "" if include_hidden else " AND is_hidden = 0"
    rows = tx.all(f"{_READ} AND parent_id = ?{visible} ORDER BY name_key, folder_id", (mailbox_id, parent_id))
    return [folder_of(mailbox_id, row) for row in rows]


def listed(tx: Tx, mailbox_id: int, after: int, limit: int) -> list[Folder]:
    """The mailbox's folders whose numbers follow that one, in the order of their numbers."""
    rows = tx.all(f"{_READ} AND folder_id > ? ORDER BY folder_id LIMIT ?", (mailbox_id, after, limit))
    return [folder_of(mailbox_id, row) for row in rows]


def size_of(tx: Tx, mailbox_id: int) -> int:
    """How many bytes a mailbox's messages have, but for what is deleted for good and can be recovered.

    In a write, with what came before it in the same commit.
    """
    row = tx.one(
        "SELECT COALESCE(SUM(size), 0) FROM folders WHERE mailbox_id = ? AND folder_id <> ?",
        (mailbox_id, RECOVERABLE),
    )
    return (int(row[0]) if row else 0) + tx.counted_size(mailbox_id, RECOVERABLE)


def recoverable_size(tx: Tx, mailbox_id: int) -> int:
    """How many bytes of a mailbox are deleted for good and can be recovered."""
    row = tx.one("SELECT size FROM folders WHERE mailbox_id = ? AND folder_id = ?", (mailbox_id, RECOVERABLE))
    return int(row[0]) if row else 0


def find(tx: Tx, mailbox_id: int, parent_id: int, name: str) -> Folder | None:
    """The child of that name; letter case does not matter."""
    row = tx.one(f"{_READ} AND parent_id = ? AND name_key = ?", (mailbox_id, parent_id, _key(name)))
    return None if row is None else folder_of(mailbox_id, row)


def _touch(tx: Tx, mailbox_id: int, folder_id: int) -> None:
    """A folder shows how many child folders it has, so it changes with them."""
    if folder_id != _NO_PARENT:
        tx.count_folder(mailbox_id, folder_id, 0, 0)


def _key(name: str) -> str:
    return name.casefold().replace("\0", "")


def folder_of(mailbox_id: int, row: Row) -> Folder:
    """The folder of a row that begins with the columns `READ`."""
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
