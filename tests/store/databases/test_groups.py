"""Whatever a group is made of, what is stored is what the functions that succeeded wrote, in their order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.queue import destinations
from graphpost.store.store import Tx

Step = tuple[Literal["insert", "many", "upsert", "delete", "fail", "broken"], int]
STEPS = st.tuples(
    st.sampled_from(["insert", "many", "upsert", "delete", "fail", "broken"]), st.integers(0, 3)
)
GROUPS = st.lists(st.lists(st.lists(STEPS, max_size=4), min_size=1, max_size=6), min_size=1, max_size=3)
INSERT = "INSERT INTO destinations (bucket, destination, not_before, failures) VALUES (?, ?, ?, ?)"
DELETE = "DELETE FROM destinations WHERE bucket = ? AND destination = ?"


def job(steps: list[Step], number: int) -> Callable[[Tx], None]:
    def run(tx: Tx) -> None:
        for step, key in steps:
            if step == "insert":
                tx.execute(INSERT, (1, str(key), 0, number))
            elif step == "many":
                tx.executemany(INSERT, [(1, str(key), 0, number)])
            elif step == "upsert":
                destinations.hold(tx, str(key), 0, number)
            elif step == "delete":
                tx.executemany(DELETE, [(1, str(key))])
            elif step == "fail":
                raise ZeroDivisionError
            else:
                tx.execute("INSERT INTO nowhere VALUES (1)")

    return run


def expected(before: dict[str, int], steps: list[Step], number: int) -> dict[str, int] | None:
    """The rows after a job; None when it fails."""
    rows = dict(before)
    for step, key in steps:
        if step in ("fail", "broken") or (step in ("insert", "many") and str(key) in rows):
            return None
        if step == "delete":
            rows.pop(str(key), None)
        else:
            rows[str(key)] = number
    return rows


@settings(max_examples=60)
@given(GROUPS)
def test_a_group_is_worth_its_functions_one_by_one(groups: list[list[list[Step]]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(check(SqliteStore.open(Path(directory) / "x.db", readers=1), groups))


async def check(store: SqliteStore, groups: list[list[list[Step]]]) -> None:
    rows: dict[str, int] = {}
    number = 0
    for group in groups:
        jobs, oks = [], []
        for steps in group:
            number += 1
            jobs.append(store.write(job(steps, number)))
            after = expected(rows, steps, number)
            oks.append(after is not None)
            rows = rows if after is None else after
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [not isinstance(result, Exception) for result in results] == oks
        found = await store.read(
            lambda tx: tx.all("SELECT destination, failures FROM destinations WHERE bucket = ?", (1,))
        )
        assert dict(found) == rows
    await store.close()
