"""Couriers that sign: which domain, with what, and what the next hop gets."""

from __future__ import annotations

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from graphpost.testing.clock import JumpingClock
from graphpost.transport.courier import Delivered, Envelope, Outcome, Reply
from graphpost.transport.dkim import Key, Signer
from graphpost.transport.dkim_keys import record_text
from graphpost.transport.signing import SigningCourier, author_domain

from .letters import content

KEY = Key("e1", Ed25519PrivateKey.generate())


class Last:
    """Keeps what it was handed."""

    def __init__(self) -> None:
        self.data = b""
        self.size = 0

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        self.data, self.size = b"".join(envelope.data), envelope.data.size
        return (Delivered(Reply(250, "2.0.0", "ok")),) * len(envelope.recipients)

    async def close(self) -> None:
        pass


async def passed(message: bytes, *domains: str, chunk: int = 0) -> bytes:
    last = Last()
    courier = SigningCourier(last, {name: Signer(name, (KEY,)) for name in domains}, JumpingClock())
    outcomes = await courier.deliver(Envelope("a@x.test", ("b@y.test",), content(message, chunk=chunk)))
    assert [type(outcome) for outcome in outcomes] == [Delivered]
    assert last.size == len(last.data)
    return last.data


def message(author: str) -> bytes:
    return f"From: {author}\r\nSubject: x\r\n\r\nHello.\r\n".encode()


@pytest.mark.parametrize("chunk", [0, 5])
@pytest.mark.anyio
async def test_what_is_signed_is_the_message_with_a_field_more(chunk: int) -> None:
    original = message("adele@contoso.test")
    sent = await passed(original, "contoso.test", chunk=chunk)
    assert sent.startswith(b"DKIM-Signature:")
    assert sent.endswith(original)

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return record_text(KEY).encode() if name.startswith(b"e1._domainkey.contoso.test") else None

    assert dkim.verify(sent, dnsfunc=look_up)


@pytest.mark.parametrize(
    ("author", "domains", "by"),
    [
        ("adele@contoso.test", ["contoso.test"], b"d=contoso.test;"),
        ("Adele <adele@CONTOSO.test>", ["contoso.test"], b"d=contoso.test;"),
        ("adele@mail.contoso.test", ["contoso.test"], b"d=contoso.test;"),
        ("adele@mail.contoso.test", ["contoso.test", "mail.contoso.test"], b"d=mail.contoso.test;"),
        ("adele@xn--bcher-kva.test", ["xn--bcher-kva.test"], b"d=xn--bcher-kva.test;"),
        ("adele@bücher.test", ["xn--bcher-kva.test"], b"d=xn--bcher-kva.test;"),
    ],
)
@pytest.mark.anyio
async def test_the_authors_domain_signs_or_the_nearest_above_it(
    author: str, domains: list[str], by: bytes
) -> None:
    assert by in await passed(message(author), *domains)


@pytest.mark.parametrize(
    "author", ["adele@other.test", "adele@notcontoso.test", "a@contoso.test, b@other.test", "", "nobody"]
)
@pytest.mark.anyio
async def test_mail_of_others_goes_out_as_it_is(author: str) -> None:
    assert await passed(message(author), "contoso.test") == message(author)


def test_two_from_fields_have_no_author() -> None:
    two = content(b"From: a@one.test\r\nFrom: b@two.test\r\n\r\n")
    assert author_domain(two) == ""


@pytest.mark.anyio
async def test_what_a_stranger_wrote_is_not_signed_whomever_it_claims_to_be_from() -> None:
    last, original = Last(), message("adele@contoso.test")
    courier = SigningCourier(last, {"contoso.test": Signer("contoso.test", (KEY,))}, JumpingClock())
    await courier.deliver(Envelope("a@x.test", ("b@y.test",), content(original), is_foreign=True))
    assert last.data == original
