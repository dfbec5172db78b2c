"""Addresses that are not plain ASCII names, end to end: what is refused, what goes out, what comes back."""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.client import ADELE, Client

from graphpost.config import Config, RouteSettings
from graphpost.testing.dns_peer import DnsPeer
from graphpost.testing.server import running_server
from graphpost.testing.smtp_peer import EXTENSIONS, SmtpPeer

Start = Callable[[list[RouteSettings], list[str]], Client]
LITERALS = ["bob@[192.0.2.1]", "bob@[IPv6:2001:db8::1]", "bob@[x]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(routes: list[RouteSettings], servers: list[str]) -> Client:
            def change(config: Config) -> Config:
                delivery = replace(config.delivery, retry_seconds=[0.05], poll_seconds=0.02)
                dns = replace(config.dns, servers=servers)
                return replace(config, delivery=delivery, dns=dns, routes=routes)

            flags = {"server.tls": False}
            server = stack.enter_context(running_server(tmp_path / "data", flags=flags, change=change))
            return Client(server.port, tmp_path / "data")

        yield begin


@pytest.mark.parametrize("address", LITERALS)
def test_address_literals_are_refused_when_a_message_is_sent(start: Start, address: str) -> None:
    """Nobody writes to machines, and whoever names one chooses where we connect to."""
    client = start([], [])
    answer = client.post(address)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "ErrorInvalidRecipients")
    mime = b64encode(f"From: {ADELE}\r\nTo: {address}\r\nSubject: x\r\n\r\nx\r\n".encode())
    headers = {"Authorization": f"Bearer {client.token()}", "Content-Type": "text/plain"}
    answer = client.ask("POST", f"/v1.0/users/{ADELE}/sendMail", mime, headers)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "ErrorInvalidRecipients")


def test_a_domain_goes_out_in_its_a_labels_and_needs_no_smtputf8(start: Start) -> None:
    with SmtpPeer(extensions=[each for each in EXTENSIONS if each != "SMTPUTF8"]) as peer:
        client = start([RouteSettings(domains=["bücher.test"], to=f"smtp://127.0.0.1:{peer.port}")], [])
        queue_id = client.send("bob@BÜCHER.test")
        assert client.outcome(queue_id) == {"bob@xn--bcher-kva.test": "delivered"}
    [message] = peer.messages
    assert message.recipients == ("bob@xn--bcher-kva.test",)
    assert b"To: bob@xn--bcher-kva.test\r\n" in message.data
    assert message.data.isascii()


def test_a_local_part_that_is_not_ascii_comes_back_from_a_relay_that_cannot(start: Start) -> None:
    with SmtpPeer(extensions=[each for each in EXTENSIONS if each != "SMTPUTF8"]) as peer:
        client = start([RouteSettings(domains=["*"], to=f"smtp://127.0.0.1:{peer.port}")], [])
        queue_id = client.send("jürgen@far.test")
        assert client.outcome(queue_id) == {"jürgen@far.test": "failed"}
        (recipient,) = client.message(queue_id)["recipients"]
        assert recipient["reply"]["status"] == "5.6.7"
        (report,) = client.folder("inbox")
        assert "jürgen@far.test" in report["body"]["content"]


def test_who_is_written_to_beside_such_an_address_needs_smtputf8_too(start: Start) -> None:
    """The header names both (RFC 6531 §3.2); what is only written carelessly goes as it is."""
    plain = [each for each in EXTENSIONS if each != "SMTPUTF8"]
    with SmtpPeer() as here, SmtpPeer(extensions=plain) as there:
        routes = [
            RouteSettings(domains=[domain], to=f"smtp://127.0.0.1:{peer.port}")
            for domain, peer in (("here.test", here), ("there.test", there))
        ]
        client = start(routes, [])
        queue_id = client.send("jürgen@here.test", "bob@there.test")
        assert client.outcome(queue_id) == {"jürgen@here.test": "delivered", "bob@there.test": "failed"}
        replies = {each["address"]: each["reply"] for each in client.message(queue_id)["recipients"]}
        assert replies["bob@there.test"]["status"] == "5.6.7"
        queue_id = client.send("eva@here.test", "bob@there.test")
        assert set(client.outcome(queue_id).values()) == {"delivered"}
        mime = f"From: {ADELE}\r\nTo: bob@there.test\r\nSubject: Grüße\r\n\r\nx\r\n".encode()
        headers = {"Authorization": f"Bearer {client.token()}", "Content-Type": "text/plain"}
        answer = client.ask("POST", f"/v1.0/users/{ADELE}/sendMail", b64encode(mime), headers)
        assert answer.status == 202
        assert client.outcome(answer.headers["x-graphpost-message-id"]) == {"bob@there.test": "delivered"}
    [_, careless] = there.messages
    assert "Subject: Grüße".encode() in careless.data


def test_exchangers_of_an_international_domain_are_asked_for_by_its_a_labels(start: Start) -> None:
    with DnsPeer() as dns, SmtpPeer() as peer:
        dns.add("xn--fa-hia.test", "MX", "10 mx.xn--bcher-kva.test.")
        dns.add("mx.xn--bcher-kva.test", "A", "127.0.0.1")
        route = RouteSettings(domains=["*.test", "faß.test"], to=f"mx:{peer.port}", allow_local=True)
        client = start([route], [dns.address])
        assert client.outcome(client.send("jürgen@faß.test")) == {"jürgen@faß.test": "delivered"}
    assert peer.messages[0].recipients == ("jürgen@faß.test",)


def test_a_domain_whose_exchanger_has_the_name_of_a_route_is_ours(start: Start) -> None:
    with DnsPeer() as dns:
        dns.add("far.test", "MX", "10 out.xn--bcher-kva.test.")
        dns.add("out.xn--bcher-kva.test", "A", "127.0.0.1")
        route = RouteSettings(domains=["*"], to="mx:2525", hostname="out.Bücher.test", allow_local=True)
        client = start([route], [dns.address])
        queue_id = client.send("bob@far.test")
        assert client.outcome(queue_id) == {"bob@far.test": "failed"}
        (recipient,) = client.message(queue_id)["recipients"]
        assert recipient["reply"]["text"] == "mail for far.test would come back: we are its mail server"
