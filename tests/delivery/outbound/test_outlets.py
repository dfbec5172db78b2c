"""The outlets: how many connections a courier may have, and how many deliveries keep them busy."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.delivery.post import open_sqlite

from graphpost.config import DeliverySettings, DnsSettings, LogSettings, RouteSettings
from graphpost.delivery.outbound.outlets import Outlets, exchanger_target
from graphpost.delivery.outbound.relaying import target_of
from graphpost.delivery.queue.lane import Limits
from graphpost.delivery.routing import CAPTURE, Router, destination_key
from graphpost.errors import ConfigurationError
from graphpost.mail.mailbox import Directory
from graphpost.maillog import MailLog
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock

SETTINGS = DeliverySettings(concurrency=7)


MakeOutlets = Callable[..., Outlets]


@pytest.fixture
def outlets(tmp_path: Path) -> Iterator[MakeOutlets]:
    store = open_sqlite(tmp_path)
    yield partial(make, store)
    asyncio.run(store.close())


def make(store: Store, *routes: RouteSettings) -> Outlets:
    router = Router(lambda: Directory.of([]), [], routes)
    return Outlets(
        routes,
        SETTINGS,
        "mail.test",
        router=router,
        dns=DnsSettings(servers=["127.0.0.1:53"]),
        store=store,
        clock=JumpingClock(),
        log=MailLog(LogSettings(), io.StringIO()),
    )


@pytest.mark.parametrize(("concurrency", "connections"), [(0, 7), (3, 3)])
def test_a_route_has_its_own_number_of_connections_or_the_usual(concurrency: int, connections: int) -> None:
    route = RouteSettings(domains=["*"], to="smtp://mx.test", concurrency=concurrency)
    assert target_of(route, SETTINGS, "mail.test").connections == connections


def test_names_that_are_not_ascii_are_used_in_their_a_labels() -> None:
    """IDNA 2008: ß is a letter of its own."""
    route = RouteSettings(domains=["*"], to="smtp://relay.faß.test:587", hostname="bücher.test")
    target = target_of(route, SETTINGS, "mail.test")
    assert (target.host, target.port, target.hostname) == ("relay.xn--fa-hia.test", 587, "xn--bcher-kva.test")


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_route_says_whether_commands_are_pipelined(pipelining: bool) -> None:
    route = RouteSettings(domains=["*"], to="smtp://mx.test", pipelining=pipelining)
    assert target_of(route, SETTINGS, "mail.test").pipelining is pipelining


@pytest.mark.parametrize(("concurrency", "deliveries"), [(0, 14), (3, 6)])
def test_over_smtp_two_deliveries_a_connection_are_under_way(
    outlets: MakeOutlets, concurrency: int, deliveries: int
) -> None:
    route = RouteSettings(domains=["*"], to="smtp://mx.test", concurrency=concurrency)
    assert outlets(route).limits(destination_key(route)).most == deliveries


def test_elsewhere_the_settings_number_is_the_limit(outlets: MakeOutlets) -> None:
    assert outlets().limits(CAPTURE) == Limits(7, initial=7, is_remote=False)


def test_by_mx_each_domain_has_a_courier_and_its_number_of_deliveries(outlets: MakeOutlets) -> None:
    found = outlets(RouteSettings(domains=["far.test"], to="mx:", concurrency=3))
    assert found.find("mx:far.test") is not None
    assert found.limits("mx:far.test").most == 6
    assert found.find("mx:other.test") is None


def test_an_exchanger_is_reached_as_its_route_says() -> None:
    route = RouteSettings(domains=["*"], to="mx:2525", tls="verified", hostname="us.test", source="127.0.0.9")
    target = exchanger_target(route, SETTINGS, "mail.test", "mx.far.test", "127.0.0.2")
    assert (target.host, target.address, target.port) == ("mx.far.test", "127.0.0.2", 2525)
    assert (target.hostname, target.source, target.tls) == ("us.test", "127.0.0.9", "verified")


@pytest.mark.parametrize("to", ["mx:", "smtp://mx.test"])
@pytest.mark.parametrize("key", ["ca_file", "certificate"])
def test_files_that_cannot_be_used_are_refused_at_the_start(
    outlets: MakeOutlets, tmp_path: Path, to: str, key: str
) -> None:
    file = tmp_path / "nonsense.pem"
    file.write_text("nonsense")
    good, bad = (
        RouteSettings(domains=[f"{n}.test"], to=to, **files) for n, files in enumerate(({}, {key: str(file)}))
    )
    with pytest.raises(ConfigurationError, match=rf"^routes\[1\]\.{key}: cannot be used"):
        outlets(good, bad)
