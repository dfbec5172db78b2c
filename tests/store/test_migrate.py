"""Migrations: each once, in order, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tests.store.made import item

from graphpost.config import StoreSettings
from graphpost.errors import ConfigurationError, StoreError
from graphpost.mail.message import Address
from graphpost.store.databases import migrate, opening
from graphpost.store.databases.migrate import Migration
from graphpost.store.databases.sqlite import SqliteSession, SqliteStore
from graphpost.store.mailbox.rows import COLUMNS, row_of
from graphpost.store.store import Store

FIRST = Migration(
    1,
    "first",
    "-- Only words; and nothing\nCREATE TABLE a (x {bigint}, y {text});\nCREATE TABLE b (x {blob});\n",
)
SECOND = Migration(2, "second", "ALTER TABLE a ADD COLUMN z {smallint};\n")


def session() -> SqliteSession:
    return SqliteSession(apsw.Connection(":memory:"))


def test_each_is_applied_once_and_in_order() -> None:
    opened = session()
    assert migrate.apply(opened, [FIRST]) == [FIRST]
    assert migrate.apply(opened, [FIRST, SECOND]) == [SECOND]
    assert migrate.apply(opened, [FIRST, SECOND]) == []
    assert opened.query("SELECT x, y, z FROM a", ()) == []


def test_a_changed_migration_is_refused() -> None:
    changed = Migration(1, "first", FIRST.text + "\n")
    with pytest.raises(StoreError, match=r"migration 1 \(first\) is not the one"):
        migrate.pending({1: FIRST.checksum}, [changed])


def test_a_database_of_a_newer_version_is_refused() -> None:
    with pytest.raises(StoreError, match=r"newer version \(migration 3\)"):
        migrate.pending({1: FIRST.checksum, 3: "x"}, [FIRST, SECOND])


def test_ours_have_numbers_of_their_own_and_are_fully_worded() -> None:
    ours = migrate.migrations()
    assert len({m.number for m in ours}) == len(ours)
    for dialect in migrate.WORDS:
        statements = [statement for m in ours for statement in m.statements(dialect)]
        assert [s for s in statements if "{" in s or "}" in s or ";" in s] == []


def test_applications_see_the_subscriptions_that_older_versions_wrote_in_mixed_case() -> None:
    opened, before = session(), [m for m in migrate.migrations() if m.number < 25]
    migrate.apply(opened, before)
    opened.change(
        "INSERT INTO subscriptions VALUES (7, '7-1', 7, 0, 'Mixed-App', 'owner', 0, 1000, x'00')", ()
    )
    migrate.apply(opened)
    assert opened.query("SELECT client_id FROM subscriptions", ()) == [("mixed-app",)]


@pytest.mark.parametrize("address", ["a@b.test", "Ää" * 4500, "ß" * 9000])
def test_addresses_that_older_versions_kept_whole_are_cut_as_those_of_today(address: str) -> None:
    opened, before = session(), [m for m in migrate.migrations() if m.number < 27]
    migrate.apply(opened, before)
    now = row_of(item(from_=Address(address)))
    then = tuple(dict(zip(COLUMNS, now, strict=True), from_address=address.casefold()).values())
    opened.change(
        f"INSERT INTO messages ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", then
    )
    migrate.apply(opened)
    assert opened.query(f"SELECT {', '.join(COLUMNS)} FROM messages", ()) == [now]


def test_the_words_of_a_database() -> None:
    assert FIRST.statements("postgres") == [
        '-- Only words; and nothing\nCREATE TABLE a (x BIGINT, y TEXT COLLATE "C")',
        "CREATE TABLE b (x BYTEA)",
    ]


@pytest.mark.anyio
async def test_two_that_open_at_once_migrate_once(open_store: Callable[[], Store]) -> None:
    stores = await asyncio.gather(
        asyncio.to_thread(open_store), asyncio.to_thread(open_store), return_exceptions=True
    )
    opened = [store for store in stores if not isinstance(store, BaseException)]
    assert opened
    rows = await opened[0].read(lambda tx: tx.all("SELECT number FROM migrations ORDER BY number"))
    assert [row[0] for row in rows] == [m.number for m in migrate.migrations()]
    for store in opened:
        assert store.dialect.name == "postgres" or len(opened) == 1
        await store.close()


@pytest.mark.anyio
async def test_the_settings_name_the_store(tmp_path: Path, anyio_backend: str) -> None:
    store = opening.open_store(StoreSettings(url="sqlite:sub/mail.db"), tmp_path)
    assert isinstance(store, SqliteStore)
    assert (tmp_path / "sub" / "mail.db").exists()
    await store.close()
    blobs = opening.open_blobs(StoreSettings(blobs="files:large"), tmp_path)
    assert b"".join(blobs.read(blobs.write([b"x"]).sha256)) == b"x"
    assert (tmp_path / "large").is_dir()


@pytest.mark.anyio
async def test_the_settings_name_postgres(tmp_path: Path, postgres_url: str, anyio_backend: str) -> None:
    store = opening.open_store(StoreSettings(url=postgres_url), tmp_path)
    assert store.dialect.name == "postgres"
    await store.close()


@pytest.mark.parametrize("url", ["", "sqlite:", "mysql://x/y", "mail.db"])
def test_a_url_that_is_none_of_ours_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.url"):
        opening.open_store(StoreSettings(url=url), tmp_path)
    with pytest.raises(ConfigurationError, match=r"store\.blobs"):
        opening.open_blobs(StoreSettings(blobs=url), tmp_path)


def test_a_postgres_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        opening.open_store(StoreSettings(url=f"postgresql:///x?host={tmp_path}"), tmp_path)
