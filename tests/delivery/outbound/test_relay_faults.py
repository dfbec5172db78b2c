"""A relay that misbehaves, end to end: what was accepted is delivered or comes back, and the others are undisturbed.

A real server, a scripted SMTP peer, and the Graph API to look at the outcome.  Every test also sends a message to
somebody whom the fault is not about, before and after.
"""

from __future__ import annotations

import base64
import contextlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec.structs import replace
from tests.client import Client

from graphpost.config import Config, RouteSettings
from graphpost.testing.ports import free_port
from graphpost.testing.server import running_server
from graphpost.testing.smtp_peer import EXTENSIONS, Drop, Gate, Hang, Hold, SmtpPeer

pytestmark = pytest.mark.slow

BASIC = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")


class Post:
    """A server with the relays `peer` (for peer.test) and `other` (for everything else)."""

    def __init__(self, client: Client, peers: dict[str, SmtpPeer], other: SmtpPeer) -> None:
        self.client, self.peers, self.other = client, peers, other
        self.peer = next(iter(peers.values()))

    def report(self) -> str:
        """The body of the one report in the sender's Inbox."""
        (found,) = self.client.folder("inbox")
        assert found["subject"] == "Undeliverable: Lunch"
        body: str = found["body"]["content"]
        return body

    def reports(self) -> list[str]:
        return [found["subject"] for found in self.client.folder("inbox")]

    def check_undisturbed(self) -> None:
        """Mail to others goes on."""
        before = len(self.other.messages)
        assert self.client.outcome(self.client.send("x@other.test")) == {"x@other.test": "delivered"}
        assert len(self.other.messages) == before + 1


Make = Callable[..., Post]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with contextlib.ExitStack() as stack:
        yield partial(make_post, stack, tmp_path / "data")


def make_post(
    stack: contextlib.ExitStack,
    data: Path,
    route: dict[str, Any] | None = None,
    peer: dict[str, Any] | None = None,
    host: str = "127.0.0.1",
    domains: Sequence[str] = ("peer.test",),
    **delivery: Any,
) -> Post:
    ours = {domain: stack.enter_context(SmtpPeer(**(peer or {}))) for domain in domains}
    other = stack.enter_context(SmtpPeer())

    def change(config: Config) -> Config:
        settings = {
            "retry_seconds": [0.05, 0.1],
            "poll_seconds": 0.02,
            "reply_seconds": 60.0,
            "connect_seconds": 60.0,
            **delivery,
        }
        routes = [
            RouteSettings(domains=[domain], to=f"smtp://{host}:{each.port}", **(route or {}))
            for domain, each in ours.items()
        ]
        routes.append(RouteSettings(domains=["*"], to=f"smtp://127.0.0.1:{other.port}"))
        return replace(config, delivery=replace(config.delivery, **settings), routes=routes)

    server = stack.enter_context(running_server(data, flags={"server.tls": False}, change=change))
    return Post(Client(server.port, data), ours, other)


PASSING = [
    ("connect", "451 4.3.0 not now", 1),
    ("connect", "554 5.3.2 no service", 1),
    ("connect", "421 4.3.2 busy", 2),
    ("EHLO", "421 4.3.2 busy", 1),
    ("MAIL", "451 4.3.0 try later", 1),
    ("MAIL", "421 4.3.2 closing", 1),
    ("RCPT", "450 4.2.0 greylisted, come back", 2),
    ("RCPT", "451 4.7.1 greylisted", 1),
    ("RCPT", "452 4.5.3 too many recipients", 1),
    ("RCPT", "421 4.3.2 closing", 1),
    ("DATA", "451 4.3.0 not now", 1),
    ("DATA", "421 4.3.2 closing", 1),
    ("content", "451 4.3.0 later", 2),
    ("content", "452 4.3.1 disk full", 1),
    ("content", "421 4.3.2 closing", 1),
    ("connect", Drop(), 1),
    ("EHLO", Drop(), 1),
    ("MAIL", Drop(), 1),
    ("RCPT", Drop(), 1),
    ("DATA", Drop(), 1),
    ("body", Drop(), 1),
    ("content", Drop(), 1),
    ("content", Drop(b"25"), 1),
    ("MAIL", "nonsense", 1),
    ("content", b"\xff\xfe\r\n", 1),
]


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """A server with a relay, and a domain, for each of these."""
    with contextlib.ExitStack() as stack:
        domains = [f"peer{place}.test" for place in range(len(PASSING))]
        yield make_post(stack, tmp_path_factory.mktemp("relays") / "data", domains=domains)


@pytest.mark.parametrize(("place", "step", "fault", "times"), [(n, *each) for n, each in enumerate(PASSING)])
def test_what_may_pass_is_tried_again_and_delivered_once(
    relays: Post, place: int, step: str, fault: Any, times: int
) -> None:
    domain = f"peer{place}.test"
    peer, client = relays.peers[domain], relays.client
    relays.check_undisturbed()
    peer.rule(step, fault, times=times)
    queue_id = client.send(f"a@{domain}", f"b@{domain}")
    assert client.outcome(queue_id) == {f"a@{domain}": "delivered", f"b@{domain}": "delivered"}
    taken = [address for message in peer.messages for address in message.recipients]
    assert sorted(taken) == [f"a@{domain}", f"b@{domain}"]
    assert relays.reports() == []
    relays.check_undisturbed()
    assert client.message(queue_id)["deliveries"][0]["attempts"] >= 2


def test_a_550_for_one_of_three_comes_back_with_the_remote_reply_and_the_others_arrive(make: Make) -> None:
    post = make()
    post.peer.rule("RCPT", "550 5.1.1 <b@peer.test>: no such user here, ask the doorman", match="b@*")
    queue_id = post.client.send("a@peer.test", "b@peer.test", "c@peer.test", "d@other.test")
    assert post.client.outcome(queue_id) == {
        "a@peer.test": "delivered",
        "b@peer.test": "failed",
        "c@peer.test": "delivered",
        "d@other.test": "delivered",
    }
    (message,) = post.peer.messages
    assert message.recipients == ("a@peer.test", "c@peer.test")
    report = post.report()
    assert "550" in report
    assert "no such user here, ask the doorman" in report
    assert "b@peer.test" in report
    assert "a@peer.test" not in report
    (kept,) = post.client.folder("sentitems")
    assert kept["subject"] == "Lunch"


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("MAIL", "550 5.7.1 we do not like you"),
        ("MAIL", "552 5.3.4 too big"),
        ("RCPT", "550 5.1.1 no such user"),
        ("RCPT", "553 5.1.3 what is this"),
        ("DATA", "554 5.5.1 no valid recipients"),
        ("content", "550 5.7.1 spam"),
        ("content", "554-5.7.1 this is\r\n554 5.7.1 spam"),
    ],
)
def test_what_is_refused_for_good_comes_back_at_once(make: Make, step: str, reply: str) -> None:
    post = make()
    post.peer.rule(step, reply)
    queue_id = post.client.send("a@peer.test", "x@other.test")
    assert post.client.outcome(queue_id) == {"a@peer.test": "failed", "x@other.test": "delivered"}
    words = reply.splitlines()[-1].split(" ", 2)
    report = post.report()
    assert words[0] in report
    assert words[2] in report
    assert post.peer.messages == []
    post.check_undisturbed()


def test_a_relay_that_hangs_is_left_after_a_while_and_tried_again(make: Make) -> None:
    steps = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "content")
    post = make(domains=[f"{step}.test" for step in steps], reply_seconds=10.0)  # enough for the others
    for step in steps:
        post.peers[f"{step}.test"].rule(step, Hang(), times=1)
    sent = {step: post.client.send(f"a@{step}.test") for step in steps}
    post.check_undisturbed()
    for step, queue_id in sent.items():
        assert post.client.outcome(queue_id) == {f"a@{step}.test": "delivered"}
        assert len(post.peers[f"{step}.test"].messages) == 1


def test_a_relay_that_hangs_for_ever_ends_in_a_report_that_says_so(make: Make) -> None:
    post = make(reply_seconds=0.1, expiry_seconds=0.6)
    post.peer.rule("connect", Hang())
    queue_id = post.client.send("a@peer.test")
    assert post.client.outcome(queue_id) == {"a@peer.test": "failed"}
    assert "nothing happened for 0.1 s while waiting for the greeting" in post.report()


@pytest.mark.parametrize(
    ("step", "fault", "words"),
    [
        ("RCPT", "450 4.2.0 greylisted", "greylisted"),
        ("connect", "421 4.3.2 always busy", "always busy"),
        ("content", "451 4.3.0 later and later", "later and later"),
        ("MAIL", Drop(), "waiting for the reply to MAIL"),
    ],
)
def test_what_never_passes_expires_with_the_last_answer_in_the_report(
    make: Make, step: str, fault: Any, words: str
) -> None:
    post = make(expiry_seconds=0.5)
    post.peer.rule(step, fault)
    queue_id = post.client.send("a@peer.test", "x@other.test")
    assert post.client.outcome(queue_id) == {"a@peer.test": "failed", "x@other.test": "delivered"}
    report = post.report()
    assert words in report
    (failed,) = [r for r in post.client.message(queue_id)["recipients"] if r["state"] == "failed"]
    assert failed["reply"]["status"] == "4.4.7"
    assert post.peer.messages == []


def test_a_relay_that_stops_reading_in_the_middle_of_a_message_is_left_and_tried_again(make: Make) -> None:
    post = make(reply_seconds=10.0)
    post.peer.rule("body", Hang(), times=1)
    large = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "large.bin",
        "contentBytes": base64.b64encode(bytes(2_900_000)).decode(),
    }
    queue_id = post.client.send("a@peer.test", attachments=[large])
    post.check_undisturbed()
    assert post.client.outcome(queue_id) == {"a@peer.test": "delivered"}
    (message,) = post.peer.messages
    assert len(message.data) > 2_900_000 * 4 / 3


def test_a_relay_whose_name_is_not_found_ends_in_a_report(make: Make) -> None:
    post = make(host="no-such-host.invalid", expiry_seconds=0.5)
    queue_id = post.client.send("a@peer.test")
    post.check_undisturbed()
    assert post.client.outcome(queue_id) == {"a@peer.test": "failed"}
    assert "no-such-host.invalid" in post.report()


def test_nobody_listening_ends_in_a_report(make: Make) -> None:
    post = make(peer={"port": free_port()}, expiry_seconds=0.5)
    post.peer.stop()
    queue_id = post.client.send("a@peer.test", "b@peer.test")
    post.check_undisturbed()
    assert set(post.client.outcome(queue_id).values()) == {"failed"}
    assert "connection refused" in post.report()


def test_without_the_tls_that_is_required_nothing_is_sent(make: Make) -> None:
    post = make(route={"tls": "required"}, expiry_seconds=0.5)
    queue_id = post.client.send("a@peer.test")
    assert post.client.outcome(queue_id) == {"a@peer.test": "failed"}
    assert "STARTTLS" in post.report()
    assert post.peer.messages == []
    assert not [command for command in post.peer.commands if command.startswith("MAIL")]


def test_mail_waits_for_a_certificate_that_can_be_trusted(make: Make, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger.issue_cert("127.0.0.1").configure_cert(context)
    route = {"tls": "verified", "ca_file": str(tmp_path / "ca.pem")}
    post = make(route=route, peer={"tls": context}, expiry_seconds=0.5)
    queue_id = post.client.send("a@peer.test")
    assert post.client.outcome(queue_id) == {"a@peer.test": "failed"}
    assert "certificate" in post.report()
    assert post.peer.messages == []


def test_an_address_that_needs_smtputf8_comes_back_where_it_is_not_offered(make: Make) -> None:
    post = make(peer={"extensions": BASIC})
    queue_id = post.client.send("grüße@peer.test", "x@other.test")
    assert post.client.outcome(queue_id) == {"grüße@peer.test": "failed", "x@other.test": "delivered"}
    assert "SMTPUTF8" in post.report()
    assert post.client.outcome(post.client.send("a@peer.test")) == {"a@peer.test": "delivered"}


def test_a_message_larger_than_the_relay_takes_comes_back_unsent(make: Make) -> None:
    post = make(peer={"extensions": (*BASIC, "SIZE 5000")})
    long = {"contentType": "Text", "content": "x" * 10_000}
    queue_id = post.client.send("a@peer.test", "x@other.test", body=long)
    assert post.client.outcome(queue_id) == {"a@peer.test": "failed", "x@other.test": "delivered"}
    assert "5000" in post.report()
    assert post.peer.octets == 0
    assert post.client.outcome(post.client.send("a@peer.test")) == {"a@peer.test": "delivered"}


@pytest.mark.parametrize("extensions", [(), BASIC, EXTENSIONS])
def test_non_ascii_text_arrives_whatever_the_relay_offers(make: Make, extensions: tuple[str, ...]) -> None:
    post = make(peer={"extensions": extensions})
    queue_id = post.client.send(
        "a@peer.test", subject="Grüße", body={"contentType": "Text", "content": "Brötchen\n.\n..\nEnde"}
    )
    assert post.client.outcome(queue_id) == {"a@peer.test": "delivered"}


def test_a_relay_that_takes_its_time_holds_up_nobody_else(make: Make) -> None:
    post = make()
    gate = Gate()
    post.peer.rule("content", Hold(gate))
    slow = [post.client.send("a@peer.test", subject=str(number)) for number in range(30)]
    assert gate.reached.wait(60)
    for _ in range(5):
        post.check_undisturbed()
    gate.open()
    for queue_id in slow:
        assert post.client.outcome(queue_id) == {"a@peer.test": "delivered"}
    assert len(post.peer.messages) == 30
