"""Opening the store that the settings name: a URL to an object."""

from __future__ import annotations

from pathlib import Path

from graphpost.config import StoreSettings
from graphpost.errors import ConfigurationError, StoreError
from graphpost.store.blobs import Blobs, FileBlobs
from graphpost.store.databases.commits import ConnectionLostError
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.store import Store


def open_store(settings: StoreSettings, data: Path) -> Store:
    """Open the database, up to date; relative paths are under the data directory.

    Raises ConfigurationError for a URL that is none of ours, StoreError when the database cannot be used.
    """
    scheme, _, rest = settings.url.partition(":")
    if scheme == "sqlite" and rest:
        return SqliteStore.open(data / rest, readers=settings.connections)
    if scheme in ("postgresql", "postgres"):
        return _open_postgres(settings)
    raise ConfigurationError("store.url", "must be sqlite:FILE or postgresql://…")


def open_blobs(settings: StoreSettings, data: Path) -> Blobs:
    """Open the place for large contents.  Raises as `open_store` does."""
    scheme, _, rest = settings.blobs.partition(":")
    if scheme == "files" and rest:
        return FileBlobs(data / rest)
    raise ConfigurationError("store.blobs", "must be files:DIRECTORY")


def _open_postgres(settings: StoreSettings) -> Store:
    try:
        from graphpost.store.databases.postgres import PostgresStore
    except ImportError as error:
        raise ConfigurationError("store.url", "PostgreSQL needs the extra graphpost[postgres]") from error
    try:
        return PostgresStore.open(settings.url, connections=settings.connections)
    except ConnectionLostError as error:
        raise StoreError(f"store.url: {error}") from error
