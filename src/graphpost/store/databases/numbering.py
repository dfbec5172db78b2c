"""Numbers of transactions, by which changes are put in order.

On SQLite they count the transactions of the one writer, so that they grow in the order of the commits; every opening
begins a generation, which is the upper part of the number, so that nothing has to be written down for a transaction.
On PostgreSQL they are the server's transaction ids, which grow in the order in which transactions begin to write; so
readers look below the oldest one under way only (`horizon`).  There a generation begins when the database was brought
to a server whose ids are behind those in its rows.
"""

from __future__ import annotations

from typing import Final

from graphpost.store.databases.transaction import Session

SQLITE_BITS: Final = 40  # transactions of one opening
POSTGRES_BITS: Final = 48


class Counter:
    """The numbers of a SQLite database: `committed` and all before it are visible to whoever begins to read now."""

    __slots__ = ("committed", "last")

    def __init__(self, generation: int = 0) -> None:
        self.committed = self.last = generation << SQLITE_BITS

    def next(self) -> int:
        self.last += 1
        return self.last


def begin_generation(session: Session) -> int:
    """Begin a generation, in the session's transaction; its number."""
    session.change("UPDATE numbering SET generation = generation + 1", ())
    return int(session.query("SELECT generation FROM numbering", ())[0][0])


def postgres_base(session: Session) -> int:
    """What is to be added to PostgreSQL's transaction ids, in the session's transaction.

    What was removed in an earlier generation counts as forgotten: the past of a restored database is not that of its
    clients.
    """
    row = session.query(
        "SELECT generation, pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
        " (SELECT COALESCE(MAX(changed), 0) FROM folders) FROM numbering",
        (),
    )[0]
    generation, following, latest = row
    base = int(generation) << POSTGRES_BITS
    if latest < base + following:
        return base
    base = begin_generation(session) << POSTGRES_BITS
    session.change("INSERT INTO horizons (number, seen_at, is_forgotten) VALUES (?, ?, ?)", (base, 0, 1))
    return base
