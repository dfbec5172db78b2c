"""What every store promises: durability by group, isolation of failures, snapshots, an orderly end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from tests.store.made import item

from graphpost.errors import NotFound, StoreError
from graphpost.store.databases import commits
from graphpost.store.mailbox import folders, messages
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio


class Hold:
    """What holds a writer once it began, until it is let go."""

    def __init__(self) -> None:
        self._begun, self._go = threading.Event(), threading.Event()

    def __call__(self, tx: Tx) -> None:
        self._begun.set()
        self._go.wait(60)

    async def begun(self) -> None:
        await asyncio.to_thread(self._begun.wait, 60)

    def let_go(self) -> None:
        self._go.set()


def adding(*numbers: int) -> Callable[[Tx], int]:
    def add(tx: Tx) -> int:
        for number in numbers:
            messages.add(tx, item(number))
        return len(numbers)

    return add


async def stored(store: Store) -> list[int]:
    found = await store.read(lambda tx: messages.find(tx, 7, order=[("message_id", False)], top=1000))
    return [each.message_id for each in found]


async def test_a_write_gives_the_functions_result_back(store: Store) -> None:
    assert await store.write(adding(1, 2)) == 2
    assert await stored(store) == [1, 2]


async def test_writes_of_one_moment_are_all_there(store: Store) -> None:
    assert await asyncio.gather(*(store.write(adding(n)) for n in range(1, 301))) == [1] * 300
    assert await stored(store) == list(range(1, 301))


class WrongError(Exception):
    pass


def raising(error: BaseException, *, after: int | None = None) -> Callable[[Tx], None]:
    def fail(tx: Tx) -> None:
        if after is not None:
            messages.add(tx, item(after))
            tx.execute("UPDATE messages SET subject = ? WHERE mailbox_id = ?", ("spoilt", 7))
        raise error

    return fail


FAILURES = [
    WrongError("no"),
    NotFound(),
    StoreError("no"),
    KeyError("no"),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    GeneratorExit(),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("after", [None, 50], ids=["before it wrote", "after it wrote"])
async def test_a_function_that_raises_undoes_only_its_own_work(
    store: Store, error: BaseException, after: int | None
) -> None:
    writes = [store.write(adding(1)), store.write(raising(error, after=after)), store.write(adding(2))]
    results = await asyncio.gather(*map(caught, writes))
    assert [results[0], results[2]] == [1, 1]
    assert results[1] is error
    found = await store.read(lambda tx: messages.count(tx, 7, None, ("subject = ?", ("meet for lunch?",))))
    assert (await stored(store), found) == ([1, 2], 2)


async def caught(write: object) -> object:
    try:
        return await write  # type: ignore[misc]
    except BaseException as error:
        return error


async def test_a_store_function_may_not_end_an_iteration(store: Store) -> None:
    with pytest.raises(RuntimeError):
        await store.write(raising(StopIteration()))
    assert await store.write(adding(1)) == 1


async def test_wrong_sql_and_broken_rules_are_store_errors_of_their_function_alone(store: Store) -> None:
    await store.write(adding(1))
    writes = [
        store.write(adding(2)),
        store.write(lambda tx: tx.execute("UPDATE nothing SET x = 1")),
        store.write(adding(1)),
        store.write(adding(3)),
    ]
    results = await asyncio.gather(*map(caught, writes))
    assert [type(result).__name__ for result in results] == ["int", "StoreError", "Unstorable", "int"]
    assert await stored(store) == [1, 2, 3]


async def test_a_swallowed_error_never_becomes_a_lost_acknowledgement(store: Store) -> None:
    """PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error."""

    def swallow(tx: Tx) -> None:
        messages.add(tx, item(1))
        with pytest.raises(StoreError):
            tx.execute("UPDATE nothing SET x = 1")

    result = await caught(store.write(swallow))
    assert (result is None) == (await stored(store) == [1])


async def test_a_tx_is_of_no_use_after_its_function(store: Store) -> None:
    for run in (store.read, store.write):
        tx: Tx = await run(lambda tx: tx)
        for use in (
            lambda tx=tx: tx.all("SELECT 1"),
            lambda tx=tx: tx.one("SELECT 1"),
            lambda tx=tx: tx.execute("SELECT 1"),
            lambda tx=tx: tx.executemany("SELECT 1", [()]),
            lambda tx=tx: tx.count_folder(1, 1, 1, 1),
        ):
            with pytest.raises(StoreError, match="over"):
                use()


async def test_rows_gathered_earlier_are_seen_by_a_query(store: Store) -> None:
    def write_and_look(tx: Tx) -> int:
        messages.add(tx, item(1))
        return messages.count(tx, 7)

    assert await store.write(write_and_look) == 1


async def test_a_cancelled_caller_does_not_disturb_its_group(store: Store) -> None:
    hold = Hold()

    def add_later(tx: Tx) -> int:
        hold(tx)
        return adding(1)(tx)

    first = asyncio.ensure_future(store.write(add_later))
    second = asyncio.ensure_future(store.write(adding(2)))
    await hold.begun()
    first.cancel()
    hold.let_go()
    assert await second == 1
    assert await store.write(adding(3)) == 1
    assert {2, 3} <= set(await stored(store))


async def test_what_is_cancelled_before_it_began_is_not_done(sqlite_store: Store) -> None:
    hold = Hold()
    first = asyncio.ensure_future(sqlite_store.write(hold))
    await hold.begun()
    later = [asyncio.ensure_future(sqlite_store.write(adding(n))) for n in (1, 2)]
    await sqlite_store.read(lambda tx: None)
    later[0].cancel()
    hold.let_go()
    await asyncio.gather(first, later[1])
    assert await stored(sqlite_store) == [2]


async def test_who_joins_waits_for_the_commit_that_others_wait_for(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "JOINED_SECONDS", 60.0)
    hold = Hold()
    first = asyncio.ensure_future(sqlite_store.write(hold))
    await hold.begun()
    joined = asyncio.ensure_future(sqlite_store.join())
    second = asyncio.ensure_future(sqlite_store.write(adding(1)))  # in the same turn, though after it
    await sqlite_store.read(lambda tx: None)
    assert not joined.done()
    hold.let_go()
    await joined
    assert (first.done(), second.done()) == (True, True)


async def test_who_joins_is_not_held_by_what_hangs_nor_by_nothing(store: Store) -> None:
    await store.join()
    hold = Hold()
    hanging = asyncio.ensure_future(store.write(hold))
    await hold.begun()
    await store.join()
    assert not hanging.done()
    hold.let_go()
    await hanging
    await store.close()
    await store.join()


async def test_who_has_joined_in_vain_is_the_last_who_leaves_something_behind(sqlite_store: Store) -> None:
    hold = Hold()
    hanging = asyncio.ensure_future(sqlite_store.write(hold))
    await hold.begun()
    await sqlite_store.join()
    joined = [asyncio.ensure_future(sqlite_store.join()) for _ in range(3)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert all(each.done() for each in joined)
    hold.let_go()
    await hanging
    assert await sqlite_store.write(adding(1)) == 1


async def test_reads_do_not_wait_for_a_write_and_see_one_snapshot(store: Store) -> None:
    await store.write(adding(1))
    begun, go = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        tx.execute("UPDATE messages SET is_read = 0 WHERE mailbox_id = ?", (7,))
        begun.set()
        go.wait(60)

    writing = asyncio.ensure_future(store.write(hold))
    await asyncio.to_thread(begun.wait, 30)
    seen = await store.read(lambda tx: messages.get(tx, 7, 1))
    go.set()
    await writing
    assert seen is not None
    assert seen.is_read


async def test_a_read_sees_the_same_twice(store: Store) -> None:
    await store.write(adding(1))
    looked, go = threading.Event(), threading.Event()

    def look_twice(tx: Tx) -> tuple[int, int]:
        first = messages.count(tx, 7)
        looked.set()
        go.wait(60)
        return first, messages.count(tx, 7)

    reading = asyncio.ensure_future(store.read(look_twice))
    await asyncio.to_thread(looked.wait, 30)
    await store.write(adding(2))
    go.set()
    assert await reading == (1, 1)


async def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.read(lambda tx: tx.execute("DELETE FROM messages WHERE mailbox_id = ?", (7,)))


async def test_closing_finishes_what_was_submitted(open_store: Callable[[], Store]) -> None:
    store = open_store()
    writes = [asyncio.ensure_future(store.write(adding(n))) for n in range(1, 101)]
    closing = asyncio.ensure_future(store.close())
    assert await asyncio.gather(*writes) == [1] * 100
    await closing
    await store.close()
    for refused in (store.write(adding(1)), store.read(lambda tx: None)):
        with pytest.raises(StoreError, match="closed"):
            await refused
    again = open_store()
    assert len(await stored(again)) == 100
    await again.close()


async def test_counts_of_a_group_are_added_up_and_those_of_a_failure_are_not(store: Store) -> None:
    await store.write(lambda tx: folders.create_defaults(tx, 7))

    def fail(tx: Tx) -> None:
        messages.add(tx, item(99))
        raise WrongError

    unread = [store.write(lambda tx, n=n: messages.add(tx, item(n, is_read=False))) for n in (1, 2, 3)]
    await asyncio.gather(*map(caught, (*unread, store.write(adding(4)), store.write(fail))))
    folder = await store.read(lambda tx: folders.get(tx, 7, 6))
    assert folder is not None
    assert (folder.total_count, folder.unread_count) == (4, 3)


UPSERT = (
    "INSERT INTO destinations (bucket, destination, not_before, failures) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (bucket, destination) DO UPDATE SET failures = destinations.failures + excluded.failures"
)
INSERT = UPSERT[: UPSERT.index(" ON")]
DELETE = "DELETE FROM destinations WHERE bucket = ? AND destination = ?"


async def test_statements_for_many_rows_keep_their_order(store: Store) -> None:
    def in_order(tx: Tx) -> None:
        tx.executemany(INSERT, [(1, "a", 0, 1), (1, "b", 0, 1)])
        tx.executemany(DELETE, [(1, "a")])
        tx.executemany(INSERT, ((1, name, 0, 2) for name in "ac"))
        tx.executemany(UPSERT, [(1, "a", 0, 10), (1, "a", 0, 100), (1, "d", 0, 7)])
        tx.executemany(DELETE, [(1, "d")])
        tx.executemany(INSERT, [])

    await store.write(in_order)
    rows = await store.read(
        lambda tx: tx.all(
            "SELECT destination, failures FROM destinations WHERE bucket = ? ORDER BY destination", (1,)
        )
    )
    assert rows == [("a", 112), ("b", 1), ("c", 2)]


@pytest.mark.parametrize("number", [1, 2, 3, 5, 63, 64, 65, 150])
async def test_any_number_of_rows_arrives(store: Store, number: int) -> None:
    assert await store.write(adding(*range(1, number + 1))) == number
    assert await stored(store) == list(range(1, number + 1))
