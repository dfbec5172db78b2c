"""What is known of a connection's security, and the certificate that we show."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from tests.transport.conftest import server_context
from tests.transport.letters import envelope

from graphpost.errors import ConfigurationError
from graphpost.testing.smtp_peer import Drop, SmtpPeer
from graphpost.transport.courier import Deferred, Delivered
from graphpost.transport.security import TlsLevel
from graphpost.transport.smtp import SmtpCourier, SmtpTarget

pytestmark = pytest.mark.anyio

MakePeer = Callable[..., SmtpPeer]
MakeCourier = Callable[..., SmtpCourier]
PLAIN, ENCRYPTED, VERIFIED = TlsLevel
POLICIES = ["opportunistic", "required"]


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_certificate_that_can_be_verified_is(
    smtp_peer: MakePeer, courier: MakeCourier, tls: ssl.SSLContext, ca_file: Path, policy: str
) -> None:
    peer = smtp_peer(tls=tls)
    one = courier(peer.port, tls=policy, ca_file=str(ca_file), looks_at_certificate=True)
    assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert (one.security.level, one.security.protocol, one.security.flaw) == (VERIFIED, "TLSv1.3", "")
    assert one.security.cipher.startswith("TLS_")
    assert peer.connections == 1


@pytest.mark.parametrize("policy", POLICIES)
async def test_one_that_cannot_be_verified_will_do_and_is_not_tried_again_soon(
    smtp_peer: MakePeer, courier: MakeCourier, wrong_tls: ssl.SSLContext, ca_file: Path, policy: str
) -> None:
    peer = smtp_peer(tls=wrong_tls)
    one = courier(
        peer.port, tls=policy, ca_file=str(ca_file), looks_at_certificate=True, messages_per_connection=1
    )
    for _ in range(3):
        assert isinstance((await one.deliver(envelope()))[0], Delivered)
        assert one.security.level is ENCRYPTED
        assert "is not valid for" in one.security.flaw
    assert [(message.is_tls, message.connection) for message in peer.messages] == [
        (True, 2),
        (True, 3),
        (True, 4),
    ]


async def test_where_nobody_asked_a_certificate_is_not_looked_at(
    smtp_peer: MakePeer, courier: MakeCourier, wrong_tls: ssl.SSLContext
) -> None:
    peer = smtp_peer(tls=wrong_tls)
    one = courier(peer.port, tls="opportunistic")
    await one.deliver(envelope())
    assert (one.security.level, one.security.flaw, peer.connections) == (ENCRYPTED, "", 1)


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize(
    ("extensions", "answer", "flaw"),
    [
        ((), "", "127.0.0.1 does not offer STARTTLS"),
        (("STARTTLS",), "454 4.7.0 no key", "127.0.0.1 answered STARTTLS with 454"),
        (("STARTTLS",), Drop("220 go ahead"), "while starting TLS (127.0.0.1)"),
    ],
)
async def test_clear_text_says_why_it_is(
    smtp_peer: MakePeer,
    courier: MakeCourier,
    extensions: tuple[str, ...],
    answer: str | Drop,
    flaw: str,
    looks: bool,
) -> None:
    peer = smtp_peer(extensions=extensions)
    if answer:
        peer.rule("STARTTLS", answer)
    one = courier(peer.port, looks_at_certificate=looks)
    assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert one.security.level is PLAIN
    assert flaw in one.security.flaw


@pytest.mark.parametrize(
    ("extensions", "answer"),
    [((), ""), (("STARTTLS",), "454 4.7.0 no key"), (("STARTTLS",), Drop("220 go ahead"))],
)
async def test_what_fails_for_want_of_tls_says_so(
    smtp_peer: MakePeer, courier: MakeCourier, extensions: tuple[str, ...], answer: str | Drop
) -> None:
    peer = smtp_peer(extensions=extensions)
    if answer:
        peer.rule("STARTTLS", answer)
    [outcome] = await courier(peer.port, tls="required").deliver(envelope())
    assert isinstance(outcome, Deferred)
    assert outcome.lacks_tls


async def test_what_fails_for_other_reasons_does_not(smtp_peer: MakePeer, courier: MakeCourier) -> None:
    peer = smtp_peer()
    peer.rule("EHLO", "421 4.3.2 busy")
    [outcome] = await courier(peer.port, tls="required").deliver(envelope())
    assert isinstance(outcome, Deferred)
    assert not outcome.lacks_tls


async def test_each_connection_under_tls_is_told(
    smtp_peer: MakePeer, courier: MakeCourier, tls: ssl.SSLContext
) -> None:
    told: list[TlsLevel] = []
    plain, secured = courier(smtp_peer().port), courier(smtp_peer(tls=tls).port)
    for one in (plain, secured):
        one._when_secured = lambda target, security: told.append(security.level)
        await one.deliver(envelope())
    assert told == [ENCRYPTED]


# Our own certificate


@pytest.fixture
def asking(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context that wants a certificate from clients."""
    context = server_context(authority, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    return context


@pytest.fixture
def ours(authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path]:
    """Our certificate, and its key."""
    issued = authority.issue_cert("us.test")
    certificate, key = tmp_path / "us.pem", tmp_path / "us.key"
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(certificate), append=True)
    issued.private_key_pem.write_to_path(str(key))
    return certificate, key


@pytest.mark.parametrize("policy", ["opportunistic", "required", "verified"])
@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("implicit", [True, False])
async def test_our_certificate_is_shown_to_who_asks(
    smtp_peer: MakePeer,
    courier: MakeCourier,
    asking: ssl.SSLContext,
    ours: tuple[Path, Path],
    ca_file: Path,
    policy: str,
    looks: bool,
    implicit: bool,
) -> None:
    peer = smtp_peer(tls=asking, implicit_tls=implicit)
    one = courier(
        peer.port,
        tls=policy,
        implicit_tls=implicit,
        ca_file=str(ca_file),
        certificate=str(ours[0]),
        key=str(ours[1]),
        looks_at_certificate=looks,
    )
    assert isinstance((await one.deliver(envelope()))[0], Delivered)
    assert peer.messages[0].is_tls


async def test_the_key_may_be_in_the_same_file(
    smtp_peer: MakePeer, courier: MakeCourier, asking: ssl.SSLContext, ours: tuple[Path, Path], tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(ours[1].read_bytes() + ours[0].read_bytes())
    peer = smtp_peer(tls=asking)
    assert isinstance((await courier(peer.port, certificate=str(both)).deliver(envelope()))[0], Delivered)


async def test_without_one_the_host_that_asks_is_not_given_mail(
    smtp_peer: MakePeer, courier: MakeCourier, asking: ssl.SSLContext
) -> None:
    peer = smtp_peer(tls=asking)
    [outcome] = await courier(peer.port, tls="required").deliver(envelope())
    assert isinstance(outcome, Deferred)
    assert outcome.whole_destination
    assert peer.messages == []


@pytest.mark.parametrize("policy", ["opportunistic", "verified"])
def test_a_certificate_that_cannot_be_used_is_a_configuration_error(
    ours: tuple[Path, Path], authority: trustme.CA, tmp_path: Path, policy: str
) -> None:
    certificate, key = ours
    other, locked = tmp_path / "other.key", tmp_path / "locked.key"
    authority.issue_cert("other.test").private_key_pem.write_to_path(str(other))
    secret = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    for wrong in (other, locked, certificate, tmp_path / "none.key"):
        with pytest.raises(ConfigurationError, match="certificate"):
            SmtpCourier(SmtpTarget("mx.test", tls=policy, certificate=str(certificate), key=str(wrong)))
