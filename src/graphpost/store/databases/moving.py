"""Moving from SQLite to PostgreSQL: every table, row by row, in one transaction.

The large contents stay where they are.  Clients that synchronise begin anew, because changes are numbered otherwise there:
the numbers of the rows become those of an earlier generation (`store/databases/numbering.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graphpost.errors import StoreError
from graphpost.store.databases.numbering import POSTGRES_BITS, SQLITE_BITS
from graphpost.store.databases.postgres import POSTGRES, PostgresSession, PostgresStore
from graphpost.store.databases.sqlite import SqliteSession, SqliteStore
from graphpost.store.store import Row

AT_ONCE: Final = 200  # rows, at most
WEIGHT: Final = 4_000_000  # bytes and characters: with so many a batch ends, whatever its last row had
OWN: Final = frozenset(
    {"migrations", "numbering", "horizons", "nodes"}
)  # of a database, not of what is in it
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
_COLUMNS: Final = "SELECT name FROM pragma_table_info(?) ORDER BY cid"


async def move(path: Path, url: str) -> int:
    """Copy a SQLite database into a PostgreSQL database that nobody used; how many rows.

    Raises StoreError when there is none, a server has it, or there are mailboxes in the other; nothing is changed then.
    """
    origin = _opened(path)
    try:
        await PostgresStore.open(url, connections=1).close()
        source, target = SqliteSession.reader(path), PostgresSession(url, POSTGRES, "BEGIN")
        try:
            return _copy_all(source, target)
        finally:
            source.close()
            target.close()
    finally:
        await origin.close()


def _opened(path: Path) -> SqliteStore:
    """Nobody else has it then, and its schema is ours."""
    if not path.exists():
        raise StoreError(f"there is no database {path}")
    return SqliteStore.open(path, readers=1)


def _copy_all(source: SqliteSession, target: PostgresSession) -> int:
    target.begin()
    if target.query("SELECT 1 FROM mailboxes LIMIT 1", ()):
        raise StoreError("store.url: there are mailboxes in the database already")
    names = [name for (name,) in source.query(_TABLES, ()) if name not in OWN and "sqlite_" not in name]
    count = sum(_copy(source, target, name) for name in names)
    generation = source.query("SELECT generation FROM numbering", ())[0][0] + 1
    target.change("UPDATE numbering SET generation = ?", (generation << SQLITE_BITS >> POSTGRES_BITS,))
    target.commit()
    return count


def _copy(source: SqliteSession, target: PostgresSession, table: str) -> int:
    """One table; how many rows.  The names are those of our own schema."""
    columns = [name for (name,) in source.query(_COLUMNS, (table,))]
    listed, places = ", ".join(columns), ", ".join("?" * len(columns))
    target.change(f"DELETE FROM {table}", ())  # noqa: S608 - what the migrations put there
    insert = f"INSERT INTO {table} ({listed}) VALUES ({places})"  # noqa: S608
    count = 0
    for rows in batches(source.connection.execute(f"SELECT {listed} FROM {table}")):  # noqa: S608
        target.change_many([(insert, list(rows))])
        target.query("SELECT 1", ())  # sends them
        count += len(rows)
    return count


def batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """All rows in their order, as many at a time as may be in memory, and on their way, at once."""
    some, weight = list[Row](), 0
    for row in rows:
        some.append(row)
        weight += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(some) == AT_ONCE or weight >= WEIGHT:
            yield some
            some, weight = [], 0
    if some:
        yield some
