"""Many destinations, some of them sick: the healthy ones do not notice, nothing is lost, what is dead comes back."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from msgspec import structs
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import DEAD, SETTINGS, YES, Office, Script, ScriptedCourier

from graphpost.config import RouteSettings
from graphpost.store.queue import deliveries
from graphpost.transport.courier import Envelope, Outcome

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

HEALTHY, DEAD_ONES, SLOW, FLAKY = 80, 10, 5, 5
EACH = 10
SLOW_SECONDS, SILENT_SECONDS = 120.0, 30.0
EXPIRY, WARNING = 4 * 3600.0, 3600.0
HERE = structs.replace(
    SETTINGS,
    connections=40,  # fewer than the sick ones would take
    active_messages=400,
    retry_seconds=[60.0, 300.0, 900.0],
    expiry_seconds=EXPIRY,
    delay_warning_seconds=WARNING,
)


def names(kind: str, many: int) -> list[str]:
    return [f"{kind}{number}.test" for number in range(many)]


KINDS = {
    name: kind
    for kind, many in (("healthy", HEALTHY), ("dead", DEAD_ONES), ("slow", SLOW), ("flaky", FLAKY))
    for name in names(kind, many)
}
ROUTES = [RouteSettings(domains=[name], to=f"smtp://{name}:25") for name in KINDS]


@dataclass
class SickCourier(ScriptedCourier):
    """Thinks for some seconds of the clock before it answers."""

    seconds: float = 0.0

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.clock.sleep(self.seconds)
        self.under_way -= 1
        return await super().deliver(envelope)


def courier(office: Office, name: str) -> ScriptedCourier:
    """How a destination of that name behaves."""
    kind, number = KINDS[name], int("".join(filter(str.isdigit, name)))
    if kind == "slow":
        return SickCourier(office.clock, seconds=SLOW_SECONDS)
    if kind == "dead":
        made = (
            SickCourier(office.clock, seconds=SILENT_SECONDS) if number % 2 else ScriptedCourier(office.clock)
        )
        made.says(DEAD)
        return made
    made = ScriptedCourier(office.clock)
    if kind == "flaky":
        made.script = every_second()
    return made


def every_second() -> Script:
    calls = [0]

    def script(envelope: Envelope) -> Sequence[Outcome]:
        calls[0] += 1
        return [DEAD if calls[0] % 2 else YES] * len(envelope.recipients)

    return script


def make(make_office: MakeOffice) -> tuple[Office, dict[str, ScriptedCourier]]:
    office = make_office(settings=HERE, routes=ROUTES, limit=20)
    couriers = {name: courier(office, name) for name in KINDS}
    office.couriers.update({f"smtp://{name}:25": one for name, one in couriers.items()})
    return office, couriers


async def look_again(office: Office) -> None:
    await office.look_around()


async def finish(office: Office) -> None:
    """Let time pass until nothing is queued."""
    while (await office.store.read(deliveries.depth))[0]:
        await office.clock.advance(60.0)
        await look_again(office)
    await office.settle_down()


async def test_healthy_destinations_do_not_notice_and_nothing_is_lost(make_office: MakeOffice) -> None:
    office, couriers = make(make_office)
    await office.worker.start()
    began = office.clock.now()
    sick_first = sorted(KINDS, key=lambda name: KINDS[name] == "healthy")
    for name in sick_first:
        await asyncio.gather(*(office.send(f"{number}@{name}") for number in range(EACH)))
    healthy = [couriers[name] for name in names("healthy", HEALTHY)]
    await office.until(lambda: sum(len(one.taken) for one in healthy) == HEALTHY * EACH)
    assert office.clock.now() == began, "nobody healthy waited for a host that thinks"
    assert {at for one in healthy for at, _, _ in one.taken} == {began}
    await finish(office)
    delivered = Counter(
        recipient.address
        for delivery in await office.queue()
        for recipient in delivery.recipients
        if recipient.state == "delivered"
    )
    living = [name for name, kind in KINDS.items() if kind != "dead"]
    assert delivered == Counter(f"{number}@{name}" for name in living for number in range(EACH))
    for name in living:
        answers = len(couriers[name].taken)
        assert answers == EACH if KINDS[name] != "flaky" else answers <= 2 * EACH + 1
    subjects = Counter(item.message.subject for item in await office.inbox())
    assert subjects["Undeliverable: Lunch"] == DEAD_ONES * EACH
    assert subjects["Delivery delayed: Lunch"] == DEAD_ONES * EACH
    lanes = office.worker._lanes
    await office.until(lambda: lanes._under_way.used == lanes._in_memory.used == 0)


async def test_a_dead_destination_is_tried_by_one_at_a_time_and_seldom(make_office: MakeOffice) -> None:
    office, couriers = make(make_office)
    await office.worker.start()
    dead = [couriers[name] for name in names("dead", DEAD_ONES)]
    for name in names("dead", DEAD_ONES):
        await asyncio.gather(*(office.send(f"{number}@{name}") for number in range(5 * EACH)))
    await finish(office)
    openings = 2 + (EXPIRY + 2 * WARNING) / HERE.retry_seconds[-1]
    assert max(len(one.taken) for one in dead) <= 5 + openings, "a cohort, then a probe at each opening"
    reports = Counter(item.message.subject for item in await office.inbox())
    assert reports == {"Delivery delayed: Lunch": 50 * EACH, "Undeliverable: Lunch": 50 * EACH}


async def test_lanes_of_long_ago_are_forgotten(make_office: MakeOffice) -> None:
    office, _ = make(make_office)
    await office.worker.start()
    for name in names("healthy", HEALTHY):
        await office.send(f"a@{name}")
    await office.until_done(HEALTHY)
    for _ in range(3):
        await office.clock.advance(61.0)
        await look_again(office)
    assert len(office.worker._lanes) == 0


async def test_the_metrics_tell_what_is_under_way_and_what_is_held(make_office: MakeOffice) -> None:
    office, couriers = make(make_office)
    await office.worker.start()
    for number in range(5):
        await asyncio.gather(office.send(f"{number}@dead0.test"), office.send(f"{number}@slow0.test"))
    metrics = office.log.metrics

    def are_told() -> bool:
        of_memory = metrics.deliveries_under_way, metrics.deliveries_in_memory
        return metrics.destinations_held == 1 and of_memory == (5, 5)

    await office.until(are_told)
    await office.clock.advance(SLOW_SECONDS)
    await office.until(lambda: metrics.deliveries_in_memory == 0)
    assert len(couriers["slow0.test"].taken) == 5
