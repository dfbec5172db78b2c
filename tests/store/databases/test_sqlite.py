"""What holds for the embedded store alone: one owner, permissions, a full disk, kill -9, query plans."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tests.store.made import delivery, item

from graphpost.errors import StoreBusy, StoreError
from graphpost.store import contents
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import folders, messages, trees
from graphpost.store.queue import deliveries, destinations, lookups
from graphpost.store.store import Tx

pytestmark = pytest.mark.anyio


async def test_a_second_owner_is_refused(sqlite_store: SqliteStore) -> None:
    with pytest.raises(StoreBusy, match=f"in use by another process .pid {os.getpid()}"):
        SqliteStore.open(sqlite_store.path)
    await sqlite_store.close()
    await SqliteStore.open(sqlite_store.path).close()


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "new" / "mail.db")
    await store.write(lambda tx: messages.add(tx, item()))
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()}
    assert modes == dict.fromkeys(("mail.db", "mail.db-wal", "mail.db-shm", "mail.db.lock"), 0o600)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    await store.close()


async def test_an_acknowledged_write_is_synced(sqlite_store: SqliteStore) -> None:
    def settings(tx: Tx) -> list[object]:
        names = ("journal_mode", "synchronous", "page_size")
        return [(tx.one(f"PRAGMA {name}") or ("",))[0] for name in names]

    assert await sqlite_store.write(settings) == ["wal", 2, 16384]


@pytest.mark.parametrize("kind", ["directory", "not a database", "unreadable directory"])
def test_what_cannot_be_opened_is_a_store_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it.db"
    if kind == "directory":
        path.mkdir()
    elif kind == "not a database":
        path.write_bytes(b"nothing of ours" * 1000)
    else:
        path = tmp_path / "file" / "it.db"
        path.parent.write_bytes(b"")
    with pytest.raises(StoreError, match=f"^{path}: "):
        SqliteStore.open(path)
    with pytest.raises(StoreError):
        SqliteStore.open(path)  # and no lock was left behind: the same again, not "in use"


async def test_a_full_disk_fails_what_does_not_fit_and_nothing_else(sqlite_store: SqliteStore) -> None:
    def limit(tx: Tx, pages: int) -> None:
        tx.all(f"PRAGMA max_page_count = {pages}")

    def large(number: int) -> Callable[[Tx], None]:
        content = contents.Content(number, 1_000_000, "", bytes(1_000_000))
        return lambda tx: contents.add(tx, 7, number, [content])

    await sqlite_store.write(lambda tx: messages.add(tx, item(1)))
    await sqlite_store.write(lambda tx: limit(tx, 60))
    writes = [
        sqlite_store.write(lambda tx: messages.add(tx, item(2))),
        sqlite_store.write(large(1)),
        sqlite_store.write(lambda tx: messages.add(tx, item(3))),
        sqlite_store.write(large(2)),
    ]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [str(result) for result in results] == ["None", "the disk is full", "None", "the disk is full"]
    await sqlite_store.write(lambda tx: limit(tx, 1_000_000))
    await sqlite_store.write(large(1))
    assert await sqlite_store.read(lambda tx: messages.count(tx, 7)) == 3


@pytest.mark.parametrize("name", ["mail.db", "mail.db-wal"])
@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_nothing_is_acknowledged_that_the_next_start_would_not_find(
    tmp_path: Path, name: str, how: str
) -> None:
    store = SqliteStore.open(tmp_path / "mail.db")
    await store.write(lambda tx: messages.add(tx, item(1)))
    assert await store.read(lambda tx: messages.count(tx, 7)) == 1
    file, aside = tmp_path / name, tmp_path / "aside"
    file.rename(aside)
    if how == "replaced":
        file.write_bytes(aside.read_bytes())
    for number in (2, 3):
        with pytest.raises(StoreError, match=f"{name} was removed or replaced"):
            await store.write(lambda tx, number=number: messages.add(tx, item(number)))  # type: ignore[misc]
    aside.rename(file)
    await store.write(lambda tx: messages.add(tx, item(4)))
    await store.close()


async def test_what_was_acknowledged_survives_the_removal_of_the_log(tmp_path: Path) -> None:
    store, copy = SqliteStore.open(tmp_path / "mail.db"), tmp_path / "copy.db"
    await store.write(lambda tx: messages.add(tx, item(1)))
    (tmp_path / "mail.db-wal").unlink()
    with pytest.raises(StoreError):
        await store.write(lambda tx: messages.add(tx, item(2)))
    copy.write_bytes((tmp_path / "mail.db").read_bytes())  # as kill -9 would leave it
    await store.close()
    found = SqliteStore.open(copy)
    assert await found.read(lambda tx: messages.count(tx, 7)) == 1
    await found.close()


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from graphpost.errors import StoreError
from graphpost.store import contents
from graphpost.store.mailbox import messages
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from tests.store.made import item

async def write(store, number):
    content = contents.Content(1, 50_000, "", bytes(50_000))
    try:
        await store.write(lambda tx: (messages.add(tx, item(number)), contents.add(tx, 7, number, [content])))
    except StoreError:
        return f"refused {number}"
    return f"stored {number}"

async def main(directory):
    store, blobs = SqliteStore.open(directory / "mail.db"), FileBlobs(directory / "blobs")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    for start in range(0, 60, 10):
        print(*await asyncio.gather(*(write(store, n) for n in range(start, start + 10))), sep="\\n")
    try:
        blobs.write([bytes(3_000_000)])
    except StoreError:
        print("refused blob")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(await write(store, 60), blobs.write([b"x"]).size, sep="\\n", flush=True)
    await store.close()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.slow
async def test_a_disk_that_takes_no_more_is_survived(tmp_path: Path) -> None:
    """The operating system refuses to write more to a file: what was refused is not there, the rest is."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert done.stderr == ""
    *lines, last, size = done.stdout.splitlines()
    assert (last, size, lines.pop()) == ("stored 60", "1", "refused blob")
    stored = {int(line.split()[1]) for line in [*lines, last] if line.startswith("stored")}
    assert 5 < len(stored) < 55
    store = SqliteStore.open(tmp_path / "mail.db")
    found = await store.read(lambda tx: messages.find(tx, 7, top=100))
    assert {each.message_id for each in found} == stored
    assert await store.read(lambda tx: tx.one("PRAGMA integrity_check")) == ("ok",)
    await store.close()


CHILD = """
import asyncio, sys
from pathlib import Path
from graphpost.store import contents
from graphpost.store.queue import deliveries
from graphpost.store.mailbox import messages
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from tests.store.made import delivery, item

async def main(directory):
    store, blobs = SqliteStore.open(directory / "mail.db"), FileBlobs(directory / "blobs")

    async def call(number):
        while True:
            content = contents.prepare(blobs, 1, b"%d " % number * 50, 10)
            await store.write(lambda tx: (
                messages.add(tx, item(number)),
                contents.add(tx, 7, number, [content]),
                deliveries.add(tx, delivery(number)),
            ))
            print(number, content.sha256, flush=True)
            number += 16

    await asyncio.gather(*(call(number) for number in range(16)))

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 50, 400])
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, lines: int) -> None:
    acknowledged = await asyncio.to_thread(acknowledged_before_death, tmp_path, lines)
    assert len(acknowledged) >= lines

    store, blobs = SqliteStore.open(tmp_path / "mail.db"), FileBlobs(tmp_path / "blobs")

    def check(tx: Tx) -> None:
        for text, sha256 in acknowledged.items():
            number = int(text)
            assert messages.get(tx, 7, number) == item(number)
            assert deliveries.get(tx, 7, number) == [delivery(number)]
            content = contents.of_message(tx, 7, number)[1]
            assert content.sha256 == sha256
            assert b"".join(blobs.read(sha256)) == b"%d " % number * 50
        assert tx.one("PRAGMA integrity_check") == ("ok",)

    await store.read(check)
    await store.close()


def acknowledged_before_death(directory: Path, lines: int) -> dict[str, str]:
    """What a child says it has stored until it is killed after that many lines."""
    command = [sys.executable, "-c", CHILD, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as child:
        assert child.stdout is not None
        seen = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        seen += child.stdout.read().splitlines(keepends=True)
    return dict(line.decode().split() for line in seen if line.endswith(b"\n"))


PLANS: list[tuple[Callable[[Tx], object], str]] = [
    (lambda tx: messages.get(tx, 7, 1), "messages USING PRIMARY KEY (mailbox_id=? AND message_id=?)"),
    (
        lambda tx: messages.find(tx, 7, folder_id=6),
        "messages USING INDEX messages_by_time (mailbox_id=? AND folder_id=?)",
    ),
    (
        lambda tx: folders.children(tx, 7, 1),
        "folders USING INDEX folders_by_name (mailbox_id=? AND parent_id=?)",
    ),
    (
        lambda tx: deliveries.claim(tx, 7, "d", 1, 2, 3, 4),
        "deliveries USING COVERING INDEX deliveries_queued (bucket=? AND destination=? AND due_at<?)",
    ),
    (
        lambda tx: destinations.due_in(tx, 7, 1),
        "d USING COVERING INDEX deliveries_queued (bucket=? AND destination>?)",
    ),
    (
        lambda tx: deliveries.settle(tx, [delivery(1), delivery(2)], 1),
        "deliveries USING PRIMARY KEY (bucket=? AND message_id=? AND position=?)",
    ),
    (
        lambda tx: contents.blobs_of(tx, 7, ["a", "b"]),
        "contents USING INDEX contents_in_blobs (mailbox_id=? AND sha256=?)",
    ),
    (
        lambda tx: lookups.page(tx, state=0),
        "deliveries USING COVERING INDEX deliveries_queued (bucket=?)",
    ),
    (
        lambda tx: folders.children(tx, 7, 1),
        "child USING INDEX folders_by_name (mailbox_id=? AND parent_id=? AND name_key>?)",
    ),
    (
        lambda tx: trees.size_of(tx, 7, 6),
        "f USING INDEX folders_by_name (mailbox_id=? AND parent_id=? AND name_key>?)",
    ),
    (
        lambda tx: trees.erase_step(tx, 7, 6, 10),
        "f USING COVERING INDEX folders_by_name (mailbox_id=? AND parent_id=? AND name_key>?)",
    ),
    (lambda tx: deliveries.depth(tx), "deliveries USING COVERING INDEX deliveries_queued"),
]


@pytest.mark.parametrize(("call", "expected"), PLANS, ids=[expected[:40] for _, expected in PLANS])
async def test_statements_use_their_index(
    sqlite_store: SqliteStore, call: Callable[[Tx], object], expected: str
) -> None:
    path = sqlite_store.path
    await sqlite_store.close()
    assert expected in plan_of(path, call)


def plan_of(path: Path, call: Callable[[Tx], object]) -> str:
    from graphpost.store.databases.sqlite import SqliteSession
    from graphpost.store.databases.transaction import Transaction, Work

    session = SqliteSession.writer(path)
    texts: list[str] = []
    session.connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: texts.append(event["sql"]))
    session.begin()
    work = Work(session)
    call(Transaction(work, session.dialect))
    session.rollback()
    session.connection.trace_v2(0, None)
    steps = [row[3] for sql in texts if sql[:1] in "SUW" for row in explained(session.connection, sql)]
    session.close()
    return "\n".join(steps)


def explained(connection: apsw.Connection, sql: str) -> list[tuple[str, ...]]:
    return connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?")).fetchall()
