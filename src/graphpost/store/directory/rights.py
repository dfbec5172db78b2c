"""Rights between mailboxes as they were given, by the settings or a command.

Both kinds are kept apart, so that what is taken out of the file goes and the rest stays.  Who changes them counts the
directory's revision up (`accounts.changed`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from graphpost.mail.rights import NO_RIGHTS, RIGHTS, Given
from graphpost.store.store import Row, Tx


def list_given(tx: Tx) -> list[Given]:
    """All of them, in the order of the mailboxes' numbers and the holders."""
    rows = tx.all("SELECT mailbox_id, holder, origin, rights FROM rights ORDER BY mailbox_id, holder, origin")
    return [_given(row) for row in rows]


def put(tx: Tx, given: Given) -> bool:
    """Let a holder have these rights and no others of that origin; False when it was so."""
    holder = given.holder.casefold()
    text = " ".join(right for right in RIGHTS if right in given.rights)
    key = (given.mailbox_id, holder, given.origin)
    row = tx.one("SELECT rights FROM rights WHERE mailbox_id = ? AND holder = ? AND origin = ?", key)
    if (row[0] if row else "") == text:
        return False
    tx.execute("DELETE FROM rights WHERE mailbox_id = ? AND holder = ? AND origin = ?", key)
    if text:
        tx.execute(
            "INSERT INTO rights (mailbox_id, holder, origin, rights) VALUES (?, ?, ?, ?)", (*key, text)
        )
    return True


def declare(tx: Tx, declared: Iterable[Given]) -> bool:
    """Make the rights of the settings file so; False when they were."""
    wanted = {(given.mailbox_id, given.holder.casefold()): given for given in declared}
    old = [given for given in list_given(tx) if given.origin == "settings"]
    gone = [given for given in old if (given.mailbox_id, given.holder) not in wanted]
    changes = [put(tx, replace(given, rights=NO_RIGHTS)) for given in gone]
    changes += [put(tx, given) for given in wanted.values()]
    return any(changes)


def forget_holder(tx: Tx, object_id: str) -> None:
    """Forget what a mailbox that is no more had rights to."""
    tx.execute("DELETE FROM rights WHERE holder = ?", (object_id.casefold(),))


def _given(row: Row) -> Given:
    mailbox_id, holder, origin, text = row
    words = text.split()
    return Given(
        mailbox_id=mailbox_id,
        holder=holder,
        rights=frozenset(right for right in RIGHTS if right in words),
        origin=origin,
    )
