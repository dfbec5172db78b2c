"""PostgreSQL's plans: made for whatever mailbox, they are good for a large one among small ones."""

from __future__ import annotations

import psycopg
import pytest
from tests.store.conftest import anyio_backend, postgres_url
from tests.store.made import item

from graphpost.mail.mailbox import INBOX
from graphpost.store.databases.postgres import PostgresStore
from graphpost.store.mailbox import messages, rows
from graphpost.store.mailbox.portions import small

__all__ = ["anyio_backend", "postgres_url"]
pytestmark = pytest.mark.anyio

LARGE, SMALL, OF_THEM = (
    6000,
    3,
    2000,
)  # messages of the large mailbox and of each small one, and how many small ones


async def filled(url: str) -> None:
    """One mailbox that is large, and many that are not; and the database knows."""
    store = PostgresStore.open(url, connections=2)
    await store.write(lambda tx: messages.add(tx, item(1, folder_id=INBOX)))
    await store.close()
    with psycopg.connect(url, autocommit=True) as connection:
        named = connection.execute("SELECT * FROM messages LIMIT 0").description or ()
        rest = ", ".join(each.name for each in named if each.name not in ("mailbox_id", "message_id"))
        for values in (
            f"7, n FROM messages, generate_series(2, {LARGE}) AS n",
            f"1000 + n / {SMALL}, n FROM messages, generate_series(0, {SMALL * OF_THEM - 1}) AS n",
        ):
            chosen, source = values.split(" FROM ")
            connection.execute(
                f"INSERT INTO messages (mailbox_id, message_id, {rest})"
                f" SELECT {chosen}, {rest} FROM {source} WHERE mailbox_id = 7 AND message_id = 1"
            )
        connection.execute("ANALYZE messages")


async def test_a_hundred_of_many_messages_are_read_without_the_others(postgres_url: str) -> None:
    await filled(postgres_url)
    marks = ", ".join(f"${number + 3}" for number in range(100))
    sql = f"SELECT {rows.IN_PORTIONS} FROM messages WHERE mailbox_id = $2 AND message_id IN ({marks})"
    values = ", ".join(map(str, [small(100), 7, *range(3000, 3100)]))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(f"PREPARE reading (bigint, bigint{', bigint' * 100}) AS {sql.replace('?', '$1')}")
        plan = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF) EXECUTE reading ({values})").fetchall()
    assert "rows=100 " in plan[0][0], plan
    assert not [row for row in plan if "Removed by Filter" in row[0]], plan
