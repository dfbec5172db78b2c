"""What waits in the database: claimed a little at a time, fresh mail before retries, everybody in turn."""

import asyncio

import pytest
from msgspec import structs
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import LATER, ONE, SETTINGS, YES, Office, ScriptedCourier

from graphpost.clock import SECOND
from graphpost.config import RouteSettings
from graphpost.store.queue import deliveries
from graphpost.transport.courier import Envelope, Outcome

pytestmark = pytest.mark.anyio

NAMES = [f"d{number}.test" for number in range(30)]
ROUTES = [RouteSettings(domains=[name], to=f"smtp://{name}:25") for name in NAMES]
FEW = structs.replace(SETTINGS, active_messages=100, connections=40, retry_jitter=0.0)


class BusyCourier(ScriptedCourier):
    """Lets others have their turn, as one with a network does."""

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        outcomes = await super().deliver(envelope)
        for _ in range(10):
            await asyncio.sleep(0)
        return outcomes


def busy(make_office: MakeOffice, limit: int) -> Office:
    office = make_office(limit=limit)
    office.one = office.couriers[ONE] = BusyCourier(office.clock)
    return office


def couriers(office: Office) -> list[ScriptedCourier]:
    found = [ScriptedCourier(office.clock) for _ in NAMES]
    office.couriers.update(zip((route.to for route in ROUTES), found, strict=True))
    return found


async def test_of_a_long_queue_little_is_in_memory_and_all_destinations_are_served(
    make_office: MakeOffice,
) -> None:
    outside = make_office(routes=ROUTES, settings=FEW)
    for number in range(20):
        await asyncio.gather(*(outside.send(f"{number}@{name}") for name in NAMES))
    office = make_office(routes=ROUTES, settings=FEW)
    found = couriers(office)
    most = [0, 0]

    def script(envelope: Envelope) -> list[Outcome]:
        lanes = office.worker._lanes
        most[0] = max(most[0], lanes._in_memory.used)
        most[1] = max(most[1], lanes._under_way.used)
        return [YES]

    for one in found:
        one.script = script
    await office.worker.start()
    await office.until_done(20 * len(NAMES))
    assert 0 < most[0] <= FEW.active_messages
    assert 0 < most[1] <= FEW.connections
    assert [len(one.taken) for one in found] == [20] * len(NAMES)
    await office.until(lambda: office.worker._lanes._in_memory.used == 0)


async def test_more_destinations_than_places_are_served_in_turn(make_office: MakeOffice) -> None:
    office = make_office(routes=ROUTES, settings=structs.replace(FEW, connections=4))
    found = couriers(office)
    for one in found:
        one.gate.clear()
    await office.worker.start()
    for _ in range(3):
        await asyncio.gather(*(office.send(f"a@{name}") for name in NAMES))
    await office.until(lambda: sum(one.under_way for one in found) == 4)
    assert max(one.under_way for one in found) <= 2
    order: list[int] = []
    for number, one in enumerate(found):
        one.script = lambda envelope, number=number: order.append(number) or [YES]  # type: ignore[misc, func-returns-value]
        one.gate.set()
    await office.until_done(3 * len(NAMES))
    assert len(set(order[: len(NAMES) + 8])) >= len(NAMES) - 8, "nobody twice before everybody once, nearly"


async def test_a_burst_of_retries_does_not_delay_fresh_mail(make_office: MakeOffice) -> None:
    office = busy(make_office, 8)
    await office.worker.start()
    office.one.says(LATER)
    for number in range(100):
        await office.send(f"retry{number}@one.test")
    await office.until_attempts(office.one, 100)
    office.one.says(YES)
    office.one.gate.clear()
    office.clock.jump_to(office.clock.now() + 61 * SECOND)
    await office.until(lambda: office.one.under_way >= 3)
    await office.send("fresh@one.test")
    await office.until(lambda: office.one.under_way >= 4)
    office.one.gate.set()
    await office.until_done(101)
    place = office.one.addresses[100:].index("fresh@one.test")
    assert place <= 8, "within the first that were under way"


async def test_retries_go_on_while_fresh_mail_keeps_coming(make_office: MakeOffice) -> None:
    office = busy(make_office, 2)
    await office.worker.start()
    office.one.says(LATER)
    for number in range(10):
        await office.send(f"retry{number}@one.test")
    await office.until_attempts(office.one, 10)
    office.one.says(YES)
    office.one.gate.clear()
    office.clock.jump_to(office.clock.now() + 61 * SECOND)
    for number in range(60):
        await office.send(f"fresh{number}@one.test")

    async def are_claimed() -> bool:
        return all(delivery.owner for delivery in await office.queue(state=deliveries.QUEUED))

    await office.until(are_claimed)
    office.one.gate.set()
    await office.until_done(70)
    last = max(n for n, address in enumerate(office.one.addresses[10:]) if address.startswith("retry"))
    assert last <= 50
