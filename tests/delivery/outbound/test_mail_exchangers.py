"""Mail by MX, end to end: a real server, a DNS server of the test's, exchangers on addresses of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.client import Client, eventually

from graphpost.config import Config, RouteSettings
from graphpost.testing.dns_peer import DnsPeer
from graphpost.testing.ports import free_port
from graphpost.testing.server import ServerThread, running_server
from graphpost.testing.smtp_peer import Drop, SmtpPeer

DOMAIN = "far.test"


class World:
    """A server whose mail goes by MX; hosts are `mxN.far.test` at 127.0.0.N."""

    def __init__(
        self, server: ServerThread, client: Client, dns: DnsPeer, stack: contextlib.ExitStack
    ) -> None:
        self.server, self.client, self.dns = server, client, dns
        self.port = int(server.config.routes[0].to.removeprefix("mx:"))
        self._stack = stack

    def exchanger(self, number: int, *, is_up: bool = True) -> SmtpPeer:
        """A host with an address; it listens if it is up."""
        self.dns.add(f"mx{number}.{DOMAIN}", "A", f"127.0.0.{number}")
        peer = SmtpPeer(host=f"127.0.0.{number}", port=self.port)
        return self._stack.enter_context(peer) if is_up else peer

    def exchange(self, *records: str) -> None:
        self.dns.add(DOMAIN, "MX", *records)

    def send(self, to: str = f"bob@{DOMAIN}") -> dict[str, str]:
        return self.client.outcome(self.client.send(to))

    def reply(self, queue_id: str) -> str:
        (recipient,) = self.client.message(queue_id)["recipients"]
        said = recipient["reply"]
        return f"{said['status']} {said['text']}" if said else ""


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Its parameter, if any, is how many seconds it waits for DNS."""
    seconds = getattr(request, "param", 60.0)
    with contextlib.ExitStack() as stack:
        dns = stack.enter_context(DnsPeer())
        port = free_port()

        def change(config: Config) -> Config:
            delivery = replace(
                config.delivery, hostname="us.far.test", retry_seconds=[0.05], poll_seconds=0.02
            )
            return replace(
                config,
                server=replace(config.server, tls=False),
                delivery=delivery,
                dns=replace(config.dns, servers=[dns.address], seconds=seconds),
                routes=[RouteSettings(domains=["*"], to=f"mx:{port}", allow_local=True)],
            )

        server = stack.enter_context(running_server(tmp_path / "data", change=change))
        yield World(server, Client(server.port, tmp_path / "data"), dns, stack)


def test_the_best_exchanger_gets_the_mail(world: World) -> None:
    second, first = world.exchanger(2), world.exchanger(3)
    world.exchange(f"20 mx2.{DOMAIN}.", f"10 mx3.{DOMAIN}.")
    assert world.send() == {f"bob@{DOMAIN}": "delivered"}
    assert (len(first.messages), len(second.messages)) == (1, 0)


def test_the_next_exchanger_gets_it_when_the_best_is_down(world: World) -> None:
    world.exchanger(2, is_up=False)
    next_ = world.exchanger(3)
    world.exchange(f"10 mx2.{DOMAIN}.", f"20 mx3.{DOMAIN}.")
    assert [world.send(), world.send()] == [{f"bob@{DOMAIN}": "delivered"}] * 2
    assert len(next_.messages) == 2
    said = world.server.output.wait_for("passed-over ")
    assert f'domain={DOMAIN} host=mx2.{DOMAIN} reason="4.4.1 connection refused' in said


@pytest.mark.parametrize("step", ["connect", "EHLO", "MAIL"])
@pytest.mark.parametrize("how", ["421 4.3.2 busy", "drop"])
def test_the_next_exchanger_gets_it_when_the_best_does_not_want_to_talk(
    world: World, step: str, how: str
) -> None:
    first, next_ = world.exchanger(2), world.exchanger(3)
    first.rule(step, Drop() if how == "drop" else how)
    world.exchange(f"10 mx2.{DOMAIN}.", f"20 mx3.{DOMAIN}.")
    assert world.send() == {f"bob@{DOMAIN}": "delivered"}
    assert len(next_.messages) == 1


def test_what_one_exchanger_refuses_no_other_is_asked(world: World) -> None:
    first, second = world.exchanger(2), world.exchanger(3)
    first.rule("RCPT", "550 5.1.1 no such user")
    world.exchange(f"10 mx2.{DOMAIN}.", f"20 mx3.{DOMAIN}.")
    assert world.send() == {f"bob@{DOMAIN}": "failed"}
    assert second.connections == 0


def test_a_host_with_several_addresses_is_tried_at_each(world: World) -> None:
    peer = world.exchanger(3)
    world.dns.add("multi.far.test", "A", "127.0.0.2", "127.0.0.3")
    world.exchange("10 multi.far.test.")
    assert world.send() == {f"bob@{DOMAIN}": "delivered"}
    assert len(peer.messages) == 1


def test_a_domain_without_exchangers_is_its_own(world: World) -> None:
    peer = world.exchanger(4)
    world.dns.add(DOMAIN, "A", "127.0.0.4")
    assert world.send() == {f"bob@{DOMAIN}": "delivered"}
    assert len(peer.messages) == 1


def test_an_alias_leads_to_the_exchangers_of_what_it_stands_for(world: World) -> None:
    peer = world.exchanger(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.dns.add("alias.test", "CNAME", f"{DOMAIN}.")
    assert world.send("bob@alias.test") == {"bob@alias.test": "delivered"}
    assert len(peer.messages) == 1


def test_each_domain_has_its_own_exchangers_and_may_share_them(world: World) -> None:
    peer = world.exchanger(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.dns.add("other.test", "MX", f"10 mx2.{DOMAIN}.")
    both = world.client.send(f"bob@{DOMAIN}", "eve@other.test", "carl@other.test")
    assert set(world.client.outcome(both).values()) == {"delivered"}
    assert sorted(message.recipients for message in peer.messages) == [
        (f"bob@{DOMAIN}",),
        ("eve@other.test", "carl@other.test"),
    ]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (["0 ."], "5.1.10 far.test takes no mail (null MX)"),
        (["10 us.far.test."], "5.4.6 mail for far.test would come back: we are its mail server"),
        (
            ["10 us.far.test.", "20 mx2.far.test."],
            "5.4.6 mail for far.test would come back: we are its mail server",
        ),
        ([], "5.4.4 far.test has no mail server"),
        (None, "5.1.2 there is no domain far.test"),
    ],
)
def test_mail_that_can_never_go_anywhere_comes_back_and_says_why(
    world: World, records: list[str] | None, said: str
) -> None:
    world.exchanger(2)
    if records is not None:
        world.exchange(*records)
    queue_id = world.client.send(f"bob@{DOMAIN}")
    assert world.client.outcome(queue_id) == {f"bob@{DOMAIN}": "failed"}
    assert world.reply(queue_id) == said
    (report,) = world.client.folder("inbox")
    assert said.partition(" ")[2] in report["body"]["content"]


def test_where_we_are_the_second_exchanger_the_first_gets_it(world: World) -> None:
    first, worse = world.exchanger(2), world.exchanger(3)
    world.exchange(f"10 mx2.{DOMAIN}.", "20 us.far.test.", f"30 mx3.{DOMAIN}.")
    assert world.send() == {f"bob@{DOMAIN}": "delivered"}
    assert (len(first.messages), worse.connections) == (1, 0)


@pytest.mark.parametrize("world", [0.5], indirect=True)
@pytest.mark.parametrize("trouble", ["fail", "say_nothing"])
@pytest.mark.parametrize("name", [DOMAIN, f"mx2.{DOMAIN}"])
def test_mail_waits_for_dns(world: World, trouble: str, name: str) -> None:
    peer = world.exchanger(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    getattr(world.dns, trouble)(name)
    queue_id = world.client.send(f"bob@{DOMAIN}")
    eventually(lambda: world.reply(queue_id).startswith("4.4.3 the "))
    world.dns.recover()
    assert world.client.outcome(queue_id) == {f"bob@{DOMAIN}": "delivered"}
    assert len(peer.messages) == 1
