"""The courier to mail exchangers, with a resolver that knows hosts and no addresses."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.transport.letters import envelope

from graphpost.errors import GraphpostError
from graphpost.transport.capture import CaptureCourier
from graphpost.transport.courier import Deferred, Delivered, Failed
from graphpost.transport.mta_sts import Policy
from graphpost.transport.mx import HOSTS, Demand, MxCourier
from graphpost.transport.resolver import Exchanger, LookupFailedError, NoSuchDomainError
from graphpost.transport.security import IN_CLEAR, Security


class Host(CaptureCourier):
    security = IN_CLEAR


class Anything:
    """A Safety for which everything is safe enough."""

    async def demand(self, domain: str) -> Demand:
        return Demand("opportunistic")

    def reached(self, domain: str, host: str, demand: Demand, security: Security) -> None:
        pass

    def refused(self, domain: str, host: str, reason: str) -> None:
        pass

    def passed_over(self, domain: str, host: str, reason: str) -> None:
        pass


class Directory:
    def __init__(self, error: type[GraphpostError]) -> None:
        self.asked: list[str] = []
        self._error = error

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        return tuple(Exchanger(number, f"mx{number}.{domain}") for number in range(500))

    async def addresses(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        raise self._error(f"no {host}")


@pytest.mark.parametrize("error", [LookupFailedError, NoSuchDomainError])
def test_of_many_exchangers_few_are_looked_up(error: type[GraphpostError]) -> None:
    directory = Directory(error)
    courier = MxCourier("far.test", directory, lambda *_: Host(), frozenset(), Random(1), safety=Anything())
    [outcome] = asyncio.run(courier.deliver(envelope()))
    assert isinstance(outcome, Deferred)
    assert directory.asked == [f"mx{number}.far.test" for number in range(HOSTS)]


class Strict(Anything):
    """A Safety that follows a policy; `unnamed` are the hosts that it does not name."""

    def __init__(self, *names: str) -> None:
        self._policy = Policy("enforce", 1, names)
        self.unnamed: list[str] = []

    async def demand(self, domain: str) -> Demand:
        return Demand("verified", self._policy, "the policy asks for it")

    def refused(self, domain: str, host: str, reason: str) -> None:
        self.unnamed.append(host)


def test_hosts_that_a_policy_does_not_name_are_not_looked_up() -> None:
    directory, safety = Directory(LookupFailedError), Strict("mx3.far.test", "mx499.far.test")
    courier = MxCourier("far.test", directory, lambda *_: Host(), frozenset(), Random(1), safety=safety)
    [outcome] = asyncio.run(courier.deliver(envelope()))
    assert isinstance(outcome, Deferred)
    assert directory.asked == ["mx3.far.test", "mx499.far.test"]
    assert len(safety.unnamed) == 498


def test_where_a_policy_names_no_host_mail_waits() -> None:
    directory, safety = Directory(LookupFailedError), Strict("mx.far.test")
    courier = MxCourier("far.test", directory, lambda *_: Host(), frozenset(), Random(1), safety=safety)
    [outcome] = asyncio.run(courier.deliver(envelope()))
    assert isinstance(outcome, Deferred)
    assert outcome.reply.status == "4.7.5"
    assert directory.asked == []


class OneHost:
    """`mx.far.test`, with these addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        return (Exchanger(10, f"mx.{domain}"),)

    async def addresses(self, host: str) -> tuple[str, ...]:
        return self._addresses


def deliver(*addresses: str, allow_local: bool = False) -> tuple[object, list[str]]:
    """What becomes of a message, and the addresses that were connected to."""
    tried: list[str] = []

    def host(name: str, address: str, tls: str) -> Host:
        tried.append(address)
        return Host()

    resolver, own = OneHost(*addresses), frozenset[str]()
    courier = MxCourier(
        "far.test", resolver, host, own, Random(1), safety=Anything(), allow_local=allow_local
    )
    [outcome] = asyncio.run(courier.deliver(envelope()))
    return outcome, tried


LOCAL = [
    ("127.0.0.1", "loopback addresses"),
    ("127.8.9.10", "loopback addresses"),
    ("::1", "loopback addresses"),
    ("::ffff:127.0.0.1", "loopback addresses"),
    ("::127.0.0.1", "loopback addresses"),
    ("64:ff9b::127.0.0.1", "loopback addresses"),
    ("2002:7f00:1::", "loopback addresses"),
    ("64:ff9b::169.254.169.254", "link-local addresses"),
    ("169.254.169.254", "link-local addresses"),
    ("fe80::1", "link-local addresses"),
    ("0.0.0.0", "addresses of no host"),
    ("0.1.2.3", "addresses of no host"),
    ("::", "addresses of no host"),
    ("::ffff:0.0.0.0", "addresses of no host"),
]
MULTICAST = ["224.0.0.1", "ff02::1", "::ffff:224.0.0.1"]


@pytest.mark.parametrize(
    ("address", "kind"), [*LOCAL, *((each, "multicast addresses") for each in MULTICAST)]
)
def test_dns_does_not_lead_to_ourselves(address: str, kind: str) -> None:
    outcome, tried = deliver(address)
    assert tried == []
    assert isinstance(outcome, Failed)
    said = f"mx.far.test has the address {address}, and mail is not sent to {kind}"
    assert (outcome.reply.status, outcome.reply.text) == ("5.4.4", said)


@pytest.mark.parametrize("address", [each for each, _ in LOCAL])
def test_a_route_may_allow_it(address: str) -> None:
    outcome, tried = deliver(address, allow_local=True)
    assert (type(outcome), tried) == (Delivered, [address])


@pytest.mark.parametrize("address", MULTICAST)
def test_multicast_is_never_allowed(address: str) -> None:
    assert deliver(address, allow_local=True)[1] == []


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.1.1", "172.16.0.1", "fd00::1", "192.0.2.1", "2001:db8::1"]
)
def test_hosts_of_our_own_network_and_of_the_internet_are_reached(address: str) -> None:
    assert deliver(address)[1] == [address]


def test_of_several_addresses_the_others_are_tried() -> None:
    outcome, tried = deliver(*(f"127.0.0.{number}" for number in range(1, 20)), "192.0.2.7")
    assert (type(outcome), tried) == (Delivered, ["192.0.2.7"])
