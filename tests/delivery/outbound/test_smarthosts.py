"""A route with several smarthosts, end to end: a real server, real connections, hosts that come and go."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.client import Client
from tests.transport.token_endpoint import Endpoint

from graphpost.config import Config, HostSettings, RouteSettings
from graphpost.testing.ports import free_port
from graphpost.testing.server import ServerThread, running_server
from graphpost.testing.smtp_peer import SmtpPeer

TO = "bob@far.test"
Run = Callable[..., contextlib.AbstractContextManager[tuple[Client, ServerThread]]]


def to(peer: SmtpPeer) -> str:
    return f"smtp://127.0.0.1:{peer.port}"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Start a server with such a route; the data directory is always the same."""

    @contextlib.contextmanager
    def start(**route: Any) -> Iterator[tuple[Client, ServerThread]]:
        def change(config: Config) -> Config:
            delivery = replace(config.delivery, retry_seconds=[0.05], poll_seconds=0.02)
            routes = [RouteSettings(domains=["*"], **route)]
            return replace(config, delivery=delivery, routes=routes)

        data = tmp_path / "data"
        with running_server(data, flags={"server.tls": False}, change=change) as server:
            yield Client(server.port, data), server

    return start


def test_the_next_host_has_the_mail_when_the_best_is_gone_and_the_log_says_which(run: Run) -> None:
    with SmtpPeer(host="127.0.0.2", port=free_port()) as first, SmtpPeer(host="127.0.0.3") as second:
        hosts = [
            HostSettings(to=f"smtp://{peer.host}:{peer.port}", priority=number)
            for number, peer in enumerate((first, second))
        ]
        with run(hosts=hosts) as (client, server):
            assert client.outcome(client.send(TO)) == {TO: "delivered"}
            first.stop()
            for _ in range(3):
                assert client.outcome(client.send(TO)) == {TO: "delivered"}
            assert (len(first.messages), len(second.messages)) == (1, 3)
            assert second.connections == 1  # kept and used again
            server.output.wait_for(f"delivered .*recipient={TO} .*host=127.0.0.2$")
            server.output.wait_for(f"delivered .*recipient={TO} .*host=127.0.0.3$")
            server.output.wait_for("host-avoided host=smtp://127.0.0.2:.* reason=.*refused")


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("connect", "421 4.3.2 busy"),
        ("connect", "554 5.3.2 no service"),
        ("EHLO", "421 4.3.2 busy"),
        ("AUTH", "535 5.7.8 no"),
        ("MAIL", "421 4.3.2 closing"),
        ("content", "421 4.3.2 closing"),
    ],
)
def test_a_host_that_will_not_is_passed_over(run: Run, step: str, fault: str) -> None:
    users = {"us": "secret"}
    with SmtpPeer(users=users) as first, SmtpPeer(users=users) as second:
        first.rule(step, fault)
        hosts = [HostSettings(to=to(first)), HostSettings(to=to(second), priority=1)]
        with run(hosts=hosts, username="us", password="secret", tls="none") as (client, _):
            assert client.outcome(client.send(TO)) == {TO: "delivered"}
            assert (len(first.messages), len(second.messages)) == (0, 1)


def test_mail_that_waited_for_one_relay_goes_to_the_several_in_its_place(run: Run) -> None:
    with SmtpPeer() as old, SmtpPeer() as new:
        old.rule("connect", "421 4.3.2 busy")
        with run(to=to(old)) as (client, server):
            queue_id = client.send(TO)
            server.output.wait_for("deferred ")
        hosts = [HostSettings(to=to(old)), HostSettings(to=to(new))]
        with run(hosts=hosts) as (client, server):
            assert client.outcome(queue_id) == {TO: "delivered"}
            server.output.wait_for("rerouted ")
            assert len(new.messages) == 1


def test_a_token_from_a_command_opens_the_door_and_is_in_no_log(run: Run, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    code = f"open({str(runs)!r}, 'a').write('x'); print('s3cret-token')"
    with SmtpPeer(users={"us@far.test": "s3cret-token"}) as peer:
        route = {"to": to(peer), "username": "us@far.test", "token_command": [sys.executable, "-c", code]}
        with run(tls="none", **route) as (client, server):
            for _ in range(3):
                assert client.outcome(client.send(TO)) == {TO: "delivered"}
            assert "s3cret" not in server.output.getvalue()
    assert runs.read_text() == "x"
    assert {message.username for message in peer.messages} == {"us@far.test"}


def test_nothing_is_lost_when_a_host_goes_in_the_middle_of_it(run: Run) -> None:
    with SmtpPeer(port=free_port()) as first, SmtpPeer() as second:
        hosts = [HostSettings(to=to(first)), HostSettings(to=to(second))]
        with run(hosts=hosts, concurrency=4) as (client, _):
            sent = [client.send(f"u{number}@far.test") for number in range(30)]
            first.wait_for_messages(1)
            first.stop()
            sent += [client.send(f"u{number}@far.test") for number in range(30, 60)]
            for number, queue_id in enumerate(sent):
                assert client.outcome(queue_id) == {f"u{number}@far.test": "delivered"}
    came = {message.recipients[0] for peer in (first, second) for message in peer.messages}
    assert came == {f"u{number}@far.test" for number in range(60)}


def test_two_routes_to_one_relay_introduce_themselves_each_by_its_own_name(tmp_path: Path) -> None:
    with SmtpPeer() as peer:
        routes = [
            RouteSettings(domains=[domain], to=to(peer), hostname=f"{name}.example.test", source="127.0.0.1")
            for domain, name in (("far.test", "one"), ("*", "two"))
        ]

        def change(config: Config) -> Config:
            return replace(config, routes=routes)

        with running_server(tmp_path / "data", flags={"server.tls": False}, change=change) as server:
            client = Client(server.port, tmp_path / "data")
            assert client.outcome(client.send(TO)) == {TO: "delivered"}
            assert client.outcome(client.send("x@other.test")) == {"x@other.test": "delivered"}
        names = [command for command in peer.commands if command.startswith("EHLO")]
        assert names == ["EHLO one.example.test", "EHLO two.example.test"]


def test_a_token_for_client_credentials_is_got_once_for_all_hosts(run: Run) -> None:
    users = {"us@far.test": "abc"}
    with Endpoint() as endpoint, SmtpPeer(users=users) as first, SmtpPeer(users=users) as second:
        route = {
            "hosts": [HostSettings(to=to(first)), HostSettings(to=to(second))],
            "username": "us@far.test",
            "token_url": endpoint.url(),
            "client_id": "us",
            "client_secret": "s3cret",
            "scope": "mail",
        }
        with run(tls="none", **route) as (client, server):
            for _ in range(10):
                assert client.outcome(client.send(TO)) == {TO: "delivered"}
            assert "s3cret" not in server.output.getvalue()
    form = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "s3cret", "scope": "mail"}
    assert endpoint.asked == [{name: [value] for name, value in form.items()}]


def test_mail_waits_while_there_is_no_token(run: Run) -> None:
    with Endpoint() as endpoint, SmtpPeer(users={"us@far.test": "abc"}) as peer:
        endpoint.answer = (401, {"error": "invalid_client", "error_description": "s3cret"})
        route = {
            "username": "us@far.test",
            "token_url": endpoint.url(),
            "client_id": "us",
            "client_secret": "x",
        }
        with run(tls="none", to=to(peer), **route) as (client, server):
            queue_id = client.send(TO)
            server.output.wait_for("deferred .*no token from 127.0.0.1: 401 invalid_client")
            endpoint.answer = (200, {"access_token": "abc"})
            assert client.outcome(queue_id) == {TO: "delivered"}
            assert "s3cret" not in server.output.getvalue()


def test_a_refusal_in_the_operators_words_comes_back_in_the_report(run: Run) -> None:
    with run(to="reject:5.7.1 we do not write to them") as (client, _):
        assert client.outcome(client.send(TO)) == {TO: "failed"}
        (report,) = client.folder("inbox")
        assert "we do not write to them" in report["body"]["content"]
