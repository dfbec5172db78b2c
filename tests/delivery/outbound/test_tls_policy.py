"""TLS towards the outside, end to end: a real server, DNS and policies of the test's, exchangers with certificates."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec.structs import replace
from tests.client import Client
from tests.delivery.outbound.test_mail_exchangers import DOMAIN, World

from graphpost.config import Config, RouteSettings
from graphpost.testing.dns_peer import DnsPeer
from graphpost.testing.policy_peer import PolicyPeer
from graphpost.testing.ports import free_port
from graphpost.testing.server import ServerThread, running_server
from graphpost.testing.smtp_peer import Drop, SmtpPeer

POLICY = "version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n"
BOB = f"bob@{DOMAIN}"


class Guarded(World):
    """A World in which hosts have certificates from `authority`, and the domain may have a policy."""

    policies: PolicyPeer
    authority: trustme.CA
    start: Callable[[], contextlib.AbstractContextManager[ServerThread]]
    running: contextlib.ExitStack

    def secure(self, number: int, *names: str, authority: trustme.CA | None = None) -> SmtpPeer:
        """An exchanger with STARTTLS; its certificate is for itself, or for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (authority or self.authority).issue_cert(*(names or (f"mx{number}.{DOMAIN}",))).configure_cert(
            context
        )
        self.dns.add(f"mx{number}.{DOMAIN}", "A", f"127.0.0.{number}")
        return self._stack.enter_context(SmtpPeer(host=f"127.0.0.{number}", port=self.port, tls=context))

    def announce(self, mode: str, mx: str = f"*.{DOMAIN}", id_: str = "1") -> None:
        """Have a policy, and a record that says so."""
        self.dns.remove(f"_mta-sts.{DOMAIN}")
        self.dns.add(f"_mta-sts.{DOMAIN}", "TXT", f'"v=STSv1; id={id_};"')
        self.policies.publish(DOMAIN, POLICY.format(mode=mode, mx=mx))

    def returned(self) -> str:
        """Send to Bob in vain; the body of the report."""
        assert self.send() == {BOB: "failed"}
        (report,) = self.client.folder("inbox")
        return str(report["body"]["content"])

    def restart(self) -> None:
        """End the server, if it runs, and start it again with what it has stored."""
        self.running.close()
        self.server = self.running.enter_context(self.start())
        self.client.port = self.server.port
        self.client.tokens.clear()

    def log(self, pattern: str) -> str:
        return self.server.output.wait_for(pattern)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def make_world(tmp_path: Path, authority: trustme.CA) -> Iterator[Callable[..., Guarded]]:
    with contextlib.ExitStack() as stack:

        def make(**route: Any) -> Guarded:
            dns = stack.enter_context(DnsPeer())
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(f"mta-sts.{DOMAIN}").configure_cert(context)
            policies = stack.enter_context(PolicyPeer(context))
            dns.add(f"mta-sts.{DOMAIN}", "A", "127.0.0.1")
            port, ca_file = free_port(), tmp_path / "ca.pem"
            authority.cert_pem.write_to_path(str(ca_file))
            options = {"allow_local": True, "ca_file": str(ca_file)} | route

            def change(config: Config) -> Config:
                times = {"retry_seconds": [0.05], "poll_seconds": 0.02, "expiry_seconds": 0.3}
                return replace(
                    config,
                    server=replace(config.server, tls=False),
                    delivery=replace(config.delivery, hostname="us.far.test", **times),
                    dns=replace(config.dns, servers=[dns.address], seconds=60.0),
                    routes=[RouteSettings(domains=["*"], to=f"mx:{port}", **options)],
                )

            data = tmp_path / "data"

            def start() -> contextlib.AbstractContextManager[ServerThread]:
                return running_server(data, change=change, policy_port=policies.port)

            running = stack.enter_context(contextlib.ExitStack())
            server = running.enter_context(start())
            world = Guarded(server, Client(server.port, data), dns, stack)
            world.policies, world.authority = policies, authority
            world.start, world.running = start, running
            return world

        yield make


@pytest.fixture
def world(make_world: Callable[..., Guarded]) -> Guarded:
    return make_world()


# MTA-STS


def test_an_enforced_policy_is_followed_where_certificate_and_host_are_right(world: Guarded) -> None:
    peer = world.secure(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.announce("enforce")
    assert world.send() == {BOB: "delivered"}
    assert [message.is_tls for message in peer.messages] == [True]
    world.log("secured host=mx2.far.test address=127.0.0.2 protocol=TLSv1.3 .* certificate=verified")


@pytest.mark.parametrize(
    ("names", "is_trusted", "said"),
    [
        (["elsewhere.test"], True, "the certificate is not trusted: Hostname mismatch"),
        (["mx2.far.test"], False, "the certificate is not trusted: unable to get local issuer"),
        (["mx2.far.test"], None, "mx2.far.test does not offer STARTTLS"),
    ],
)
def test_an_enforced_policy_refuses_hosts_without_a_valid_certificate(
    world: Guarded, names: list[str], is_trusted: bool | None, said: str
) -> None:
    if is_trusted is None:
        peer = world.exchanger(2)
    else:
        peer = world.secure(2, *names, authority=world.authority if is_trusted else trustme.CA())
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.announce("enforce")
    report = world.returned()
    assert said in report
    assert "the MTA-STS policy of far.test asks for TLS with a valid certificate" in report
    assert peer.messages == []
    world.log("tls-refused domain=far.test host=mx2.far.test")


def test_an_enforced_policy_refuses_hosts_that_it_does_not_name(world: Guarded) -> None:
    peer = world.secure(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.announce("enforce", mx=f"mx3.{DOMAIN}")
    said = "the MTA-STS policy of far.test names none of its mail servers: mx2.far.test"
    assert said in world.returned()
    assert peer.connections == 0


def test_of_several_hosts_the_first_that_the_policy_lets_gets_the_mail(world: Guarded) -> None:
    unnamed, untrusted, right = world.secure(2), world.secure(3, authority=trustme.CA()), world.secure(4)
    world.exchange(f"10 mx2.{DOMAIN}.", f"20 mx3.{DOMAIN}.", f"30 mx4.{DOMAIN}.")
    world.announce("enforce", mx=f"mx3.{DOMAIN}\nmx: mx4.{DOMAIN}")
    assert world.send() == {BOB: "delivered"}
    assert (unnamed.connections, untrusted.messages, len(right.messages)) == (0, [], 1)


@pytest.mark.parametrize(
    ("mx", "is_trusted", "said"),
    [
        ("mx3.far.test", True, "policy does not name this host"),
        ("mx2.far.test", False, "the certificate is not trusted"),
    ],
)
def test_a_policy_in_testing_is_only_reported(world: Guarded, mx: str, is_trusted: bool, said: str) -> None:
    peer = world.secure(2, authority=world.authority if is_trusted else trustme.CA())
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.announce("testing", mx=mx)
    assert world.send() == {BOB: "delivered"}
    assert [message.is_tls for message in peer.messages] == [True]
    assert said in world.log("mta-sts-failed domain=far.test host=mx2.far.test")


def test_a_policy_that_cannot_be_fetched_is_none(world: Guarded) -> None:
    peer = world.exchanger(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.announce("enforce")
    world.policies.withdraw(DOMAIN)
    assert world.send() == {BOB: "delivered"}
    assert len(peer.messages) == 1
    world.log("mta-sts-unavailable domain=far.test reason=.*404")


def test_a_policy_in_the_cache_counts_while_its_host_is_down(world: Guarded) -> None:
    world.secure(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.announce("enforce")
    assert world.send() == {BOB: "delivered"}
    world.policies.withdraw(DOMAIN)
    world.dns.fail(f"_mta-sts.{DOMAIN}")
    world.dns.remove(DOMAIN)
    other = world.exchanger(3)
    world.exchange(f"10 mx3.{DOMAIN}.")
    world.restart()
    assert "asks for TLS with a valid certificate" in world.returned()
    assert other.messages == []


def test_a_route_may_pass_over_policies(make_world: Callable[..., Guarded]) -> None:
    world = make_world(mta_sts=False)
    peer = world.exchanger(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    world.announce("enforce")
    assert world.send() == {BOB: "delivered"}
    assert len(peer.messages) == 1
    assert (f"_mta-sts.{DOMAIN}", "TXT") not in world.dns.questions


# What was reached before


def seen_under_tls(world: Guarded) -> SmtpPeer:
    """An exchanger that got a message under TLS, and is down now."""
    peer = world.secure(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    assert world.send() == {BOB: "delivered"}
    peer.stop()
    return peer


def in_its_place(world: Guarded, **settings: Any) -> SmtpPeer:
    """Another exchanger at the address of the first."""
    return world._stack.enter_context(SmtpPeer(host="127.0.0.2", port=world.port, **settings))


def test_mail_does_not_go_in_clear_text_where_it_went_under_tls(world: Guarded) -> None:
    seen_under_tls(world)
    stripped = in_its_place(world)
    report = world.returned()
    assert "mx2.far.test does not offer STARTTLS" in report
    assert "far.test took mail under TLS before, last on " in report
    assert stripped.messages == []
    world.log("tls-refused domain=far.test host=mx2.far.test reason=")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("454 4.7.0 no key", "mx2.far.test answered STARTTLS with 454 no key"),
        (Drop("220 go ahead"), "starting TLS (mx2.far.test)"),
    ],
)
def test_a_handshake_that_fails_is_no_way_round(world: Guarded, answer: str | Drop, said: str) -> None:
    seen_under_tls(world)
    broken = in_its_place(world, extensions=("STARTTLS",))
    broken.rule("STARTTLS", answer)
    report = world.returned()
    assert said in report
    assert "took mail under TLS before" in report
    assert broken.messages == []


def test_it_is_remembered_over_a_restart(world: Guarded) -> None:
    seen_under_tls(world)
    in_its_place(world)
    world.restart()
    assert "took mail under TLS before" in world.returned()


def test_a_host_that_has_tls_gets_the_mail_when_another_has_it_no_more(world: Guarded) -> None:
    seen_under_tls(world)
    in_its_place(world)
    right = world.secure(3)
    world.dns.remove(DOMAIN)
    world.exchange(f"10 mx2.{DOMAIN}.", f"20 mx3.{DOMAIN}.")
    world.restart()
    assert world.send() == {BOB: "delivered"}
    assert len(right.messages) == 1


def test_an_administrator_can_have_it_forgotten(world: Guarded) -> None:
    seen_under_tls(world)
    in_its_place(world)
    assert "took mail under TLS before" in world.returned()
    assert world.client.administer(f"/admin/tls/{DOMAIN}")["level"] == "verified"
    world.client.administer(f"/admin/tls/{DOMAIN}/forget", "POST")
    assert world.client.administer(f"/admin/tls/{DOMAIN}")["level"] == ""
    assert world.send() == {BOB: "delivered"}


@pytest.mark.parametrize("how", ["warn", "allow"])
def test_a_route_may_let_it_go_in_clear_text(make_world: Callable[..., Guarded], how: str) -> None:
    world = make_world(tls_downgrade=how)
    seen_under_tls(world)
    stripped = in_its_place(world)
    assert world.send() == {BOB: "delivered"}
    assert len(stripped.messages) == 1
    said = "tls-downgraded domain=far.test host=mx2.far.test before=verified now=plain reason="
    world.server.server.log.flush()
    assert (said in world.server.output.getvalue()) == (how == "warn")


def test_a_certificate_that_was_lost_is_warned_of(world: Guarded) -> None:
    seen_under_tls(world)
    world.secure(2, authority=trustme.CA())
    assert world.send() == {BOB: "delivered"}
    said = world.log("tls-downgraded domain=far.test host=mx2.far.test before=verified now=encrypted")
    assert "the certificate is not trusted" in said


def test_what_never_was_under_tls_goes_on_in_clear_text(world: Guarded) -> None:
    peer = world.exchanger(2)
    world.exchange(f"10 mx2.{DOMAIN}.")
    assert world.send() == {BOB: "delivered"}
    assert world.send() == {BOB: "delivered"}
    assert len(peer.messages) == 2
