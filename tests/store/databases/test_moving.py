"""From SQLite to PostgreSQL: everything arrives as it was, once, in a database that nobody used."""

from __future__ import annotations

from pathlib import Path

import apsw
import psycopg
import pytest
from psycopg import sql

from graphpost.config import Config, GroupSettings, MailboxSettings
from graphpost.errors import StoreBusy, StoreError
from graphpost.ids import Numbers
from graphpost.mail.mailbox import INBOX
from graphpost.store.databases import moving
from graphpost.store.databases.postgres import PostgresStore
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.directory import accounts
from graphpost.store.directory.declared import apply_settings
from graphpost.store.mailbox import folders
from graphpost.store.mailbox.removals import forgotten

pytestmark = pytest.mark.anyio
CONFIG = Config(
    mailboxes=[MailboxSettings(address="adele@one.test", aliases=["a@one.test"], password="x")],
    groups=[GroupSettings(name="Sales", members=["adele@one.test"])],
)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    store = SqliteStore.open(tmp_path / "old.db", readers=1)
    await apply_settings(store, CONFIG, Numbers(lambda: 1, node=1), 1)
    await store.close()
    connection = apsw.Connection(str(store.path))
    for number in range(3 * moving.AT_ONCE // 2):
        document = bytes([number % 256, 0, 255])
        row = (number % 16, f"d{number}.tëst", number, document)
        connection.execute(
            "INSERT INTO deliveries (bucket, destination, message_id, document, position, mailbox_id, state, due_at,"
            " owner, attempts, created_at, finished_at) VALUES (?, ?, ?, ?, 0, 7, 0, 5, 0, 0, 1, 0)",
            row,
        )
    connection.close()
    return store.path


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = apsw.Connection(str(path))
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}
    connection.close()
    return {name: rows for name, rows in found.items() if rows and name not in moving.OWN}


def rows_there(url: str, names: list[str]) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        query = sql.SQL("SELECT * FROM {}")
        return {
            name: sorted(connection.execute(query.format(sql.Identifier(name))).fetchall(), key=repr)
            for name in names
        }


async def test_everything_arrives_as_it_was(path: Path, postgres_url: str) -> None:
    before = rows_of(path)
    assert {"mailboxes", "addresses", "folders", "deliveries"} <= before.keys()
    assert await moving.move(path, postgres_url) == sum(map(len, before.values()))
    assert rows_there(postgres_url, list(before)) == before


async def test_it_is_a_database_to_go_on_with_where_clients_begin_anew(path: Path, postgres_url: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE numbering SET generation = 300")  # of openings: beyond one of PostgreSQL's
    connection.execute("UPDATE folders SET changed = 301 << 40")
    connection.close()
    await moving.move(path, postgres_url)
    store = PostgresStore.open(postgres_url, connections=1)
    (box,) = await store.read(accounts.list_mailboxes)
    assert (box.address, box.aliases) == ("adele@one.test", ("a@one.test",))
    inbox = await store.read(lambda tx: folders.get(tx, box.mailbox_id, INBOX))
    assert inbox is not None
    assert 301 << 40 <= await store.read(forgotten) < await store.write(lambda tx: tx.change_number())
    assert await apply_settings(store, CONFIG, Numbers(lambda: 2, node=1), 2) is not None
    assert len(await store.read(accounts.list_mailboxes)) == 1
    await store.close()


def test_a_batch_ends_where_its_rows_are_large() -> None:
    """What is sent at once costs memory, and time by its square."""
    large = (1, "x", b"x" * (moving.WEIGHT // 2), None)
    small = (2, "\u00e4", b"", None)
    rows = [small, large, large, small, ("x" * moving.WEIGHT,), *[small] * moving.AT_ONCE, small]
    found = list(moving.batches(iter(rows)))
    assert [row for batch in found for row in batch] == rows
    assert [len(batch) for batch in found] == [3, 2, moving.AT_ONCE, 1]


async def test_nothing_is_done_twice_or_halfway(path: Path, postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database"):
        await moving.move(tmp_path / "none.db", postgres_url)
    held = SqliteStore.open(path, readers=1)
    with pytest.raises(StoreBusy, match="in use"):
        await moving.move(path, postgres_url)
    await held.close()
    await moving.move(path, postgres_url)
    after = rows_there(postgres_url, ["mailboxes", "deliveries"])
    with pytest.raises(StoreError, match=r"^store\.url: there are mailboxes in the database already"):
        await moving.move(path, postgres_url)
    assert rows_there(postgres_url, ["mailboxes", "deliveries"]) == after
