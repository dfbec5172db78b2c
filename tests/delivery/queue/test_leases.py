"""Leases: what one worker has no other attempts, until it has it no longer."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import NEVER, SETTINGS, claiming, furnish, settling

from graphpost.clock import SECOND
from graphpost.delivery.queue.leases import Leases
from graphpost.errors import StoreError
from graphpost.store.queue import deliveries, interventions
from graphpost.store.queue.interventions import Tally
from graphpost.store.queue.lookups import ANY

pytestmark = pytest.mark.anyio


async def test_a_lease_is_renewed_for_as_long_as_the_attempt_takes(make_office: MakeOffice) -> None:
    office, other = make_office(), make_office()
    await office.worker.start()
    await other.worker.start()
    office.one.gate.clear()
    await office.send("a@one.test")
    await office.until(lambda: office.one.under_way == 1)
    for _ in range(12):
        await office.clock.until_sleeping(2)
        before = (await office.queue())[0].due_at
        await office.clock.advance(SETTINGS.lease_seconds / 3)

        async def is_renewed(before: int = before) -> bool:
            return (await office.queue())[0].due_at > before

        await office.until(is_renewed)
    assert (await office.queue())[0].attempts == 1
    office.one.gate.set()
    await office.until_done()
    assert (len(office.one.taken), len(other.one.taken)) == (1, 0)


async def test_a_lease_that_runs_out_is_taken_over_and_the_late_one_changes_nothing(
    make_office: MakeOffice,
) -> None:
    office, other = make_office(), make_office()
    await office.worker.start()
    await other.worker.start()
    office.one.gate.clear()
    office.one.says(NEVER)
    await office.send("a@one.test")
    await office.until(lambda: office.one.under_way == 1)
    office.store.breaks = claiming
    office.clock.jump_to(office.clock.now() + 601 * SECOND)
    await other.until_done()
    office.one.gate.set()
    await office.until(lambda: len(office.one.taken) == 1)
    await office.settle_down()
    ((recipient,),) = [d.recipients for d in await office.queue()]
    assert recipient.state == "delivered"
    assert await office.inbox() == []
    assert " failed " not in office.said()


async def test_who_could_not_renew_in_time_does_so_before_it_claims(make_office: MakeOffice) -> None:
    """What is under way, waits in memory, or could not be settled is not delivered twice."""
    office = make_office(limit=2)
    await office.worker.start()
    office.store.breaks = settling
    await office.send("settled@one.test")
    await office.until(lambda: office.store.broke >= 1)
    office.one.gate.clear()
    for number in range(5):
        await office.send(f"a{number}@one.test")
    await office.until(lambda: office.one.under_way == 2)
    office.store.breaks = lambda fn: StoreError("the disk is full")
    office.clock.jump_to(office.clock.now() + 601 * SECOND)
    await office.look_around()
    office.clock.jump_to(office.clock.now() + 601 * SECOND)
    office.store.breaks = settling
    await office.look_around()
    office.store.breaks = lambda fn: None
    office.one.gate.set()
    await office.clock.advance(1)
    await office.until_done(6)
    assert sorted(office.one.addresses) == [
        *(f"a{number}@one.test" for number in range(5)),
        "settled@one.test",
    ]


async def test_what_people_do_finds_under_way_what_could_not_be_renewed(make_office: MakeOffice) -> None:
    office = make_office()
    await office.worker.start()
    office.one.gate.clear()
    await office.send("a@one.test")
    await office.until(lambda: office.one.under_way == 1)
    office.clock.jump_to(office.clock.now() + 601 * SECOND)
    await office.worker.relinquish(lambda delivery: True)
    [queued] = await office.queue()
    key, bucket = (queued.message_id, queued.position), deliveries.bucket_of(queued.mailbox_id)
    now = office.clock.now()
    done = await office.store.write(lambda tx: interventions.act(tx, "retry", bucket, [key], ANY, now))
    assert done == Tally(under_way=1)


async def test_a_lease_that_was_taken_anew_is_not_forgotten_with_the_one_before(
    make_office: MakeOffice,
) -> None:
    office = make_office()
    leases = Leases(office.store, SETTINGS, office.clock, office.log, 7)
    await office.send("a@one.test")
    (first,) = await office.queue()
    for second in (replace(first, attempts=first.attempts + 1), replace(first)):
        leases.add(first)
        leases.add(second)
        leases.forget(first)
        assert list(leases._mine.values()) == [second]
    leases.forget(second)
    assert list(leases._mine.values()) == []


async def test_two_workers_on_one_store_never_claim_the_same(make_office: MakeOffice) -> None:
    here, there, outside = make_office(), make_office(), make_office()
    await here.worker.start()
    await there.worker.start()
    await asyncio.gather(*(outside.send(f"a{number}@one.test") for number in range(300)))
    await here.until_done(300)
    assert Counter(here.one.addresses + there.one.addresses) == Counter(f"a{n}@one.test" for n in range(300))


@pytest.mark.slow
async def test_two_nodes_on_one_postgresql_never_deliver_the_same(make_nodes: MakeOffice) -> None:
    here, there, outside = make_nodes(), make_nodes(), make_nodes()
    await furnish(outside.store)
    await here.worker.start()
    await there.worker.start()
    number = 300
    await asyncio.gather(*(outside.send(f"a{n}@one.test", "b@two.test") for n in range(number)))
    await here.until_done(2 * number)
    assert Counter(here.one.addresses + there.one.addresses) == Counter(
        f"a{n}@one.test" for n in range(number)
    )
    assert len(here.two.taken) + len(there.two.taken) == number


@pytest.mark.slow
async def test_the_work_of_a_node_that_died_is_taken_over_when_its_lease_ends(make_nodes: MakeOffice) -> None:
    died, other = make_nodes(), make_nodes()
    await furnish(died.store)
    await died.worker.start()
    await other.worker.start()
    died.one.gate.clear()
    await died.send("a@one.test")
    await died.until(lambda: died.one.under_way == 1)
    died.store.breaks = lambda fn: StoreError("this node is gone")
    await other.settle_down_without_leases()
    assert other.one.taken == []
    other.clock.jump_to(other.clock.now() + 601 * SECOND)
    await other.until_done()
    assert other.one.addresses == ["a@one.test"]


@pytest.mark.slow
async def test_what_a_node_was_attempting_when_it_was_stopped_is_attempted_by_others_at_once(
    make_nodes: MakeOffice,
) -> None:
    stopped, other = make_nodes(), make_nodes()
    await furnish(stopped.store)
    await stopped.worker.start()
    await other.worker.start()
    stopped.one.gate.clear()
    await stopped.send("a@one.test")
    await stopped.until(lambda: stopped.one.under_way == 1)
    await stopped.worker.stop(0.01)
    await other.until_done()
    assert other.one.addresses == ["a@one.test"]
