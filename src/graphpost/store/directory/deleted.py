"""Mailboxes that were deleted: kept for a while, then erased in steps.

A deleted mailbox is in no directory: for senders, tokens and clients there is none.  Its addresses are free for others.  All
that it has stays where it is, so that restoring needs one row; erasing removes it table by table, `ROWS` rows to a
transaction, and the mailbox's own row last, so that an erasure that was interrupted goes on where it stopped.  What the
audit log says of it stays as long as the log is kept, and the row, which tells no more than a number, as long as that.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from graphpost.clock import Instant
from graphpost.errors import ConfigurationError
from graphpost.mail.mailbox import Mailbox
from graphpost.store.directory import accounts, grants, groups, rights
from graphpost.store.queue.deliveries import bucket_of
from graphpost.store.store import Row, Tx

ROWS: Final = 100  # some have a content of 64 KiB in them
# What a mailbox has, and the rest of the key: by its number, or by its bucket and its number.
KEPT: Final = MappingProxyType(
    {
        "contents": "message_id, content_id",
        "messages": "message_id",
        "words": "word, first_id",
        "removals": "folder_id, changed, message_id",
        "folder_properties": "folder_id",
        "folders": "folder_id",
        "uploads": "upload_id",
        "preferences": "kind, entry_id",
        "repeats": "request",
        "rights": "holder, origin",
        "addresses": "address",
        "indexes": "mailbox_id",
    }
)
QUEUED: Final = MappingProxyType(
    {
        "deliveries": "message_id, position",
        "deferrals": "message_id",
        "feeds": "subscription_id, channel",
        "subscriptions": "subscription_id",
    }
)
STAYING: Final = frozenset({"audit", "mailboxes"})
_ALL: Final = 2  # is_erased of a mailbox of which nothing is left; 1 is one that is being erased
_DUE: Final = "deleted_at > 0 AND (deleted_at < ? AND is_erased = 0 OR is_erased = 1)"
_BEGIN: Final = (
    "UPDATE mailboxes SET is_erased = 1, object_id = ?, name = '', password = '', former = '[]'"  # noqa: S608
    f" WHERE mailbox_id = ? AND {_DUE}"
)
_READ: Final = (
    "SELECT mailbox_id, object_id, name, enabled, created_at, kind, quota, deleted_at, former FROM mailboxes"
    " WHERE deleted_at > 0 AND is_erased = 0"
)


class Deleted(Struct, frozen=True):
    """A mailbox as it was, with the addresses that it had."""

    mailbox: Mailbox
    deleted_at: Instant


def delete(tx: Tx, mailbox: Mailbox, now: Instant) -> None:
    """Delete a mailbox of the directory; who is signed in is signed out."""
    former = msgspec.json.encode([mailbox.address, *mailbox.aliases]).decode()
    tx.execute(
        "UPDATE mailboxes SET deleted_at = ?, former = ? WHERE mailbox_id = ? AND deleted_at = 0",
        (now, former, mailbox.mailbox_id),
    )
    tx.execute("DELETE FROM addresses WHERE mailbox_id = ?", (mailbox.mailbox_id,))
    grants.revoke_holder(tx, mailbox.object_id)
    accounts.changed(tx)


def list_deleted(tx: Tx) -> list[Deleted]:
    """Those that can be restored, the latest first."""
    return [_deleted(row) for row in tx.all(f"{_READ} ORDER BY deleted_at DESC, mailbox_id DESC")]


def find_deleted(tx: Tx, key: str) -> Deleted | None:
    """By object id or by the first address that it had: the one that was deleted last."""
    wanted = key.casefold()
    found = (each for each in list_deleted(tx) if wanted in _keys(each.mailbox))
    return next(found, None)


def restore(tx: Tx, mailbox: Mailbox) -> None:
    """Put a deleted mailbox back into the directory, as it is given.

    Raises ConfigurationError when an address is another's, or the mailbox is being erased.
    """
    restored = tx.execute(
        "UPDATE mailboxes SET deleted_at = 0, former = '[]' WHERE mailbox_id = ? AND is_erased = 0",
        (mailbox.mailbox_id,),
    )
    if not restored:
        raise ConfigurationError("address", f"{mailbox.address} is being erased")
    accounts.change_mailbox(tx, mailbox)


def find_all(tx: Tx, key: str) -> list[int]:
    """The numbers of the deleted mailboxes with that object id or first address."""
    wanted = key.casefold()
    return [each.mailbox.mailbox_id for each in list_deleted(tx) if wanted in _keys(each.mailbox)]


def due(tx: Tx, before: Instant) -> list[int]:
    """The mailboxes that were deleted before then, or whose erasing has begun."""
    rows = tx.all(
        f"SELECT mailbox_id FROM mailboxes WHERE {_DUE} ORDER BY mailbox_id",  # noqa: S608
        (before,),
    )
    return [row[0] for row in rows]


def begin_erasing(tx: Tx, mailbox_id: int, before: Instant) -> bool:
    """Let nobody restore a mailbox any more; False when somebody did, or mail of it is still on its way."""
    if tx.one(
        "SELECT 1 FROM deliveries WHERE bucket = ? AND mailbox_id = ? AND state = 0 LIMIT 1",
        (bucket_of(mailbox_id), mailbox_id),
    ):
        return False
    row = tx.one("SELECT object_id FROM mailboxes WHERE mailbox_id = ?", (mailbox_id,))
    if row is None or not tx.execute(_BEGIN, (f"erased {mailbox_id}", mailbox_id, before)):
        return False
    grants.remove_holder(tx, row[0])
    groups.remove_from_all(tx, row[0])
    rights.forget_holder(tx, row[0])
    return True


def erase_step(tx: Tx, mailbox_id: int, rows: int = ROWS) -> bool:
    """Remove up to so many rows of a mailbox whose erasing has begun; whether all is gone."""
    for table, key in (*QUEUED.items(), *KEPT.items()):
        if removed := _remove(tx, table, key, mailbox_id, rows):
            rows -= removed
        if rows <= 0:
            return False
    tx.execute(
        "UPDATE mailboxes SET is_erased = ? WHERE mailbox_id = ? AND is_erased = 1", (_ALL, mailbox_id)
    )
    return True


def forget_erased(tx: Tx) -> None:
    """Let go of the numbers of erased mailboxes that the audit log says nothing of any more."""
    tx.execute(
        "DELETE FROM mailboxes WHERE is_erased = ?"
        " AND NOT EXISTS (SELECT 1 FROM audit WHERE audit.mailbox_id = mailboxes.mailbox_id)",
        (_ALL,),
    )


def _remove(tx: Tx, table: str, key: str, mailbox_id: int, rows: int) -> int:
    where, owner = "mailbox_id = ?", [mailbox_id]
    if table in QUEUED:
        where, owner = "bucket = ? AND mailbox_id = ?", [bucket_of(mailbox_id), mailbox_id]
    return tx.execute(
        f"DELETE FROM {table} WHERE {where} AND ({key}) IN (SELECT {key} FROM {table} WHERE {where} LIMIT ?)",  # noqa: S608
        (*owner, *owner, rows),
    )


def _keys(mailbox: Mailbox) -> tuple[str, str]:
    return mailbox.address.casefold(), mailbox.object_id.casefold()


def _deleted(row: Row) -> Deleted:
    addresses = msgspec.json.decode(row[8], type=list[str])
    return Deleted(accounts.mailbox_of(row[:7], addresses), row[7])
