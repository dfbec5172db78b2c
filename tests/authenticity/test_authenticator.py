"""All of it together: what is recorded of a message, and that no message makes it fail."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Sequence

import authres
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.authenticity.zone import FAILS, Table, Zone
from tests.transport.letters import content

from graphpost.authenticity.authenticator import SMALL, Authenticator, Verdict
from graphpost.authenticity.dkim import DkimResult
from graphpost.authenticity.dmarc import DmarcResult
from graphpost.authenticity.results import results_field
from graphpost.authenticity.spf import SpfResult
from graphpost.config import DnsSettings
from graphpost.errors import MimeError
from graphpost.mail.parse import parse
from graphpost.testing.clock import START, JumpingClock
from graphpost.testing.dns_peer import DnsPeer
from graphpost.transport.courier import Delivered, Envelope, Outcome, Reply
from graphpost.transport.dkim import Key, Signer
from graphpost.transport.dkim_keys import make_key, read_key, record_text
from graphpost.transport.resolver import DnsResolver, Records
from graphpost.transport.signing import SigningCourier

HOST = "mx.contoso.test"
PEER = "192.0.2.7"
MESSAGE = (
    b"From: Adele <adele@bank.test>\r\nTo: bob@contoso.test\r\nSubject: hello\r\n"
    b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@bank.test>\r\n\r\nHello.\r\n"
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    path = tmp_path_factory.mktemp("keys") / "k.pem"
    path.write_bytes(make_key("ed25519"))
    return read_key(path, "s1")


@pytest.fixture
def table(key: Key) -> Table:
    return {
        "bank.test": {"TXT": [f"v=spf1 ip4:{PEER} -all"], "A": [PEER]},
        "s1._domainkey.bank.test": {"TXT": [record_text(key)]},
        "_dmarc.bank.test": {"TXT": ["v=DMARC1; p=reject"]},
    }


def evaluate(
    records: Records,
    message: bytes,
    *,
    peer: str = PEER,
    sender: str = "adele@bank.test",
    seconds: float = 20.0,
) -> Verdict:
    async def run() -> Verdict:
        authenticator = Authenticator(records, HOST, JumpingClock(), seconds)
        return await authenticator.evaluate(peer, "mail.bank.test", sender, content(message, chunk=1000))

    return asyncio.run(run())


def words(field: bytes) -> str:
    return " ".join(field.decode().split())


def test_what_its_domain_sent_and_signed_passes(table: Table, key: Key) -> None:
    signed = Signer("bank.test", [key]).sign([MESSAGE], START) + MESSAGE
    verdict = evaluate(Zone(table), signed)
    prefix = verdict.signatures[0].prefix
    assert words(verdict.field).replace('"', "") == (
        f"Authentication-Results: {HOST}; spf=pass smtp.mailfrom=adele@bank.test; "
        f"dkim=pass header.d=bank.test header.s=s1 header.a=ed25519-sha256 header.b={prefix}; "
        "dmarc=pass (p=reject) header.from=bank.test"
    )
    assert verdict.field.endswith(b"\r\n")
    assert not verdict.is_unwanted


def test_what_somebody_else_sent_in_its_name_is_unwanted(table: Table) -> None:
    verdict = evaluate(Zone(table), MESSAGE, peer="203.0.113.9", sender="x@evil.test")
    assert words(verdict.field) == (
        f"Authentication-Results: {HOST}; spf=none smtp.mailfrom=x@evil.test; dkim=none; "
        "dmarc=fail (p=reject) header.from=bank.test"
    )
    assert verdict.is_unwanted


def test_a_report_is_judged_by_who_brings_it(table: Table) -> None:
    table["mail.bank.test"] = {"TXT": [f"v=spf1 ip4:{PEER} -all"]}
    verdict = evaluate(Zone(table), MESSAGE, sender="")
    assert "spf=pass smtp.helo=mail.bank.test;" in words(verdict.field)
    assert verdict.dmarc.result == "pass"


def test_what_dns_does_not_answer_may_be_answered_later(table: Table, key: Key) -> None:
    signed = Signer("bank.test", [key]).sign([MESSAGE], START) + MESSAGE
    verdict = evaluate(Zone(dict.fromkeys(table, FAILS)), signed)
    assert (verdict.spf.result, verdict.signatures[0].result, verdict.dmarc.result) == ("temperror",) * 3
    assert not verdict.is_unwanted


class Silent(Zone):
    """A name server that does not answer before anybody has gone."""

    async def texts(self, name: str) -> tuple[bytes, ...]:
        await asyncio.Event().wait()
        return ()


def test_all_questions_have_one_budget_of_time(table: Table, key: Key) -> None:
    signed = Signer("bank.test", [key]).sign([MESSAGE], START) + MESSAGE
    verdict = evaluate(Silent(table), signed, seconds=0.0)
    assert (verdict.spf.reason, verdict.signatures[0].reason, verdict.dmarc.reason) == (
        "no answer in time",
    ) * 3
    assert verdict.dmarc == DmarcResult("temperror", "bank.test", reason="no answer in time")


class Dawdling(Zone):
    """Answers of DNS about one domain that never come."""

    async def texts(self, name: str) -> tuple[bytes, ...]:
        if name.endswith("evil.test"):
            await asyncio.Event().wait()
        return await super().texts(name)


def test_a_forger_whose_dns_dawdles_does_not_use_up_the_time_of_the_policy(table: Table) -> None:
    forged = b"DKIM-Signature: v=1; a=rsa-sha256; d=evil.test; s=x; h=from; bh=AAAA; b=AAAA\r\n" + MESSAGE
    verdict = evaluate(Dawdling(table), forged, sender="x@evil.test", seconds=0.05)
    assert (verdict.spf.result, verdict.dmarc.result) == ("temperror", "fail")
    assert verdict.is_unwanted


@pytest.mark.parametrize("author", [b"", b"From: \r\n", b"From: undisclosed:;\r\n"])
def test_who_is_shown_where_there_is_no_author_is_judged(table: Table, author: bytes) -> None:
    message = author + b"Sender: adele@bank.test\r\nSubject: hello\r\n\r\nHello.\r\n"
    verdict = evaluate(Zone(table), message, sender="x@evil.test")
    assert verdict.dmarc.domain == "bank.test"
    assert verdict.is_unwanted


def test_a_message_with_many_authors_is_unwanted(table: Table) -> None:
    others = b"".join(b"x@d%d.test, " % n for n in range(5))
    verdict = evaluate(Zone(table), MESSAGE.replace(b"From: ", b"From: " + others), sender="x@evil.test")
    assert verdict.dmarc.result == "permerror"
    assert verdict.is_unwanted


def test_answers_of_many_records_are_not_read_for_ever(table: Table) -> None:
    """Ten exchangers of ten names, each with hundreds of addresses: a hundred questions for one short message."""
    many = [f"10.0.{n // 250}.{n % 250}" for n in range(400)]
    table["evil.test"] = {"TXT": ["v=spf1 " + " ".join(f"mx:m{n}.evil.test" for n in range(10))]}
    for n in range(10):
        table[f"m{n}.evil.test"] = {"MX": [f"10 h{k}.m{n}.evil.test" for k in range(10)]}
        for k in range(10):
            table[f"h{k}.m{n}.evil.test"] = {"A": many}
    zone = Zone(table)
    verdict = evaluate(zone, MESSAGE, sender="x@evil.test")
    assert (verdict.spf.result, verdict.dmarc.result) == ("temperror", "fail")
    assert len(zone.asked) < 20


def test_a_large_message_is_read_elsewhere_and_passes(table: Table, key: Key) -> None:
    message = MESSAGE + b"x" * 60 + b"\r\n" + b"more \r\n" * SMALL
    signed = Signer("bank.test", [key]).sign([message], START) + message
    assert evaluate(Zone(table), signed).signatures[0].result == "pass"


def test_what_our_courier_signs_passes_and_what_is_forged_fails(key: Key) -> None:
    """Through a name server, as it is between two hosts."""
    taken: list[bytes] = []

    class Wire:
        async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
            taken.append(b"".join(envelope.data))
            return tuple(Delivered(Reply(250, "2.0.0", "OK")) for _ in envelope.recipients)

        async def close(self) -> None:
            """Nothing is ours."""

    async def run(address: str) -> list[Verdict]:
        courier = SigningCourier(Wire(), {"bank.test": Signer("bank.test", [key])}, JumpingClock())
        await courier.deliver(Envelope("adele@bank.test", ("bob@contoso.test",), content(MESSAGE)))
        authenticator = Authenticator(DnsResolver(DnsSettings(servers=[address])), HOST, JumpingClock())
        sent = taken[0]
        return [
            await authenticator.evaluate("203.0.113.9", "relay.test", "adele@bank.test", content(message))
            for message in (sent, sent.replace(b"Hello.", b"Pay me."))
        ]

    with DnsPeer() as dns:
        dns.add("s1._domainkey.bank.test", "TXT", f'"{record_text(key)}"')
        dns.add("bank.test", "TXT", '"v=spf1 -all"')
        dns.add("_dmarc.bank.test", "TXT", '"v=DMARC1; p=reject"')
        real, forged = asyncio.run(run(dns.address))
    assert (real.spf.result, real.signatures[0].result, real.dmarc.result) == ("fail", "pass", "pass")
    assert (forged.signatures[0].result, forged.dmarc.result, forged.is_unwanted) == ("fail", "fail", True)


@pytest.mark.parametrize(
    ("header", "authors"),
    [
        (b"From: a@one.test, b@two.test\r\n", ["one.test", "two.test"]),
        (b"From: a@one.test\r\nFrom: b@two.test\r\n", ["one.test", "two.test"]),
        (b"FROM : =?utf-8?q?b=40two.test?= <a@ONE.test>\r\n", ["one.test"]),
        (b'From: "b@two.test" <a@one.test>\r\n', ["one.test"]),
        (b"From: a@b\xc3\xbccher.test\r\n", ["xn--bcher-kva.test"]),
        (b"From: \r\n", []),
        (b"Subject: no author\r\n", []),
        (b"\r\nFrom: a@one.test\r\n", []),
    ],
)
def test_the_authors_are_all_that_from_names(header: bytes, authors: list[str]) -> None:
    zone = Zone({f"_dmarc.{domain}": {"TXT": ["v=DMARC1; p=none"]} for domain in authors})
    verdict = evaluate(zone, header + b"\r\nbody\r\n")
    assert verdict.dmarc.result == ("fail" if authors else "permerror")
    asked = {name for name, _ in zone.asked}
    assert {f"_dmarc.{domain}" for domain in authors} <= asked


HOSTILE = st.text(max_size=300)


@settings(max_examples=300, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, st.lists(st.tuples(HOSTILE, HOSTILE), max_size=3))
def test_nothing_gets_out_of_its_place_in_the_field(
    sender: str, domain: str, reason: str, signatures: list[tuple[str, str]]
) -> None:
    found: Sequence[DkimResult] = [
        DkimResult("fail", reason, first, second, second, first) for first, second in signatures
    ]
    field = results_field(
        HOST, SpfResult("fail", domain, reason), sender, found, DmarcResult("fail", domain, "reject", reason)
    )
    assert field.isascii()
    assert max(map(len, field.split(b"\r\n"))) <= 998
    assert all(line.startswith(b"\t") for line in field.split(b"\r\n")[1:-1])
    assert not any(byte < 32 and byte not in b"\r\n\t" for byte in field)
    told = authres.AuthenticationResultsHeader.parse(words(field))
    assert told.authserv_id == HOST
    assert [(each.method, each.result) for each in told.results] == [
        ("spf", "fail"), *[("dkim", "fail")] * len(found), *[("dkim", "none")] * (not found), ("dmarc", "fail"),
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [b"From: adele@bank.test", b"From:", b"DKIM-Signature: v=1; a=rsa-sha256; d=bank.test; s=s1; h=from; bh=; b=",
                 b"\r\n", b"\r\n\r\n", b"\t", b"<", b'"', b"(", b",", b":", b"\xff", b"@", b"eve@evil.test"]
            ),
            st.binary(max_size=20),
        ),
        max_size=20,
    ),
    st.text(max_size=30),
    st.text(max_size=30),
)  # fmt: skip
def test_no_message_makes_it_raise(parts: list[bytes], peer: str, sender: str) -> None:
    verdict = evaluate(Zone({}), b"".join(parts), peer=peer, sender=sender)
    assert email.message_from_bytes(verdict.field + b"\r\n", policy=email.policy.compat32)[
        "Authentication-Results"
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"From: ", b"from :", b"a@one.test", b"<b@two.test>", b", ", b"\r\n", b"\r\n ", b'"', b"(", b")", b"x", b":", b";", b"To: c@far.test", b"\r\n\r\n"]
        ),
        max_size=14,
    )
)  # fmt: skip
def test_the_author_that_is_shown_is_among_those_that_are_judged(parts: list[bytes]) -> None:
    raw = b"".join(parts)
    try:
        shown = parse(b"Received: by us\r\n" + raw).from_
    except MimeError:
        return
    zone = Zone({})
    evaluate(zone, raw)
    if shown is not None and "@" in shown.address:
        assert ("_dmarc." + shown.address.rpartition("@")[2], "TXT") in zone.asked
