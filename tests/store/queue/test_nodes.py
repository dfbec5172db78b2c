"""Nodes: which live, and what becomes of the leases of those that don't; on both databases."""

from __future__ import annotations

import pytest
from tests.store.made import delivery

from graphpost.store.queue import deliveries, nodes
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio

ONE, TWO = 2**40 + 1, 2**40 + 2


async def beat(store: Store, owner: int) -> tuple[bool, dict[int, int]]:
    return await store.write(lambda tx: nodes.beat(tx, owner))


async def leased(store: Store, *owners: int) -> None:
    for number, owner in enumerate(owners, 1):
        row = delivery(number, mailbox_id=number, owner=owner, attempts=1, due_at=900)
        await store.write(lambda tx, row=row: deliveries.add(tx, row))  # type: ignore[misc]


async def owners(store: Store) -> list[tuple[int, int]]:
    """Owner and due time of each delivery."""
    found = [
        row for number in range(1, 5) for row in await store.read(lambda tx, n=number: deliveries.find(tx, n))
    ]  # type: ignore[misc]
    return [(row.owner, row.due_at) for row in found]


async def test_a_node_is_known_from_its_first_beat_until_it_leaves(store: Store) -> None:
    assert await beat(store, ONE) == (False, {})
    assert await beat(store, ONE) == (True, {})
    assert await beat(store, TWO) == (False, {ONE: 2})
    assert await store.write(lambda tx: nodes.leave(tx, ONE, 500)) == 0
    assert await beat(store, TWO) == (True, {})
    assert await beat(store, ONE) == (False, {TWO: 2})


async def test_the_leases_of_a_dead_node_end_and_no_others(store: Store) -> None:
    await beat(store, ONE)
    await leased(store, ONE, TWO, ONE)
    assert await store.write(lambda tx: nodes.take_over(tx, ONE, 1, 500)) == 2
    assert await owners(store) == [(0, 500), (TWO, 900), (0, 500)]
    assert await beat(store, ONE) == (False, {})


async def test_what_a_node_has_leased_when_it_leaves_is_due_for_others(store: Store) -> None:
    await beat(store, ONE)
    await leased(store, ONE, TWO, ONE)
    assert await store.write(lambda tx: nodes.leave(tx, ONE, 500)) == 2
    assert await owners(store) == [(0, 500), (TWO, 900), (0, 500)]


async def test_a_node_that_has_beaten_since_is_left_alone(store: Store) -> None:
    await beat(store, ONE)
    await beat(store, ONE)
    await leased(store, ONE)
    assert await store.write(lambda tx: nodes.take_over(tx, ONE, 1, 500)) == 0
    assert await owners(store) == [(ONE, 900)]
    assert await beat(store, ONE) == (True, {})


async def test_only_one_of_two_takes_over(store: Store) -> None:
    await beat(store, ONE)
    await leased(store, ONE)
    taken = [await store.write(lambda tx: nodes.take_over(tx, ONE, 1, 500)) for _ in range(2)]
    assert taken == [1, 0]


async def test_what_was_taken_over_cannot_be_settled_nor_renewed_by_its_former_owner(store: Store) -> None:
    await beat(store, ONE)
    await leased(store, ONE)
    (mine,) = await store.read(lambda tx: deliveries.find(tx, 1))
    await store.write(lambda tx: nodes.take_over(tx, ONE, 1, 500))
    await store.write(lambda tx: deliveries.renew(tx, [mine], ONE, 2000))
    assert await store.write(lambda tx: deliveries.settle(tx, [mine], ONE)) == set()
    assert not await store.write(lambda tx: deliveries.give_back(tx, mine, ONE, 2000))
    assert await owners(store) == [(0, 500)]
