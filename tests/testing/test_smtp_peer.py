"""The scripted peer, asked by clients that others wrote: smtplib and aiosmtplib."""

from __future__ import annotations

import smtplib
import ssl

import aiosmtplib
import pytest
import trustme

from graphpost.testing.smtp_peer import Drop, Gate, Hang, Hold, Say, SmtpPeer

DATA = b"Subject: x\r\n\r\n.dot\r\n..\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def send(peer: SmtpPeer, *recipients: str) -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP(peer.host, peer.port, timeout=60) as client:
        return client.sendmail("adele@example.test", recipients, DATA, ["BODY=8BITMIME"])


@pytest.mark.parametrize("segments", ["reply", "batch", "byte"])
def test_what_came_is_kept_exactly(segments: str) -> None:
    with SmtpPeer(segments=segments) as peer:  # type: ignore[arg-type]
        assert send(peer, "a@x.test", "b@x.test") == {}
        [message] = peer.wait_for_messages(1)
    assert (message.sender, message.recipients, message.data) == (
        "adele@example.test",
        ("a@x.test", "b@x.test"),
        DATA,
    )
    assert message.parameters == (f"size={len(DATA)}", "BODY=8BITMIME")
    assert peer.commands[-1].upper() == "QUIT"


def test_a_rule_acts_on_its_addresses_and_as_often_as_it_says() -> None:
    with SmtpPeer() as peer:
        peer.rule("RCPT", "450 4.2.0 later", match="b@*", times=1)
        assert send(peer, "a@x.test", "b@x.test") == {"b@x.test": (450, b"4.2.0 later")}
        assert send(peer, "a@x.test", "b@x.test") == {}
        assert [message.recipients for message in peer.messages] == [("a@x.test",), ("a@x.test", "b@x.test")]


@pytest.mark.parametrize("step", ["connect", "MAIL", "DATA", "content"])
def test_a_peer_can_drop_the_connection(step: str) -> None:
    with SmtpPeer() as peer:
        peer.rule(step, Drop(), times=1)
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            send(peer, "a@x.test")
        assert peer.messages == []
        peer.clear_rules()
        send(peer, "a@x.test")
        assert len(peer.messages) == 1


def test_a_refused_message_is_not_kept() -> None:
    with SmtpPeer() as peer:
        peer.rule("content", Say("554 5.7.1 no"))
        with pytest.raises(smtplib.SMTPDataError):
            send(peer, "a@x.test")
        assert peer.messages == []


def test_a_gate_holds_until_it_is_opened() -> None:
    with SmtpPeer() as peer:
        gate = Gate()
        peer.rule("RCPT", Hold(gate, "550 5.1.1 after all"))
        gate.open()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(peer, "a@x.test")
        assert gate.reached.is_set()


def test_a_hanging_peer_can_be_stopped() -> None:
    with SmtpPeer() as peer:
        peer.rule("MAIL", Hang())
        client = smtplib.SMTP(peer.host, peer.port, timeout=60)
        client.ehlo()
        client.putcmd("mail from:<a@x.test>")
        peer.stop()
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            client.getreply()
        client.close()


def test_waiting_for_mail_that_does_not_come_ends() -> None:
    with SmtpPeer() as peer, pytest.raises(TimeoutError, match="0 of 1"):
        peer.wait_for_messages(1, seconds=0)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("implicit", [True, False])
async def test_tls_and_passwords(tls: ssl.SSLContext, trusting: ssl.SSLContext, implicit: bool) -> None:
    with SmtpPeer(tls=tls, implicit_tls=implicit, users={"adele": "secret"}) as peer:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=peer.port,
            use_tls=implicit,
            start_tls=not implicit,
            tls_context=trusting,
        )
        async with client:
            with pytest.raises(aiosmtplib.SMTPAuthenticationError):
                await client.login("adele", "wrong")
            await client.login("adele", "secret")
            await client.sendmail("a@x.test", ["b@x.test"], DATA)
    assert [(message.is_tls, message.username) for message in peer.messages] == [(True, "adele")]
