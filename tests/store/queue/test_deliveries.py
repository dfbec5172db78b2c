"""The delivery queue: claims, leases, gates, and what people do to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.store.made import delivery

from graphpost.store.queue import deliveries, destinations, lookups
from graphpost.store.queue.deliveries import BUCKETS, DONE, HELD, Delivery, Recipient, Saying
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio

RELAY = "smtp://relay.test:25"


async def put(store: Store, *rows: Delivery) -> None:
    await store.write(lambda tx: [deliveries.add(tx, row) for row in rows])


async def claim(
    store: Store, now: int = 100, owner: int = 1, limit: int = 10, lease: int = 50
) -> list[Delivery]:
    return await store.write(lambda tx: deliveries.claim(tx, 7, RELAY, now, now + lease, owner, limit))


async def due(store: Store, now: int) -> list[str]:
    return await store.read(lambda tx: destinations.due_in(tx, 7, now))


async def test_a_delivery_comes_back_as_it_was(store: Store) -> None:
    saying = Saying(451, "4.7.1", "greylisted, \u00fc\0", "mx.test")
    full = delivery(
        position=3,
        state=HELD,
        owner=2**60,
        attempts=4,
        finished_at=9,
        warned=True,
        recipients=(Recipient("a@b.test", "deferred", saying, 77), Recipient("c@d.test")),
        subject="Subject\0",
        internet_message_id="<x@y>",
        siblings=2,
        wants_success=True,
        hidden=True,
    )
    await put(store, full)
    assert await store.read(lambda tx: deliveries.get(tx, 7, 1)) == [full]


async def test_a_claim_leases_what_is_due_the_longest_first(store: Store) -> None:
    await put(
        store,
        *(delivery(n, due_at=100 - n, created_at=100 - n) for n in range(1, 6)),
        delivery(9, due_at=101),
    )
    first = await claim(store, limit=2)
    assert [d.message_id for d in first] == [5, 4]
    assert {(d.due_at, d.owner, d.attempts) for d in first} == {(150, 1, 1)}
    assert [d.message_id for d in await claim(store)] == [3, 2, 1]
    assert await claim(store) == []


async def test_a_lease_that_ended_is_due_again(store: Store) -> None:
    await put(store, delivery())
    await claim(store)
    assert await claim(store, now=149) == []
    again = await claim(store, now=150, owner=2)
    assert [(d.owner, d.attempts) for d in again] == [(2, 2)]


async def test_only_the_owner_settles(store: Store) -> None:
    await put(store, delivery())
    (old,) = await claim(store)
    (new,) = await claim(store, now=150)
    done = {"state": DONE, "finished_at": 160, "recipients": (Recipient("fannyd@contoso.test", "delivered"),)}
    assert await store.write(lambda tx: deliveries.settle(tx, [replace(old, **done)], 1)) == set()
    assert await store.write(lambda tx: deliveries.settle(tx, [replace(new, **done)], 2)) == set()
    assert await store.write(lambda tx: deliveries.settle(tx, [replace(new, **done)], 1)) == {(1, 0)}
    assert await store.write(lambda tx: deliveries.settle(tx, [replace(new, **done)], 1)) == set()
    assert await store.read(lambda tx: deliveries.get(tx, 7, 1)) == [replace(new, owner=0, **done)]


async def test_what_was_claimed_and_not_attempted_is_settled_uncounted(store: Store) -> None:
    await put(store, delivery(1, attempts=3), delivery(2))
    for looked in await claim(store):
        told = replace(looked, warned=True, due_at=90, given_back=1)
        key = (looked.message_id, looked.position)
        assert await store.write(lambda tx, told=told: deliveries.settle(tx, [told], 1)) == {key}
        assert await store.write(lambda tx, told=told: deliveries.settle(tx, [told], 1)) == set()
        [after] = await store.read(lambda tx, n=looked.message_id: deliveries.find(tx, n))
        assert (after.attempts, after.warned, after.due_at) == (looked.attempts - 1, True, 90)


async def test_settling_all_says_which_were_still_ours(store: Store) -> None:
    await put(store, *(delivery(n) for n in range(1, 101)))
    mine = await claim(store, limit=100)
    stolen = await claim(store, now=150, owner=2, limit=30)
    done = [replace(d, state=DONE, finished_at=n, warned=n == 5) for n, d in enumerate(mine)]
    settled = await store.write(lambda tx: deliveries.settle(tx, done, 1))
    assert settled == {(d.message_id, d.position) for d in mine} - {
        (d.message_id, d.position) for d in stolen
    }
    every, _ = await store.read(lambda tx: lookups.page(tx, state=DONE))
    expected = [replace(d, owner=0) for d in done if (d.message_id, d.position) in settled]
    assert every == sorted(expected, key=lambda d: -d.message_id)


async def test_a_message_is_found_by_its_number_alone(store: Store) -> None:
    await put(
        store, delivery(1, mailbox_id=7), delivery(1, position=1, mailbox_id=7), delivery(2, mailbox_id=8)
    )
    found = await store.read(lambda tx: deliveries.find(tx, 1))
    assert [(d.mailbox_id, d.message_id, d.position) for d in found] == [(7, 1, 0), (7, 1, 1)]
    assert [d.mailbox_id for d in await store.read(lambda tx: deliveries.find(tx, 2))] == [8]
    assert await store.read(lambda tx: deliveries.find(tx, 3)) == []


async def test_a_deferred_delivery_waits_and_a_noted_one_keeps_its_lease(store: Store) -> None:
    await put(store, delivery())
    (mine,) = await claim(store)
    assert await store.write(lambda tx: deliveries.settle(tx, [replace(mine, warned=True)], 1)) == {(1, 0)}
    (noted,) = await store.read(lambda tx: deliveries.get(tx, 7, 1))
    assert (noted.warned, noted.owner) == (True, 1)
    assert await store.write(lambda tx: deliveries.settle(tx, [replace(noted, due_at=500)], 1)) == {(1, 0)}
    (waiting,) = await store.read(lambda tx: deliveries.get(tx, 7, 1))
    assert (waiting.due_at, waiting.owner, waiting.attempts) == (500, 0, 1)
    assert await due(store, 499) == []
    assert await due(store, 500) == [RELAY]


async def test_due_destinations_are_those_with_something_due_and_not_held_back(store: Store) -> None:
    names = ["a", "b", "c", "d"]
    await put(
        store,
        *(delivery(n, destination=name) for n, name in enumerate(names)),
        delivery(10, destination="b"),
        delivery(11, destination="later", due_at=300),
        delivery(12, destination="done", state=DONE),
        delivery(13, mailbox_id=8, destination="other bucket"),
    )

    def gates(tx: Tx) -> None:
        destinations.hold(tx, "c", 200, 3)
        destinations.hold(tx, "c", 250, 4)
        destinations.hold(tx, "d", 100, 1)

    await store.write(gates)
    assert await due(store, 100) == ["a", "b", "d"]
    assert await due(store, 250) == ["a", "b", "c", "d"]


async def test_what_is_due_is_told_with_its_buckets(store: Store) -> None:
    await put(
        store,
        delivery(1, destination="b"),
        delivery(2, mailbox_id=9, destination="b"),
        delivery(3, mailbox_id=9 + BUCKETS, destination="a"),
        delivery(4, mailbox_id=10, destination="a", due_at=300),
    )
    assert await store.read(lambda tx: destinations.due(tx, 100)) == {"a": (9,), "b": (7, 9)}


async def test_gates_that_opened_long_ago_are_forgotten(store: Store) -> None:
    def gates(tx: Tx) -> None:
        destinations.hold(tx, "long", 100, 3)
        destinations.hold(tx, "lately", 200, 1)

    await store.write(gates)
    assert await store.write(lambda tx: destinations.forget(tx, 200)) == BUCKETS
    rows = await store.read(lambda tx: tx.all("SELECT destination FROM destinations WHERE bucket = ?", (7,)))
    assert rows == [("lately",)]


async def test_times_are_taken_one_after_the_other_and_the_past_is_past(store: Store) -> None:
    async def take(now: int, number: int = 2) -> int:
        return await store.write(lambda tx: destinations.take_times(tx, RELAY, now, number, 10))

    assert [await take(100), await take(100), await take(105, 1), await take(1000)] == [100, 120, 140, 1000]
    assert await store.write(lambda tx: destinations.take_times(tx, "other", 1000, 1, 10)) == 1000


async def test_times_that_a_wrong_clock_took_are_not_waited_for(store: Store) -> None:
    now, year = 10**15, 365 * 24 * 3600 * 10**6

    async def take(at: int) -> int:
        return await store.write(lambda tx: destinations.take_times(tx, RELAY, at, 1, 10))

    assert await take(now + year) == now + year
    assert [await take(now), await take(now)] == [now, now + 10]


async def test_what_waits_is_found_by_its_age_page_by_page(store: Store) -> None:
    await put(
        store,
        *(delivery(n, created_at=50 - n, due_at=60 + n) for n in range(1, 6)),
        delivery(6, created_at=20, destination="other"),
        delivery(7, created_at=20, state=HELD),
        delivery(8, created_at=20, due_at=101),
    )

    async def page(after: tuple[int, int, int], limit: int = 2) -> list[int]:
        found = await store.read(lambda tx: deliveries.waiting(tx, 7, RELAY, 100, after, 48, limit))
        return [each.message_id for each in found]

    assert await page((-1, 0, 0)) == [5, 4]
    assert await page((46, 4, 0)) == [3, 2]
    assert await page((48, 2, 0)) == []


async def test_one_that_waits_is_leased_once(store: Store) -> None:
    await put(store, delivery(1))

    async def one(owner: int, now: int = 100) -> Delivery | None:
        return await store.write(lambda tx: deliveries.claim_one(tx, delivery(1), now, now + 50, owner))

    claimed = await one(1)
    assert claimed is not None
    assert (claimed.owner, claimed.attempts, claimed.due_at) == (1, 1, 150)
    assert await one(2) is None
    assert await claim(store, owner=2) == []
    taken = await one(2, now=150)
    assert taken is not None
    assert taken.attempts == 2


async def test_one_that_waits_and_cannot_be_read_is_held(store: Store) -> None:
    await put(store, delivery(1))
    await store.write(lambda tx: tx.execute("UPDATE deliveries SET document = ? WHERE bucket = ?", (b"x", 7)))
    assert await store.write(lambda tx: deliveries.claim_one(tx, delivery(1), 100, 150, 1)) is None
    [row] = await store.read(lambda tx: deliveries.get(tx, 7, 1))
    assert (row.state, row.owner) == (HELD, 0)


async def test_releasing_makes_interrupted_attempts_due(store: Store) -> None:
    await put(store, delivery(1), delivery(2), delivery(3, due_at=900))
    assert len(await claim(store)) == 2
    assert await store.write(lambda tx: deliveries.release(tx, 7, 110)) == 2
    assert await store.write(lambda tx: deliveries.release(tx, 7, 110)) == 0
    assert [d.attempts for d in await claim(store, now=110)] == [2, 2]


async def test_depth_is_of_every_bucket(store: Store) -> None:
    assert await store.read(deliveries.depth) == (0, 0)
    await put(
        store,
        *(delivery(n, mailbox_id=n, created_at=1000 - n) for n in range(1, 40)),
        delivery(77, state=DONE, created_at=1),
    )
    assert await store.read(deliveries.depth) == (39, 961)


async def test_pruning_removes_what_was_finished_long_ago(store: Store) -> None:
    await put(
        store,
        *(delivery(n, state=DONE, finished_at=n) for n in range(1, 6)),
        delivery(6),
        delivery(7, mailbox_id=8, state=DONE, finished_at=1),
    )
    assert len(await store.write(lambda tx: deliveries.prune(tx, 7, 4))) == 3
    assert len(await store.write(lambda tx: deliveries.prune(tx, 7, 100, limit=1))) == 1
    found, _ = await store.read(lookups.page)
    assert [d.message_id for d in found] == [7, 6, 5]


@pytest.mark.slow
async def test_eight_workers_share_a_queue_without_a_duplicate(open_store: Callable[[], Store]) -> None:
    stores = [open_store()]
    if stores[0].dialect.name == "postgres":
        stores.append(open_store())
    rows = [delivery(n, mailbox_id=n % 33, destination=f"d{n % 50}") for n in range(2000)]
    for start in range(0, 2000, 500):
        await put(stores[0], *rows[start : start + 500])
    taken: Counter[tuple[int, int]] = Counter()

    async def work(owner: int) -> None:
        store = stores[owner % len(stores)]
        for bucket in [*range(owner, BUCKETS), *range(owner)]:
            while found := await store.read(lambda tx, b=bucket: destinations.due_in(tx, b, 100)):
                for name in found:
                    mine = await store.write(
                        lambda tx, b=bucket, name=name: deliveries.claim(tx, b, name, 100, 200, owner, 3)
                    )
                    taken.update((d.message_id, d.position) for d in mine)
                    done = [replace(d, state=DONE) for d in mine]
                    for each in done:
                        assert await store.write(lambda tx, each=each: deliveries.settle(tx, [each], owner))

    await asyncio.gather(*(work(owner) for owner in range(1, 9)))
    assert await stores[0].read(deliveries.depth) == (0, 0)
    assert len(taken) == 2000
    assert set(taken.values()) == {1}
    for store in stores:
        await store.close()
