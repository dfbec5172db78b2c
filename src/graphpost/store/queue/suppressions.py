"""Suppressions: addresses and whole domains that nothing is sent to, and why.

An entry is an address in lower case with its domain in A-labels, or `@` and a domain.  Every change counts the revision
up, so that a process sees from one small read that what it remembers is old.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.address import domain_of
from graphpost.store.store import Row, Tx

_COLUMNS: Final = "entry, reason, status, origin, created_at, expires_at"
_READ: Final = f"SELECT {_COLUMNS} FROM suppressions"  # noqa: S608
_PUT: Final = f"INSERT INTO suppressions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (entry) DO "  # noqa: S608
_OVER: Final = (
    f"{_PUT}UPDATE SET reason = excluded.reason, status = excluded.status, origin = excluded.origin,"
    " created_at = excluded.created_at, expires_at = excluded.expires_at"
)


class Suppression(Struct, frozen=True):
    """`status` is the enhanced one that a report has; `expires_at` 0 means never."""

    entry: str
    reason: str = ""
    status: str = ""
    origin: Literal["administrator", "bounce"] = "administrator"
    created_at: Instant = 0
    expires_at: Instant = 0


def entry_of(address: str) -> str:
    """The entry for an address, or for `@domain`."""
    return f"{address.rpartition('@')[0].lower()}@{domain_of(address)}"


def revision(tx: Tx) -> int:
    """Grows with every change."""
    row = tx.one("SELECT revision FROM suppressions_revision WHERE one = 1")
    return int(row[0]) if row else 0


def load(tx: Tx) -> dict[str, Instant]:
    """Every entry, and when it ends."""
    return {row[0]: row[1] for row in tx.all("SELECT entry, expires_at FROM suppressions")}


def find(tx: Tx, address: str) -> Suppression | None:
    """What suppresses an address: it itself, or its domain."""
    entry = entry_of(address)
    domain = f"@{entry.rpartition('@')[2]}"
    found = {row[0]: _suppression(row) for row in tx.all(f"{_READ} WHERE entry IN (?, ?)", (entry, domain))}
    return found.get(entry) or found.get(domain)


def listed(tx: Tx, after: str = "", limit: int = 100) -> list[Suppression]:
    """In the order of their entries, after one of them."""
    return [
        _suppression(row) for row in tx.all(f"{_READ} WHERE entry > ? ORDER BY entry LIMIT ?", (after, limit))
    ]


def put(tx: Tx, some: Iterable[Suppression]) -> None:
    """Add, or say anew; what an administrator has said a bounce never changes."""
    for each in some:
        sql = _OVER if each.origin == "administrator" else f"{_OVER} WHERE suppressions.origin = 'bounce'"
        row = (each.entry, each.reason, each.status, each.origin, each.created_at, each.expires_at)
        tx.execute(sql, row)
    _changed(tx)


def remove(tx: Tx, entry: str) -> bool:
    """Whether it was there."""
    gone = tx.execute("DELETE FROM suppressions WHERE entry = ?", (entry,)) > 0
    if gone:
        _changed(tx)
    return gone


def remove_expired(tx: Tx, now: Instant) -> None:
    """Forget what has ended; nobody has to be told, for everybody knows when."""
    tx.execute("DELETE FROM suppressions WHERE expires_at <> 0 AND expires_at <= ?", (now,))


def _changed(tx: Tx) -> None:
    tx.execute("UPDATE suppressions_revision SET revision = revision + 1 WHERE one = 1")


def _suppression(row: Row) -> Suppression:
    return Suppression(*row)
