"""What holds for PostgreSQL alone: lost connections, conflicts, and the SQL's translation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.store.made import item

from graphpost.errors import StoreBusy, StoreError
from graphpost.store.databases import postgres
from graphpost.store.databases.commits import ConnectionLostError
from graphpost.store.databases.postgres import POSTGRES, PostgresSession, PostgresStore
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx
from graphpost.testing.postgres import PostgresServer


@pytest.fixture
async def store(anyio_backend: str, postgres_url: str) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore.open(postgres_url, connections=2)
    yield opened
    await opened.close()


def kill_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@pytest.mark.anyio
async def test_connections_lost_while_idle_are_not_noticed(store: PostgresStore, postgres_url: str) -> None:
    for number in range(1, 5):
        await asyncio.gather(*(store.write(lambda tx: None) for _ in range(4)))
        await store.read(lambda tx: messages.count(tx, 7))
        await asyncio.to_thread(kill_all, postgres_url)
        await store.write(lambda tx, n=number: messages.add(tx, item(n)))
        assert await store.read(lambda tx: messages.count(tx, 7)) == number


@pytest.mark.anyio
async def test_a_connection_lost_inside_a_function_is_a_store_error_and_nothing_is_written(
    store: PostgresStore, postgres_url: str
) -> None:
    def cut(tx: Tx) -> int:
        tx.execute("SELECT 1")
        kill_all(postgres_url)
        messages.add(tx, item(1))
        return messages.count(tx, 7)

    with pytest.raises(StoreError, match="lost"):
        await store.write(cut)
    with pytest.raises(StoreError, match="lost"):
        await store.read(cut)
    assert await store.read(lambda tx: messages.count(tx, 7)) == 0
    await store.write(lambda tx: messages.add(tx, item(1)))


@pytest.mark.anyio
async def test_a_statement_that_is_never_answered_is_given_up(store: PostgresStore) -> None:
    store._patience = 0.0
    for asked in (store.write, store.read):
        with pytest.raises(ConnectionLostError):
            await asked(lambda tx: tx.one("SELECT pg_sleep(3600)"))
    store._patience = postgres.STATEMENT_SECONDS
    await store.write(lambda tx: messages.add(tx, item(1)))
    assert await store.read(lambda tx: messages.count(tx, 7)) == 1


@pytest.mark.anyio
async def test_a_store_closes_although_its_server_hangs(
    postgres_url: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CLOSING_SECONDS", 0.0)
    store, asked = PostgresStore.open(postgres_url, connections=1), threading.Event()

    def hang(tx: Tx) -> None:
        asked.set()
        tx.one("SELECT pg_sleep(3600)")

    waiting = asyncio.ensure_future(store.write(hang))
    await asyncio.to_thread(asked.wait)
    await store.close()
    with pytest.raises(ConnectionLostError):
        await waiting


@pytest.mark.anyio
async def test_what_waits_for_somebody_elses_lock_is_ended_and_never_written(
    postgres_url: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.05)
    store = PostgresStore.open(postgres_url, connections=1)
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE messages")
        for asked in (store.write, store.read):
            with pytest.raises(ConnectionLostError, match="somebody else holds a lock"):
                await asked(lambda tx: messages.count(tx, 7))
        results = await asyncio.gather(
            *(store.write(lambda tx, n=n: messages.add(tx, item(n))) for n in (1, 2)), return_exceptions=True
        )
        assert [type(result) for result in results] == [ConnectionLostError] * 2
    assert await store.read(lambda tx: messages.count(tx, 7)) == 0
    await store.close()


ENDING = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '%s'; END $$"


@pytest.mark.anyio
@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03", "25P03", "55P03"])
@pytest.mark.parametrize("has_failure", [False, True])
async def test_nothing_is_run_again_when_the_server_ended_the_connection(
    store: PostgresStore, code: str, has_failure: bool
) -> None:
    """What it says may come behind the answer to COMMIT."""
    runs: list[str] = []

    def wrong(tx: Tx) -> None:
        runs.append("wrong")
        messages.add(tx, item(1))
        if has_failure:
            raise ValueError("everybody begins anew, in savepoints")

    def ended(tx: Tx) -> None:
        runs.append("ended")
        messages.add(tx, item(2))
        if has_failure <= runs.count("wrong") - 1:
            tx.execute(ENDING % code)

    results = await asyncio.gather(store.write(wrong), store.write(ended), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionLostError] * 2
    assert runs == ["wrong", "ended"] if not has_failure else ["wrong", "wrong", "ended"]
    assert await store.read(lambda tx: messages.count(tx, 7)) == 0


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (psycopg.OperationalError("cannot exit pipeline mode while busy"), True),
        (psycopg.errors.PipelineAborted("pipeline aborted"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.errors.AdminShutdown("terminating connection"), True),
        (psycopg.errors.UniqueViolation("there is one"), False),
        (psycopg.errors.DiskFull("no space"), False),
        (psycopg.DataError("text fields cannot contain NUL bytes"), False),
    ],
)
def test_after_what_a_connection_is_of_no_use(error: psycopg.Error, is_so: bool) -> None:
    assert postgres._is_ending(error) == is_so


@pytest.mark.anyio
async def test_a_database_that_can_only_be_read_is_read_and_written_to_no_more(
    postgres_url: str, anyio_backend: str
) -> None:
    # Of several connections, whose turn is next is a matter of chance.
    store = PostgresStore.open(postgres_url, connections=1)
    await store.write(lambda tx: tx.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(StoreError, match=r"^the database can only be read$"):
        await store.write(lambda tx: messages.add(tx, item(1)))
    await store.write(lambda tx: messages.add(tx, item(2)))  # the connection was given up for a better one
    assert await store.read(lambda tx: messages.count(tx, 7)) == 1
    await store.close()
    only = postgres_url + "%20-cdefault_transaction_read_only%3Don"
    with pytest.raises(StoreError, match="session is read-only"):
        PostgresStore.open(only)
    reader = PostgresSession(only, postgres._READING, postgres._BEGIN_READING)
    reader.begin()
    assert reader.query("SELECT 1", ()) == [(1,)]
    reader.close()


@pytest.mark.parametrize(
    ("more", "writing", "patience"),
    [
        ("", True, f"{postgres.WRITE_SECONDS}s"),
        ("", False, "0"),
        ("%20-cidle_in_transaction_session_timeout%3D3s", True, "3s"),
    ],
)
def test_the_database_ends_a_write_that_was_left_alone(
    postgres_url: str, more: str, writing: bool, patience: str
) -> None:
    """What a stopped process holds, other ones wait for."""
    with postgres._connected(postgres_url + more, writing=writing) as connection:
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == (patience,)


@pytest.mark.parametrize(("more", "patience"), [("", "30000"), ("&tcp_user_timeout=5000", "5000")])
def test_a_host_that_vanished_is_noticed(postgres_url: str, more: str, patience: str) -> None:
    with postgres._connected(postgres_url + more, writing=True) as connection:
        said = connection.info.get_parameters()
        assert said["tcp_user_timeout"] == patience
        assert (said["keepalives_idle"], said["keepalives_count"]) == ("15", "3")


@pytest.mark.anyio
async def test_a_deadlock_is_run_again(store: PostgresStore) -> None:
    await store.write(lambda tx: [messages.add(tx, item(n)) for n in (1, 2)])
    meeting, begun = threading.Barrier(2, timeout=60), threading.Event()
    runs = []

    def lock(tx: Tx, first: int, second: int) -> None:
        sql = "UPDATE messages SET size = size + 1 WHERE mailbox_id = ? AND message_id = ?"
        tx.execute(sql, (7, first))
        runs.append(first)
        begun.set()
        if len(runs) <= 2:
            meeting.wait()
        tx.execute(sql, (7, second))

    one = asyncio.ensure_future(store.write(lambda tx: lock(tx, 1, 2)))
    await asyncio.to_thread(begun.wait, 30)
    await asyncio.gather(one, store.write(lambda tx: lock(tx, 2, 1)))
    sizes = await store.read(lambda tx: [m.size for m in messages.find(tx, 7)])
    assert sizes == [2, 2]
    assert len(runs) >= 3


def test_pauses_between_attempts_to_connect_grow(tmp_path: object) -> None:
    now = 0.0
    session = PostgresSession(f"postgresql:///x?host={tmp_path}", POSTGRES, "BEGIN", lambda: now)
    waited = []
    for _ in range(8):
        with pytest.raises(ConnectionLostError) as real:
            session.begin()
        assert real.value.__cause__ is not None
        with pytest.raises(ConnectionLostError) as quick:
            session.begin()
        assert quick.value.__cause__ is None, "no attempt before the pause is over"
        waited.append(session._not_before - now)
        now = session._not_before
    assert waited == pytest.approx([0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0])


@pytest.mark.anyio
async def test_a_server_that_comes_back_is_used_again(anyio_backend: str) -> None:
    server = PostgresServer.start()
    store = PostgresStore.open(server.url, connections=1)
    await store.write(lambda tx: messages.add(tx, item(1)))
    server.halt()
    for refused in (store.write(lambda tx: messages.add(tx, item(2))), store.read(lambda tx: None)):
        with pytest.raises(StoreError):
            await refused
    server.resume()
    store._sessions[0]._not_before = 0.0
    for reader in store._readers:
        reader._not_before = 0.0
    await store.write(lambda tx: messages.add(tx, item(3)))
    found = await store.read(lambda tx: messages.find(tx, 7))
    assert [m.message_id for m in found] == [3, 1]
    await store.close()
    server.stop()


def test_parameter_marks_are_numbered() -> None:
    assert postgres._numbered("SELECT ? || '%s' WHERE x = ?") == b"SELECT $1 || '%s' WHERE x = $2"


def test_conflicts_are_busy_and_others_are_not() -> None:
    assert issubclass(StoreBusy, StoreError)
    assert not issubclass(ConnectionLostError, StoreBusy)


@pytest.mark.anyio
async def test_an_acknowledged_write_is_synced_even_if_the_server_would_not(store: PostgresStore) -> None:
    assert await store.write(lambda tx: tx.one("SELECT current_setting('synchronous_commit')")) == ("on",)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://u:geheim@127.0.0.1:1/x", "connection to server at .* refused"),
        (
            "postgresql:///x?host=/nonexistent&password=geheim",
            "connection to server on socket .* No such file",
        ),
        ("postgresql://u:geheim@127.0.0.1:geheim/x", "its URL or host name cannot be used"),
    ],
)
def test_a_database_that_cannot_be_reached_says_why_and_no_password(url: str, why: str) -> None:
    with pytest.raises(StoreError, match=f"^the database cannot be reached: {why}") as raised:
        PostgresStore.open(url, connections=1)
    assert "geheim" not in str(raised.value)
    assert "\n" not in str(raised.value)
