"""MTA-STS policies over time: found, kept, renewed, and never lost for want of an answer."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.delivery.post import open_sqlite

from graphpost.config import LogSettings, RouteSettings
from graphpost.delivery.outbound.levels import Levels
from graphpost.delivery.outbound.policies import (
    LOOK_SECONDS,
    RETRY_SECONDS,
    ROUND_SECONDS,
    SOONEST_SECONDS,
    Policies,
)
from graphpost.maillog import MailLog
from graphpost.store.queue import tls
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock
from graphpost.transport.mta_sts import Policy, PolicyError, parse_policy
from graphpost.transport.resolver import LookupFailedError, NoSuchDomainError

pytestmark = pytest.mark.anyio

ROUTE = RouteSettings(domains=["*"], to="mx:")
DAY = 86_400.0
WEEK = 7 * DAY


class Far:
    """far.test: its record, and the host of its policy."""

    def __init__(self) -> None:
        self.record: bytes | Exception = b"v=STSv1; id=1;"
        self.policy: str | PolicyError = self.text("enforce")
        self.looked = self.fetched = 0
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    @staticmethod
    def text(mode: str, mx: str = "mx.far.test", max_age: float = WEEK) -> str:
        return f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {max_age:.0f}\n"

    async def texts(self, name: str) -> tuple[bytes, ...]:
        assert name == "_mta-sts.far.test"
        self.looked += 1
        if isinstance(self.record, Exception):
            raise self.record
        return (self.record,)

    async def fetch(self, domain: str, *, ca_file: str, allow_local: bool) -> tuple[Policy, str]:
        assert domain == "far.test"
        self.fetched += 1
        self.begun.set()
        await self.gate.wait()
        if isinstance(self.policy, PolicyError):
            raise self.policy
        return parse_policy(self.policy), self.policy


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def far(anyio_backend: str) -> Far:
    return Far()


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
async def store(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Store]:
    store = open_sqlite(tmp_path)
    yield store
    await store.close()


@pytest.fixture
def start(store: Store, far: Far, clock: JumpingClock) -> Callable[[], Policies]:
    """Begin with what is stored."""
    log = MailLog(LogSettings(), io.StringIO(), clock.now)
    return lambda: Policies(store, far, far, clock, log)  # type: ignore[arg-type]


@pytest.fixture
def policies(start: Callable[[], Policies]) -> Policies:
    return start()


async def mode(policies: Policies) -> str:
    found = await policies.find("far.test", ROUTE)
    return found.mode if found is not None else "nothing"


async def test_a_policy_is_fetched_once_and_kept(policies: Policies, far: Far) -> None:
    assert [await mode(policies) for _ in range(5)] == ["enforce"] * 5
    assert (far.looked, far.fetched) == (1, 1)


async def test_all_who_ask_meanwhile_wait_for_the_same_fetch(policies: Policies, far: Far) -> None:
    far.gate.clear()
    asking = [asyncio.create_task(mode(policies)) for _ in range(10)]
    await far.begun.wait()
    far.gate.set()
    assert await asyncio.gather(*asking) == ["enforce"] * 10
    assert far.fetched == 1


async def test_one_who_gives_up_does_not_end_the_fetch_of_others(policies: Policies, far: Far) -> None:
    far.gate.clear()
    first, second = (asyncio.create_task(mode(policies)) for _ in range(2))
    await far.begun.wait()
    first.cancel()
    await asyncio.wait([first])
    far.gate.set()
    assert await second == "enforce"
    assert far.fetched == 1


@pytest.mark.parametrize(
    "record", [b"v=spf1 -all", NoSuchDomainError("no such name"), LookupFailedError("no answer")]
)
async def test_without_a_record_nothing_is_fetched(
    policies: Policies, far: Far, record: bytes | Exception
) -> None:
    far.record = record
    assert await mode(policies) == "nothing"
    assert far.fetched == 0


async def test_a_record_is_looked_for_again_after_a_while(
    policies: Policies, far: Far, clock: JumpingClock
) -> None:
    far.record = NoSuchDomainError("no such name")
    await mode(policies)
    far.record = b"v=STSv1; id=1;"
    await clock.advance(LOOK_SECONDS - 1)
    assert await mode(policies) == "nothing"
    await clock.advance(1)
    assert await mode(policies) == "enforce"


async def test_another_id_has_the_policy_fetched_again(
    policies: Policies, far: Far, clock: JumpingClock
) -> None:
    await mode(policies)
    far.policy = far.text("none")
    await clock.advance(LOOK_SECONDS)
    assert (await mode(policies), far.fetched) == ("enforce", 1)
    far.record = b"v=STSv1; id=2;"
    await clock.advance(LOOK_SECONDS)
    assert (await mode(policies), far.fetched) == ("none", 2)


async def test_a_policy_is_fetched_again_after_a_day(
    policies: Policies, far: Far, clock: JumpingClock
) -> None:
    await mode(policies)
    await clock.advance(DAY)
    await mode(policies)
    assert far.fetched == 2


@pytest.mark.parametrize(
    "record", [b"v=spf1 -all", NoSuchDomainError("no such name"), LookupFailedError("no answer")]
)
async def test_a_policy_counts_to_its_end_whatever_dns_says(
    policies: Policies, far: Far, clock: JumpingClock, record: bytes | Exception
) -> None:
    await mode(policies)
    far.record = record
    await clock.advance(WEEK - 1)
    assert await mode(policies) == "enforce"
    await clock.advance(1)
    assert await mode(policies) == "nothing"


@pytest.mark.parametrize(("max_age", "found"), [(0, "nothing"), (5, "enforce")])
async def test_a_policy_that_hardly_lasts_does_not_have_us_fetch_with_every_message(
    policies: Policies, far: Far, clock: JumpingClock, max_age: int, found: str
) -> None:
    far.policy = far.text("enforce", max_age=max_age)
    assert await mode(policies) == found
    for _ in range(10):
        clock.jump_to(clock.now() + 5_000_000)
        assert await mode(policies) == "nothing"
    assert (far.looked, far.fetched) == (1, 1)
    await clock.advance(SOONEST_SECONDS)
    assert await mode(policies) == found
    assert (far.looked, far.fetched) == (2, 2)


async def test_a_fetch_that_fails_is_tried_again_and_the_old_policy_counts_to_its_end(
    policies: Policies, far: Far, clock: JumpingClock
) -> None:
    await mode(policies)
    far.policy = PolicyError("mta-sts.far.test: no answer in time")
    far.record = b"v=STSv1; id=2;"
    await clock.advance(LOOK_SECONDS)
    assert (await mode(policies), far.fetched) == ("enforce", 2)
    await clock.advance(RETRY_SECONDS - 1)
    assert (await mode(policies), far.fetched) == ("enforce", 2)
    await clock.advance(1)
    assert (await mode(policies), far.fetched) == ("enforce", 3)
    await clock.advance(WEEK - LOOK_SECONDS - RETRY_SECONDS)
    assert await mode(policies) == "nothing"


async def test_a_policy_outlives_a_restart(
    start: Callable[[], Policies], far: Far, clock: JumpingClock
) -> None:
    await mode(start())
    far.record, far.policy = LookupFailedError("no answer"), PolicyError("down")
    assert await mode(start()) == "enforce"
    await clock.advance(WEEK)
    assert await mode(start()) == "nothing"


async def test_what_was_stored_and_cannot_be_read_is_fetched_again(
    policies: Policies, store: Store, far: Far, clock: JumpingClock
) -> None:
    spoilt = tls.StoredPolicy("far.test", "1", "nonsense", clock.now(), clock.now() + 10**12)
    await store.write(lambda tx: tls.put_policy(tx, spoilt))
    assert (await mode(policies), far.fetched) == ("enforce", 1)


async def test_domains_that_got_mail_have_their_policies_renewed_without_any(
    policies: Policies, store: Store, far: Far, clock: JumpingClock
) -> None:
    levels = Levels(store, clock, policies._log)
    await levels.find("far.test")
    levels.note("far.test", 2)
    await levels.close()
    await mode(policies)
    far.policy = far.text("testing")
    rounds = asyncio.create_task(policies.run(lambda domain: ROUTE))
    await clock.until_sleeping()
    for _ in range(24):
        await clock.advance(ROUND_SECONDS)
        await clock.until_sleeping()
    rounds.cancel()
    assert far.fetched == 2
    stored = await store.read(lambda tx: tls.find_policy(tx, "far.test"))
    assert stored is not None
    assert "testing" in stored.policy


@pytest.mark.parametrize("route", [None, RouteSettings(domains=["*"], to="mx:", mta_sts=False)])
async def test_policies_that_no_route_follows_are_left_to_end(
    policies: Policies, store: Store, far: Far, clock: JumpingClock, route: RouteSettings | None
) -> None:
    await mode(policies)
    rounds = asyncio.create_task(policies.run(lambda domain: route))
    await clock.until_sleeping()
    for _ in range(8 * 24):
        await clock.advance(ROUND_SECONDS)
        await clock.until_sleeping()
    rounds.cancel()
    assert far.fetched == 1
    assert await store.read(lambda tx: tls.find_policy(tx, "far.test")) is None
