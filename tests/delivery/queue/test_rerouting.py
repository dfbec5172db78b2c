"""Mail queued for a destination that the settings no longer know."""

from collections.abc import Callable

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import ADELE, ALEX, DEAD, LATER, ONE, ROUTES, TWO, YES, Office
from tests.store.made import delivery as made

from graphpost.config import RouteSettings
from graphpost.delivery.queue.rerouting import divided
from graphpost.errors import StoreError
from graphpost.mail.mailbox import Directory
from graphpost.store.mailbox import messages
from graphpost.store.queue import deliveries, destinations, rerouting
from graphpost.store.queue.deliveries import QUEUED, Delivery, Recipient

pytestmark = pytest.mark.anyio

BOTH_TO_OLD = (RouteSettings(domains=["one.test", "two.test", "three.test"], to="smtp://old.test:25"),)


async def left_by_the_old_settings(make_office: MakeOffice, *to: str, **options: bool) -> tuple[Office, int]:
    """A message that waits for old.test, which takes nothing; the office is closed."""
    old = make_office(routes=BOTH_TO_OLD)
    old.couriers["smtp://old.test:25"].says(DEAD)  # type: ignore[attr-defined]
    await old.worker.start()
    item = await old.send(*to, **options)  # type: ignore[arg-type]
    await old.settle_down()
    await old.worker.stop()
    return old, item.message_id


async def test_mail_for_a_removed_route_goes_where_the_settings_lead_now(make_office: MakeOffice) -> None:
    await left_by_the_old_settings(make_office, "a@one.test")
    office = make_office()
    await office.worker.start()
    office.clock.jump_to(office.clock.now() + 60_000_000)
    await office.until_done()
    assert office.one.addresses == ["a@one.test"]
    assert "rerouted" in office.said()
    assert "from=smtp://old.test:25 to=smtp://one.test:25" in office.said()


async def test_recipients_part_where_their_ways_do_now(make_office: MakeOffice) -> None:
    await left_by_the_old_settings(
        make_office, "a@one.test", "b@two.test", "c@one.test", "d@three.test", "alex@contoso.test"
    )
    office = make_office()
    office.one.says(LATER)
    await office.worker.start()
    office.clock.jump_to(office.clock.now() + 60_000_000)
    await office.until_attempts(office.one, 1)
    found = {d.position: (d.destination, [r.address for r in d.recipients]) for d in await office.queue()}
    assert found == {
        0: (ONE, ["a@one.test", "c@one.test"]),
        1: ("local", ["alex@contoso.test"]),
        2: (TWO, ["b@two.test"]),
        3: ("capture", ["d@three.test"]),
    }
    assert office.two.addresses == ["b@two.test"]
    assert len(await office.inbox(ALEX)) == 1


async def test_the_closed_gate_of_a_removed_destination_holds_nothing_back(make_office: MakeOffice) -> None:
    old, _ = await left_by_the_old_settings(make_office, "a@one.test")
    until = old.clock.now() + 14_400_000_000
    await old.store.write(lambda tx: destinations.hold(tx, "smtp://old.test:25", until, 7))
    office = make_office()
    await office.worker.start()
    office.clock.jump_to(office.clock.now() + 60_000_000)
    await office.until_done()
    assert office.one.addresses == ["a@one.test"]


async def test_an_unwanted_copy_stays_until_every_part_is_done(make_office: MakeOffice) -> None:
    _, number = await left_by_the_old_settings(make_office, "a@one.test", "b@two.test", save=False)
    office = make_office()
    office.two.says(LATER, YES)
    await office.worker.start()
    office.clock.jump_to(office.clock.now() + 60_000_000)
    await office.until_attempts(office.two, 1)
    assert await office.store.read(lambda tx: messages.get(tx, 7, number)) is not None
    office.clock.jump_to(office.clock.now() + 60_000_000)
    await office.until_done(2)
    assert office.two.addresses == ["b@two.test", "b@two.test"]
    assert await office.store.read(lambda tx: messages.get(tx, 7, number)) is None


async def test_a_relay_that_is_still_known_keeps_its_mail(make_office: MakeOffice) -> None:
    first = make_office()
    first.one.says(LATER)
    await first.worker.start()
    await first.send("a@one.test")
    await first.until_attempts(first.one, 1)
    await first.worker.stop()
    to_two = RouteSettings(domains=["one.test"], to=TWO)
    kept = RouteSettings(domains=["elsewhere.test"], to=ONE)
    office = make_office(routes=(to_two, kept))
    await office.worker.start()
    office.clock.jump_to(office.clock.now() + 60_000_000)
    await office.until_done()
    assert office.one.addresses == ["a@one.test"]


async def test_an_address_that_is_nobodys_any_more_comes_back(make_office: MakeOffice) -> None:
    """What was routed to a relay as another domain's address is now of a domain of ours."""
    await left_by_the_old_settings(make_office, "a@one.test")
    office = make_office()
    office.router._domains.add("one.test")
    office.directory = Directory.of([ADELE])
    await office.worker.start()
    office.clock.jump_to(office.clock.now() + 60_000_000)
    await office.until_done()
    (report,) = await office.inbox()
    assert report.message.subject == "Undeliverable: Lunch"


# The pure part


def test_what_was_settled_stays_with_the_first_part() -> None:
    recipients = (
        Recipient("done@one.test", "delivered"),
        Recipient("a@one.test", "deferred"),
        Recipient("no@one.test", "failed"),
        Recipient("b@two.test", "queued"),
    )
    given = made(recipients=recipients, attempts=5, owner=9, warned=True, due_at=900)
    first, second = divided(given, lambda address: address.partition("@")[2], 50)
    assert [r.address for r in first.recipients] == ["done@one.test", "no@one.test", "a@one.test"]
    assert [r.address for r in second.recipients] == ["b@two.test"]
    for part in (first, second):
        assert (part.owner, part.attempts, part.due_at) == (0, 0, 50)
        assert (part.created_at, part.expires_at, part.warned) == (given.created_at, given.expires_at, True)


# What the store does


async def in_place(office: Office, claimed: Delivery, owner: int, *destinations: str) -> bool:
    parts = [made(destination=destination, mailbox_id=7) for destination in destinations]
    moved: bool = await office.store.write(lambda tx: rerouting.put_in_place(tx, claimed, owner, parts))
    return moved


async def test_parts_get_positions_that_the_message_does_not_have(make_office: MakeOffice) -> None:
    office = make_office()
    for position in (0, 1, 5):
        await office.store.write(
            lambda tx, p=position: deliveries.add(tx, made(position=p, destination=f"d{p}"))
        )
    (claimed,) = await office.store.write(lambda tx: deliveries.claim(tx, 7, "d1", 100, 200, 3, 10))
    assert await in_place(office, claimed, 3, "x", "y", "z")
    found = await office.queue()
    assert [(d.position, d.destination) for d in found] == [
        (0, "d0"),
        (1, "x"),
        (5, "d5"),
        (6, "y"),
        (7, "z"),
    ]
    assert {d.siblings for d in found if d.destination in "xyz"} == {5}


@pytest.mark.parametrize("change", [{"owner": 4}, {"attempts": 2}])
async def test_a_delivery_that_is_not_ours_any_more_is_left_alone(
    make_office: MakeOffice, change: dict[str, int]
) -> None:
    office = make_office()
    await office.store.write(lambda tx: deliveries.add(tx, made(destination="d")))
    (claimed,) = await office.store.write(lambda tx: deliveries.claim(tx, 7, "d", 100, 200, 3, 10))
    values = {"owner": 3, "attempts": 1, **change}
    stale = made(destination="d", attempts=values["attempts"])
    assert not await in_place(office, stale, values["owner"], "x", "y")
    assert [(d.destination, d.state) for d in await office.queue()] == [("d", QUEUED)]
    assert claimed.attempts == 1


async def test_what_cannot_be_rerouted_at_the_moment_keeps_nothing_else_back(make_office: MakeOffice) -> None:
    """Both were claimed together."""
    old = make_office(routes=(RouteSettings(domains=["two.test"], to="smtp://old.test:25"), *ROUTES))
    await old.send("a@one.test")
    await old.send("b@two.test")
    office = make_office()
    office.store.breaks = rerouting_once()
    await office.worker.start()
    await office.until_done(2)
    assert (office.one.addresses, office.two.addresses) == (["a@one.test"], ["b@two.test"])
    assert office.store.broke == 1
    assert [lane.held for lane in office.worker._lanes] == [0] * len(office.worker._lanes)


def rerouting_once() -> Callable[[object], StoreError | None]:
    """Breaks the first time that something is moved."""
    left = [StoreError("the disk is full")]
    return lambda fn: left.pop() if left and "Rerouter.reroute." in getattr(fn, "__qualname__", "") else None
