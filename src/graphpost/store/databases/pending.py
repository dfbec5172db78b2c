"""Which migrations a database still needs, found out without changing it."""

from __future__ import annotations

from pathlib import Path

from graphpost.config import StoreSettings
from graphpost.errors import ConfigurationError, StoreError
from graphpost.store.databases.migrate import Migration, migrations, pending
from graphpost.store.databases.sqlite import SqliteSession

_APPLIED = "SELECT number, checksum FROM migrations"


def pending_migrations(settings: StoreSettings, data: Path) -> list[Migration]:
    """What opening the store would apply; everything when there is no database yet.

    Raises StoreError when the database cannot be read, or when a newer version was there.
    """
    scheme, _, rest = settings.url.partition(":")
    applied = _in_sqlite(data / rest) if scheme == "sqlite" else _in_postgres(settings.url)
    return pending(applied, migrations())


def _in_sqlite(path: Path) -> dict[int, str]:
    if not path.exists():
        return {}
    session = SqliteSession.reader(path)
    try:
        known = session.query("SELECT 1 FROM sqlite_master WHERE name = 'migrations'", ())
        return {row[0]: row[1] for row in session.query(_APPLIED, ())} if known else {}
    finally:
        session.close()


def _in_postgres(url: str) -> dict[int, str]:
    try:
        import psycopg

        from graphpost.store.databases.postgres import why_unreachable
    except ImportError as error:
        raise ConfigurationError("store.url", "PostgreSQL needs the extra graphpost[postgres]") from error
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            found = connection.execute("SELECT to_regclass('migrations')").fetchone()
            if found is None or found[0] is None:
                return {}
            return {row[0]: row[1] for row in connection.execute(_APPLIED).fetchall()}
    except psycopg.Error as error:
        raise StoreError(f"store.url: the database cannot be reached: {why_unreachable(error)}") from error
