"""The SMTP courier against a scripted peer: faults, reuse, TLS policies, streaming."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.transport.letters import HELLO, Endless, content, envelope

from graphpost.errors import ConfigurationError
from graphpost.testing.ports import free_port
from graphpost.testing.smtp_peer import Drop, Gate, Hold, Say, SmtpPeer
from graphpost.transport.courier import Deferred, Delivered, Envelope, Failed, Outcome
from graphpost.transport.idling import IdleConnections
from graphpost.transport.smtp import SmtpCourier, SmtpTarget
from graphpost.transport.tokens import TokenError
from graphpost.transport.transaction import SMALL

pytestmark = pytest.mark.anyio

MakePeer = Callable[..., SmtpPeer]
MakeCourier = Callable[..., SmtpCourier]


def said(outcome: Outcome) -> tuple[type, int, str]:
    return type(outcome), outcome.reply.code, outcome.reply.status


async def test_a_message_arrives_with_its_envelope(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    outcomes = await courier(peer.port).deliver(envelope("a@x.test", "b@x.test"))
    assert [said(outcome) for outcome in outcomes] == [(Delivered, 250, "2.0.0")] * 2
    [message] = peer.messages
    assert (message.sender, message.recipients, message.data) == (
        "adele@example.test",
        ("a@x.test", "b@x.test"),
        HELLO,
    )
    assert message.parameters == (f"SIZE={len(HELLO)}",)


@pytest.mark.parametrize("segments", ["reply", "batch", "byte"])
@pytest.mark.parametrize("pipelining", [True, False])
async def test_the_peers_segments_do_not_matter(
    smtp_peer: MakePeer, courier: MakeCourier, segments: str, pipelining: bool
) -> None:
    peer = smtp_peer(segments=segments, extensions=("PIPELINING",) if pipelining else ("DSN",))
    peer.rule("RCPT", "550 5.1.1 no", match="b@*")
    one = courier(peer.port)
    for _ in range(3):
        outcomes = await one.deliver(envelope("a@x.test", "b@x.test", "c@x.test"))
        assert [type(outcome) for outcome in outcomes] == [Delivered, Failed, Delivered]
    assert [message.recipients for message in peer.messages] == [("a@x.test", "c@x.test")] * 3
    assert peer.connections == 1


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "content"])
async def test_a_temporary_refusal_and_then_delivery_on_the_same_connection(
    smtp_peer: MakePeer, courier: MakeCourier, step: str, pipelining: bool
) -> None:
    peer = smtp_peer(extensions=("PIPELINING",) if pipelining else ("DSN",))
    peer.rule(step, "451 4.7.1 greylisted", times=1)
    one = courier(peer.port)
    [first] = await one.deliver(envelope())
    [second] = await one.deliver(envelope())
    assert said(first) == (Deferred, 451, "4.7.1")
    assert isinstance(second, Delivered)
    assert len(peer.messages) == 1
    assert peer.connections == 1


async def test_many_recipients_go_in_one_transaction(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    recipients = [f"user{number}@x.test" for number in range(500)]
    peer.rule("RCPT", "550 5.1.1 no", match="user1*")
    outcomes = await courier(peer.port).deliver(envelope(*recipients))
    for recipient, outcome in zip(recipients, outcomes, strict=True):
        assert isinstance(outcome, Failed if recipient.startswith("user1") else Delivered)
    assert len(peer.messages) == 1


@pytest.mark.parametrize(
    ("step", "wanted", "whole"),
    [
        ("connect", "waiting for the greeting", True),
        ("EHLO", "waiting for the reply to EHLO", True),
        ("MAIL", "waiting for the reply to MAIL", True),
        ("RCPT", "waiting for the reply to RCPT", False),
        ("DATA", "waiting for the reply to DATA", False),
        ("body", "the message", False),
        ("content", "waiting for the reply to the message", False),
    ],
)
async def test_a_drop_is_deferred_and_says_where(
    smtp_peer: MakePeer, courier: MakeCourier, step: str, wanted: str, whole: bool
) -> None:
    peer = smtp_peer()
    peer.rule(step, Drop())
    [outcome] = await courier(peer.port).deliver(envelope())
    assert said(outcome) == (Deferred, 0, "4.4.2")
    assert wanted in outcome.reply.text
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination is whole


async def test_nobody_listening_is_deferred(courier: MakeCourier) -> None:
    [outcome] = await courier(free_port()).deliver(envelope())
    assert said(outcome) == (Deferred, 0, "4.4.1")
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".test", "..", "a\x00b"])
async def test_a_name_that_is_none_is_deferred(courier: MakeCourier, host: str) -> None:
    [outcome] = await courier(25, host=host, connect_seconds=5.0).deliver(envelope())
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination


@pytest.mark.parametrize("text", [b"x" * 2_000_000, b"250-x\r\n" * 300_000, b"\xff\xfe\x00\r\n", b"99\r\n"])
async def test_an_endless_or_senseless_reply_is_deferred(
    smtp_peer: MakePeer, courier: MakeCourier, text: bytes
) -> None:
    peer = smtp_peer()
    peer.rule("RCPT", Say(text))
    [outcome] = await courier(peer.port).deliver(envelope())
    assert said(outcome) == (Deferred, 0, "4.5.0")


async def test_a_line_of_100_kb_is_cut_and_its_code_counts(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    peer.rule("RCPT", "550 5.1.1 " + "no " * 33_000)
    [outcome] = await courier(peer.port).deliver(envelope())
    assert said(outcome) == (Failed, 550, "5.1.1")
    assert len(outcome.reply.text) <= 1000


async def test_an_unasked_reply_ends_the_connection_not_the_message(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    peer.rule("content", "250 2.0.0 taken\n250 2.0.0 and another", times=1)
    one = courier(peer.port)
    [first] = await one.deliver(envelope())
    [second] = await one.deliver(envelope())
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert peer.connections == 2


# Reuse


async def test_connections_are_reused_up_to_their_limit(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    one = courier(peer.port, messages_per_connection=2)
    for _ in range(5):
        await one.deliver(envelope())
    assert [message.connection for message in peer.messages] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    "action", [Drop(), Drop("421 4.4.2 idle for too long"), Say("421 4.4.2 idle for too long")]
)
async def test_a_stale_connection_is_replaced_unnoticed(
    smtp_peer: MakePeer, courier: MakeCourier, action: Drop | Say
) -> None:
    peer = smtp_peer()
    one = courier(peer.port)
    await one.deliver(envelope())
    peer.rule("MAIL", action, times=1)
    [outcome] = await one.deliver(envelope())
    assert isinstance(outcome, Delivered)
    assert [message.connection for message in peer.messages] == [1, 2]


async def test_a_connection_is_replaced_once_only(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    one = courier(peer.port)
    await one.deliver(envelope())
    peer.rule("MAIL", Drop())
    [outcome] = await one.deliver(envelope())
    assert said(outcome) == (Deferred, 0, "4.4.2")
    assert peer.connections == 2


async def test_deliveries_at_once_have_a_connection_each(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("content", Hold(gate))
    one = courier(peer.port)
    deliveries = [asyncio.create_task(one.deliver(envelope(f"u{number}@x.test"))) for number in range(8)]
    await asyncio.to_thread(gate.reached.wait)
    gate.open()
    outcomes = await asyncio.gather(*deliveries)
    assert all(isinstance(outcome, Delivered) for (outcome,) in outcomes)
    assert sorted(message.recipients[0] for message in peer.messages) == [
        f"u{number}@x.test" for number in range(8)
    ]
    assert peer.connections == 8


async def test_a_cancelled_delivery_takes_its_connection_with_it(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("RCPT", Hold(gate), times=1)
    one = courier(peer.port)
    delivery = asyncio.create_task(one.deliver(envelope()))
    await asyncio.to_thread(gate.reached.wait)
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    gate.open()
    [outcome] = await one.deliver(envelope("b@x.test"))
    assert isinstance(outcome, Delivered)
    assert [(message.recipients, message.connection) for message in peer.messages] == [(("b@x.test",), 2)]


async def test_closing_ends_what_is_under_way(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    gate = Gate()
    peer.rule("RCPT", Hold(gate))
    one = courier(peer.port)
    delivery = asyncio.create_task(one.deliver(envelope()))
    await asyncio.to_thread(gate.reached.wait)
    await one.close()
    [outcome] = await delivery
    assert isinstance(outcome, Deferred)


# Content


LARGE = b"".join(b".line %d\r\n" % number for number in range(40_000))


@pytest.mark.parametrize("chunk", [0, 1000, 65_536, 99_999])
async def test_large_content_arrives_exactly(smtp_peer: MakePeer, courier: MakeCourier, chunk: int) -> None:
    assert len(LARGE) > SMALL
    peer = smtp_peer()
    [outcome] = await courier(peer.port).deliver(Envelope("", ("a@x.test",), content(LARGE, chunk=chunk)))
    assert isinstance(outcome, Delivered)
    assert peer.messages[0].data == LARGE


@pytest.mark.slow
async def test_content_is_read_as_fast_as_the_peer_takes_it(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer(keep_content=False)
    gate = Gate()
    peer.rule("body", Hold(gate))
    data = Endless(peer)
    delivery = asyncio.create_task(courier(peer.port).deliver(Envelope("", ("a@x.test",), data)))
    await asyncio.to_thread(gate.reached.wait)
    gate.open()
    [outcome] = await delivery
    assert isinstance(outcome, Delivered)
    assert peer.messages[0].size == data.size
    assert data.ahead < 32_000_000  # what two sockets' buffers may hold, far from all


async def test_a_refusal_in_the_middle_of_the_content_counts(
    smtp_peer: MakePeer, courier: MakeCourier
) -> None:
    peer = smtp_peer(keep_content=False)
    gate = Gate()
    peer.rule("body", Hold(gate, "552 5.3.4 enough"))
    gate.open()
    one = courier(peer.port)
    [outcome] = await one.deliver(Envelope("", ("a@x.test",), Endless(peer)))
    assert said(outcome) == (Failed, 552, "5.3.4")
    assert not one._idle


class Broken:
    is_8bit = False

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        yield b"Subject: half\r\n"
        raise OSError("the disk is gone")


@pytest.mark.parametrize("size", [100, 1_000_000])
async def test_content_that_cannot_be_read_is_never_ended(
    smtp_peer: MakePeer, courier: MakeCourier, size: int
) -> None:
    peer = smtp_peer()
    one = courier(peer.port)
    with pytest.raises(OSError, match="the disk is gone"):
        await one.deliver(Envelope("", ("a@x.test",), Broken(size)))
    assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert [message.data for message in peer.messages] == [HELLO]


# TLS and AUTH


@pytest.mark.parametrize("policy", ["opportunistic", "required", "verified"])
@pytest.mark.parametrize("implicit", [True, False])
async def test_mail_goes_under_tls(
    smtp_peer: MakePeer, courier: MakeCourier, tls: ssl.SSLContext, ca_file: Path, policy: str, implicit: bool
) -> None:
    peer = smtp_peer(tls=tls, implicit_tls=implicit)
    one = courier(peer.port, tls=policy, implicit_tls=implicit, ca_file=str(ca_file))
    for _ in range(2):
        [outcome] = await one.deliver(envelope())
        assert isinstance(outcome, Delivered)
    assert [(message.is_tls, message.connection) for message in peer.messages] == [(True, 1), (True, 1)]


@pytest.mark.parametrize("implicit", [True, False])
async def test_large_content_goes_under_tls(
    smtp_peer: MakePeer, courier: MakeCourier, tls: ssl.SSLContext, implicit: bool
) -> None:
    peer = smtp_peer(tls=tls, implicit_tls=implicit)
    one = courier(peer.port, tls="required", implicit_tls=implicit)
    [outcome] = await one.deliver(Envelope("", ("a@x.test",), content(LARGE * 4, chunk=65_536)))
    assert isinstance(outcome, Delivered)
    assert peer.messages[0].data == LARGE * 4


async def test_without_a_policy_tls_is_not_used(
    smtp_peer: MakePeer, courier: MakeCourier, tls: ssl.SSLContext
) -> None:
    peer = smtp_peer(tls=tls)
    await courier(peer.port, tls="none").deliver(envelope())
    assert not peer.messages[0].is_tls


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize(("trusted", "words"), [(False, "not trusted"), (True, "not valid for")])
async def test_verified_means_the_authority_and_the_name(
    smtp_peer: MakePeer,
    courier: MakeCourier,
    tls: ssl.SSLContext,
    wrong_tls: ssl.SSLContext,
    ca_file: Path,
    trusted: bool,
    words: str,
    implicit: bool,
) -> None:
    peer = smtp_peer(tls=wrong_tls if trusted else tls, implicit_tls=implicit)
    one = courier(peer.port, tls="verified", implicit_tls=implicit, ca_file=str(ca_file) if trusted else "")
    [outcome] = await one.deliver(envelope())
    assert said(outcome) == (Deferred, 0, "4.7.5")
    assert words in outcome.reply.text
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination
    assert peer.messages == []


@pytest.mark.parametrize("answer", ["220 go ahead\nthis is no handshake", b"220 go ahead\r\n"])
async def test_a_failed_handshake_falls_back_to_a_new_connection_in_clear_text(
    smtp_peer: MakePeer, courier: MakeCourier, answer: str | bytes
) -> None:
    peer = smtp_peer(extensions=("STARTTLS", "PIPELINING"))
    peer.rule("STARTTLS", Drop(answer))
    [outcome] = await courier(peer.port).deliver(envelope())
    assert isinstance(outcome, Delivered)
    assert [(message.is_tls, message.connection) for message in peer.messages] == [(False, 2)]


@pytest.mark.parametrize(
    "settings",
    [
        {"tls": "required"},
        {"tls": "verified"},
        {"tls": "opportunistic", "username": "adele", "password": "secret"},
    ],
)
async def test_a_failed_handshake_is_deferred_where_tls_is_needed(
    smtp_peer: MakePeer, courier: MakeCourier, settings: dict[str, str]
) -> None:
    peer = smtp_peer(extensions=("STARTTLS", "AUTH PLAIN"))
    peer.rule("STARTTLS", Drop("220 go ahead"))
    [outcome] = await courier(peer.port, **settings).deliver(envelope())
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination
    assert peer.connections == 1
    assert peer.commands == ["EHLO client.test", "STARTTLS"]


@pytest.mark.parametrize("mechanism", ["", "plain", "login", "xoauth2", "oauthbearer"])
@pytest.mark.parametrize("password", ["secret", "pässwörd \r\n. "])
async def test_a_password_opens_the_door(
    smtp_peer: MakePeer, courier: MakeCourier, tls: ssl.SSLContext, mechanism: str, password: str
) -> None:
    peer = smtp_peer(tls=tls, users={"adele": password})
    one = courier(peer.port, username="adele", password=password, auth=mechanism)
    assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert (peer.messages[0].username, peer.messages[0].is_tls) == ("adele", True)


@pytest.mark.parametrize("mechanism", ["plain", "login", "xoauth2", "oauthbearer"])
async def test_a_wrong_password_is_deferred_and_not_repeated(
    smtp_peer: MakePeer, courier: MakeCourier, mechanism: str
) -> None:
    peer = smtp_peer(users={"adele": "secret"})
    one = courier(peer.port, tls="none", username="adele", password="wrong", auth=mechanism)
    [outcome] = await one.deliver(envelope())
    assert said(outcome) == (Deferred, 535, "5.7.8")
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination
    assert "wrong" not in repr(SmtpTarget("mx.test", username="adele", password="wrong"))


@pytest.mark.parametrize("mechanism", ["plain", "login", "xoauth2", "oauthbearer"])
async def test_a_secret_too_long_for_a_command_waits_for_the_go_ahead(
    smtp_peer: MakePeer, courier: MakeCourier, mechanism: str
) -> None:
    peer = smtp_peer(users={"adele": "x" * 6000})
    one = courier(peer.port, tls="none", username="adele", password="x" * 6000, auth=mechanism)
    assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert f"AUTH {mechanism.upper()}" in peer.commands


class Tokens:
    """Gives these one after another, the next whenever the one before was refused; or says why there is none."""

    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens)
        self.refused: list[str] = []

    async def get(self) -> str:
        if not self.left:
            raise TokenError("the well is dry")
        return self.left[0]

    def refuse(self, token: str) -> bool:
        self.refused.append(token)
        self.left = self.left[1:] or self.left
        return self.left[0] != token


@pytest.mark.parametrize("mechanism", ["", "xoauth2", "oauthbearer"])
async def test_a_token_opens_the_door(smtp_peer: MakePeer, courier: MakeCourier, mechanism: str) -> None:
    peer = smtp_peer(users={"ad=e,le": "t1"})
    one = courier(peer.port, tls="none", username="ad=e,le", tokens=Tokens("t1"), auth=mechanism)
    assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert peer.messages[0].username == "ad=e,le"
    used = [command.split()[1] for command in peer.commands if command.startswith("AUTH")]
    assert used == [(mechanism or "oauthbearer").upper()]


@pytest.mark.parametrize(
    ("tokens", "kind", "refused", "connections"),
    [
        (("old", "new"), Delivered, ["old"], 2),
        (("old", "wrong", "new"), Deferred, ["old", "wrong"], 2),
        (("old",), Deferred, ["old"], 1),
    ],
)
async def test_a_refused_token_is_replaced_once(
    smtp_peer: MakePeer,
    courier: MakeCourier,
    tokens: tuple[str, ...],
    kind: type,
    refused: list[str],
    connections: int,
) -> None:
    peer, source = smtp_peer(users={"adele": "new"}), Tokens(*tokens)
    [outcome] = await courier(peer.port, tls="none", username="adele", tokens=source).deliver(envelope())
    assert isinstance(outcome, kind)
    assert (source.refused, peer.connections) == (refused, connections)


async def test_without_a_token_mail_waits_and_says_why(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer(users={"adele": "new"})
    [outcome] = await courier(peer.port, tls="none", username="adele", tokens=Tokens()).deliver(envelope())
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination
    assert outcome.reply.text == "the well is dry; it is needed for 127.0.0.1"
    assert peer.commands == ["EHLO client.test"]


async def test_a_token_does_not_leave_in_clear_text(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer(users={"adele": "t1"})
    [outcome] = await courier(peer.port, username="adele", tokens=Tokens("t1")).deliver(envelope())
    assert said(outcome) == (Deferred, 0, "4.7.11")


def test_an_unreadable_ca_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ca_file"):
        SmtpCourier(SmtpTarget("mx.test", tls="verified", ca_file=str(tmp_path / "none.pem")))


async def test_idle_connections_of_all_couriers_are_limited_and_the_longest_idle_goes(
    smtp_peer: MakePeer,
) -> None:
    idling = IdleConnections(2)
    peers = [smtp_peer() for _ in range(3)]
    couriers = [
        SmtpCourier(SmtpTarget("127.0.0.1", peer.port, "client.test"), idling=idling) for peer in peers
    ]
    for one in couriers:
        await one.deliver(envelope("a@x.test"))
    assert len(idling) == 2
    for one in reversed(couriers):
        assert [type(outcome) for outcome in await one.deliver(envelope("b@x.test"))] == [Delivered]
    assert [peer.connections for peer in peers] == [2, 1, 1]
    for one in couriers:
        await one.close()
    assert len(idling) == 0
