"""What is recorded of who a message is from, and refused: our own couriers and signatures, our own port, a name server."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client import ALEX
from tests.inbound.room import HOST, LETTER, MakeRoom, Room
from tests.inbound.test_server import serving
from tests.transport.letters import envelope

from graphpost.authenticity.authenticator import Authenticator
from graphpost.config import DnsSettings, InboundSettings
from graphpost.inbound.judging import Judge
from graphpost.testing.dns_peer import DnsPeer
from graphpost.transport.courier import Delivered, Failed
from graphpost.transport.dkim import Key, Signer
from graphpost.transport.dkim_keys import make_key, read_key, record_text
from graphpost.transport.resolver import DnsResolver
from graphpost.transport.session import SmtpTarget
from graphpost.transport.signing import SigningCourier
from graphpost.transport.smtp import SmtpCourier

pytestmark = pytest.mark.anyio
MESSAGE = b"From: Adele <adele@bank.test>\r\nTo: alex@contoso.test\r\nSubject: Money\r\n\r\nPay Bob.\r\n"


@pytest.fixture
def key(tmp_path: Path) -> Key:
    path = tmp_path / "k.pem"
    path.write_bytes(make_key("rsa"))
    return read_key(path, "s1")


@pytest.fixture
def dns(key: Key) -> Iterator[DnsPeer]:
    with DnsPeer() as peer:
        text = record_text(key)
        peer.add("s1._domainkey.bank.test", "TXT", f'"{text[:200]}" "{text[200:]}"')
        peer.add("bank.test", "TXT", '"v=spf1 -all"')
        peer.add("_dmarc.bank.test", "TXT", '"v=DMARC1; p=reject"')
        yield peer


async def judged(make_room: MakeRoom, dns: DnsPeer, **settings: Any) -> Room:
    """A room that is judged in as the settings say."""
    wanted = InboundSettings(**{"unlimited": ["::1"], **settings})

    async def evaluate(letter: Any, spool: Any) -> bytes:
        authenticator = Authenticator(DnsResolver(DnsSettings(servers=[dns.address])), HOST, room.clock)
        return await Judge(authenticator, wanted, room.log).evaluate(letter, spool)

    room = make_room(evaluate=evaluate)
    await room.open()
    return room


async def send(room: Room, signer: Signer | None, data: bytes = MESSAGE) -> Any:
    """What becomes of a message that one of our couriers brings."""
    signers = {signer.domain: signer} if signer else {}
    target = SmtpTarget("127.0.0.1", room.port, "mail.bank.test", tls="none")
    courier = SigningCourier(SmtpCourier(target), signers, room.clock)
    try:
        (outcome,) = await courier.deliver(envelope("alex@contoso.test", data=data, sender="adele@bank.test"))
    finally:
        await courier.close()
    return outcome


async def results(room: Room) -> str:
    """The field on top of the only message, in one line."""
    from tests.delivery.post import ALEX as MAILBOX

    [value] = await room.values(MAILBOX)
    header = value.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").decode()
    [line] = [line for line in header.split("\r\n") if line.startswith("Authentication-Results:")]
    return line


async def test_what_our_courier_signs_passes_at_our_port(make_room: MakeRoom, dns: DnsPeer, key: Key) -> None:
    room = await judged(make_room, dns, authentication="refuse")
    assert isinstance(await send(room, Signer("bank.test", [key])), Delivered)
    line = await results(room)
    assert line.startswith(
        f"Authentication-Results: {HOST}; spf=fail smtp.mailfrom=adele@bank.test; dkim=pass "
    )
    assert line.endswith("; dmarc=pass (p=reject) header.from=bank.test")
    assert "judged client=127.0.0.1" in room.said()


async def test_what_is_forged_is_recorded(make_room: MakeRoom, dns: DnsPeer) -> None:
    room = await judged(make_room, dns)
    assert isinstance(await send(room, None), Delivered)
    line = await results(room)
    assert line.endswith("; dkim=none; dmarc=fail (p=reject) header.from=bank.test")
    assert 'graphpost_judged_total{dmarc="fail"} 1.0' in room.log.metrics.exposition().decode()


async def test_what_is_forged_is_refused_where_that_is_wanted(make_room: MakeRoom, dns: DnsPeer) -> None:
    room = await judged(make_room, dns, authentication="refuse")
    outcome = await send(room, None)
    assert isinstance(outcome, Failed)
    assert (outcome.reply.code, outcome.reply.status) == (550, "5.7.26")
    assert outcome.reply.text == "bank.test wants refused what it neither sent nor signed (DMARC)"
    assert await room.values() == []


async def test_what_nobody_answers_for_is_taken(make_room: MakeRoom, dns: DnsPeer) -> None:
    dns.fail("_dmarc.bank.test")
    room = await judged(make_room, dns, authentication="refuse")
    assert isinstance(await send(room, None), Delivered)
    assert "dmarc=temperror" in await results(room)


async def test_our_relays_are_not_judged(make_room: MakeRoom, dns: DnsPeer) -> None:
    room = await judged(make_room, dns, authentication="refuse", unlimited=["127.0.0.0/8"])
    assert isinstance(await send(room, None), Delivered)
    assert dns.questions == []


async def test_a_large_message_is_judged_from_its_file(make_room: MakeRoom, dns: DnsPeer, key: Key) -> None:
    room = await judged(make_room, dns)
    large = MESSAGE + b"A line of it. \r\n" * 20_000
    assert isinstance(await send(room, Signer("bank.test", [key]), large), Delivered)
    assert "dkim=pass" in await results(room)


def test_the_server_does_as_the_settings_say(tmp_path: Path, dns: DnsPeer) -> None:
    text = f'unlimited = ["::1"]\nauthentication = "refuse"\n[dns]\nservers = ["{dns.address}"]\n'
    with serving(tmp_path, text) as (server, client):
        with smtplib.SMTP("127.0.0.1", server.config.inbound.port) as smtp:
            assert smtp.sendmail("bob@else.test", [ALEX], LETTER) == {}
            with pytest.raises(smtplib.SMTPDataError, match=r"5\.7\.26"):
                smtp.sendmail("bob@else.test", [ALEX], MESSAGE)
        assert [each["subject"] for each in client.folder("inbox", ALEX)] == ["Hello"]


def test_the_server_may_be_told_to_ask_nobody(tmp_path: Path, dns: DnsPeer) -> None:
    text = f'unlimited = ["::1"]\nauthentication = "off"\n[dns]\nservers = ["{dns.address}"]\n'
    with serving(tmp_path, text) as (server, client):
        with smtplib.SMTP("127.0.0.1", server.config.inbound.port) as smtp:
            assert smtp.sendmail("bob@else.test", [ALEX], MESSAGE) == {}
        assert [each["subject"] for each in client.folder("inbox", ALEX)] == ["Money"]
    assert dns.questions == []
