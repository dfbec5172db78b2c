"""How much waits for each destination, since when, and what it said last."""

from __future__ import annotations

import pytest
from tests.store.made import delivery

from graphpost.store.queue import deliveries, depths, destinations
from graphpost.store.queue.deliveries import DONE, HELD, Delivery, Recipient, Saying
from graphpost.store.queue.depths import Depth
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio


async def put(store: Store, *rows: Delivery) -> None:
    await store.write(lambda tx: [deliveries.add(tx, row) for row in rows])


async def test_destinations_are_counted_over_all_buckets_the_deepest_first(store: Store) -> None:
    await put(
        store,
        *(
            delivery(n, mailbox_id=n, destination="deep", created_at=100 - n, due_at=90 + n)
            for n in range(1, 21)
        ),
        delivery(30, destination="shallow"),
        delivery(31, destination="shallow", state=HELD),
        delivery(32, destination="held", state=HELD),
        delivery(33, destination="done", state=DONE),
    )
    await store.write(lambda tx: destinations.hold(tx, "deep", 700, 3))
    found = await store.read(lambda tx: depths.by_destination(tx, 100))
    assert list(found.items()) == [
        ("deep", Depth(20, 10, 0, 80, 700, 3)),
        ("shallow", Depth(1, 0, 1, 100)),
        ("held", Depth(held=1)),
    ]


async def test_an_empty_queue_has_no_destinations(store: Store) -> None:
    assert await store.read(lambda tx: depths.by_destination(tx, 1)) == {}
    assert await store.read(lambda tx: depths.last_answer(tx, "d")) is None


async def test_the_last_answer_is_that_of_a_delivery_that_waits_for_another_attempt(store: Store) -> None:
    old, new = Saying(451, "4.7.1", "later"), Saying(0, "4.4.1", "no route")
    first = Recipient("a@b.test", "deferred", old, 50)
    second = Recipient("c@d.test", "deferred", new, 60)
    await put(
        store,
        delivery(1, destination="d"),
        delivery(2, destination="d", due_at=500, recipients=(Recipient("x@y.test"), first, second)),
        delivery(3, destination="other", recipients=(first,)),
    )
    assert await store.read(lambda tx: depths.last_answer(tx, "d")) == second
