"""Verification of DKIM signatures that dkimpy and our own signer make; dkimpy's opinion of what is forged."""

from __future__ import annotations

import asyncio
import contextlib
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dkim.canonicalization import Simple
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.authenticity.zone import FAILS, Table, Zone

from graphpost.authenticity.dkim import SIGNATURES, DkimResult, check_signature, digest_message
from graphpost.authenticity.dkim_signature import DkimError, parse_key, parse_signature
from graphpost.clock import SECOND
from graphpost.transport.dkim import Key, RelaxedBody, Signer, SimpleBody, raw_fields
from graphpost.transport.dkim_keys import record_text

NOW = 1_700_000_000
RSA = Key("r1", generate_private_key(public_exponent=65537, key_size=2048))
EDWARDS = Key("e1", Ed25519PrivateKey.generate())
WEAK = Key("weak", generate_private_key(public_exponent=65537, key_size=1024))
MESSAGE = (
    b"From: Adele <adele@example.test>\r\nTo: bob@example.org\r\nSubject: hello\r\n\tagain\r\n"
    b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\n"
    b"Hello,  you. \r\n\r\nBye\t\r\n\r\n\r\n"
)
RECORD = record_text(RSA)
KEYS: Table = {
    f"{key.selector}._domainkey.example.test": {"TXT": [record_text(key)]} for key in (RSA, EDWARDS, WEAK)
}


def ours(message: bytes = MESSAGE, *keys: Key) -> bytes:
    return Signer("example.test", keys or (RSA, EDWARDS)).sign([message], NOW * SECOND) + message


def theirs(message: bytes = MESSAGE, key: Key = RSA, **options: object) -> bytes:
    """Signed by dkimpy."""
    if isinstance(key.private, RSAPrivateKey):
        secret = key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        options.setdefault("signature_algorithm", b"rsa-sha256")
    else:
        secret = b64encode(key.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
        options.setdefault("signature_algorithm", b"ed25519-sha256")
    signed = dkim.sign(message, key.selector.encode(), b"example.test", secret, **options)
    return bytes(signed) + message


def verify(message: bytes, table: Table = KEYS, *, size: int = 0, now: int = NOW) -> list[DkimResult]:
    digest = digest_message(pieces(message, size or len(message)))
    zone = Zone(table)

    async def run() -> list[DkimResult]:
        return [await check_signature(zone, digest, each, now) for each in digest.signatures]

    return asyncio.run(run())


def results(message: bytes, table: Table = KEYS, **more: int) -> list[str]:
    return [each.result for each in verify(message, table, **more)]


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def dkimpy_holds(message: bytes) -> bool:
    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return KEYS[name.decode().rstrip(".")]["TXT"][0].encode()

    try:
        return bool(dkim.DKIM(message).verify(dnsfunc=look_up))
    except dkim.DKIMException:
        return False


def test_what_our_signer_signs_holds() -> None:
    found = verify(ours())
    assert [(each.result, each.domain, each.selector, each.algorithm) for each in found] == [
        ("pass", "example.test", "r1", "rsa-sha256"),
        ("pass", "example.test", "e1", "ed25519-sha256"),
    ]
    assert found[0].prefix in ours().decode()


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
@pytest.mark.parametrize("key", [RSA, EDWARDS], ids=["rsa", "ed25519"])
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_what_dkimpy_signs_holds(header: bytes, body: bytes, key: Key, size: int) -> None:
    assert results(theirs(key=key, canonicalize=(header, body)), size=size) == ["pass"]


@pytest.mark.parametrize(
    "body", [b"", b"\r\n", b"\r\n\r\n", b"x", b" \r\n", b"x \r\n\t\r\n", b"\xff\r\n" * 3]
)
@pytest.mark.parametrize("form", [b"simple", b"relaxed"])
def test_every_end_of_a_body_holds(body: bytes, form: bytes) -> None:
    message = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    assert results(theirs(message, canonicalize=(form, form))) == ["pass"]


@pytest.mark.parametrize(
    "forge",
    [
        lambda text: text.replace(b"Hello,", b"Hallo,"),
        lambda text: text + b"P.S.\r\n",
        lambda text: text.replace(b"Subject: hello", b"Subject: Hello"),
        lambda text: text.replace(b"From: Adele", b"From: Eve <eve@example.test>\r\nFrom: Adele"),
        lambda text: text.replace(b"To: bob", b"To: eve@example.test\r\nTo: bob"),
    ],
)
def test_what_was_changed_fails(forge) -> None:  # type: ignore[no-untyped-def]
    signed = ours()
    forged = forge(signed)
    assert forged != signed
    assert set(results(forged)) == {"fail"}
    assert not dkimpy_holds(forged)


def test_what_a_relay_adds_or_folds_does_not_break_a_relaxed_one() -> None:
    passed = b"Received: by relay.test;\r\n\tFri, 20 Nov 2026 12:00:01 +0000\r\n" + ours()
    assert (
        results(passed.replace(b"Subject: hello", b"SUBJECT  :   hello ").replace(b"you. ", b"you.\t "))
        == ["pass"] * 2
    )


def edited(edit, message: bytes | None = None) -> bytes:  # type: ignore[no-untyped-def]
    """Our message with its (RSA) signature's tags changed."""
    signed = message or ours(MESSAGE, RSA)
    field = raw_fields(signed)[0][1]
    return edit(field) + signed[len(field) :]


@pytest.mark.parametrize(
    ("edit", "result", "reason"),
    [
        (lambda f: f.replace(b"v=1;", b"v=2;"), "neutral", "it is of another version"),
        (lambda f: f.replace(b"v=1;", b""), "neutral", "v= is missing"),
        (lambda f: f.replace(b"d=example.test;", b""), "neutral", "d= is missing"),
        (lambda f: f.replace(b"s=r1;", b"s=r1; s=r2;"), "neutral", "s= is there twice"),
        (lambda f: f.replace(b"v=1;", b"v=1; q=http;"), "neutral", "q= is not known"),
        (lambda f: f.replace(b"relaxed/relaxed", b"relaxed/strict"), "neutral", "c= is not known"),
        (lambda f: f.replace(b"t=", b"x=soon; t="), "neutral", "x= is not a number"),
        (lambda f: f.replace(b"t=", b"l=-1; t="), "neutral", "l= is not a number"),
        (lambda f: re.sub(rb"bh=.", b"bh=!", f), "neutral", "bh= is not base64"),
        (lambda f: f.replace(b"v=1;", b"v=1; \xff"), "neutral", "the signature is not text"),
        (lambda f: f.replace(b"v=1;", b"v=1; nonsense"), "neutral", "it is no list of tags"),
        (lambda f: f.replace(b"v=1;", b"v=1; z=" + b"x" * 40_000 + b";"), "neutral", "the signature is too long"),
        (lambda f: f.replace(b"rsa-sha256", b"rsa-sha1"), "policy", "rsa-sha1 is not accepted"),
        (lambda f: f.replace(b"from:from:", b""), "permerror", "From is not signed"),
        (lambda f: f.replace(b"t=", b"x=1699999999; t="), "permerror", "the signature has expired"),
        (lambda f: f.replace(b"t=", b"i=eve@other.test; t="), "permerror", "i= is not within d="),
        (lambda f: f.replace(b"t=", b"i=@ample.test; t="), "permerror", "i= is not within d="),
        (lambda f: f.replace(b"d=example.test", b"d=exa\\mple.test"), "permerror", "there can be no such key"),
        (lambda f: f.replace(b"s=r1", b"s=r9"), "permerror", "there is no such key"),
        (lambda f: f.replace(b"s=r1", b"s=e1"), "permerror", "the key is for another algorithm"),
        (lambda f: f.replace(b"t=", b"l=3; t="), "policy", "l= leaves 17 octets of the body out"),
        (lambda f: f.replace(b"t=", b"l=99; t="), "fail", "the body is shorter than l="),
        (lambda f: f.replace(b"t=1", b"t=2"), "fail", "the signature is not that of this message"),
        (lambda f: re.sub(rb"bh=[^;]*", b"bh=" + b64encode(sha256(b"").digest()), f), "fail", "the body was changed"),
    ],
)  # fmt: skip
def test_every_fault_of_a_signature_has_a_name(edit, result: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    (found,) = verify(edited(edit))
    assert (found.result, found.reason) == (result, reason)


def test_a_length_that_covers_the_body_holds() -> None:
    assert results(theirs(length=True)) == ["pass"]
    assert results(theirs(length=True) + b"more\r\n") == ["policy"]
    assert results(theirs(length=True, canonicalize=(b"relaxed", b"relaxed"))) == ["pass"]


@pytest.mark.parametrize(
    ("records", "result", "reason"),
    [
        ([RECORD.replace("v=DKIM1; ", "")], "pass", ""),
        ([RECORD.replace("k=rsa; ", "h=sha1:sha256; s=*; n=note; t=y; ")], "pass", ""),
        ([RECORD.replace("p=", "p= ").replace("A", "A \t")], "pass", ""),
        ([], "permerror", "there is no such key"),
        ([RECORD, RECORD], "permerror", "there are several such keys"),
        (["v=DKIM1; p="], "permerror", "the key is revoked"),
        (["v=DKIM1"], "permerror", "the key record is none of DKIM's"),
        ([RECORD.replace("DKIM1", "DKIM2")], "permerror", "the key record is none of DKIM's"),
        (["nonsense"], "permerror", "the key record cannot be read"),
        ([RECORD + ";" + "x" * 9000], "permerror", "the key record is too long"),
        (["v=DKIM1; p=AAAA"], "permerror", "the key cannot be read"),
        (["v=DKIM1; p=!"], "permerror", "the key cannot be read"),
        (["v=DKIM1; k=ed25519; p=AAAA"], "permerror", "the key cannot be read"),
        ([RECORD.replace("k=rsa", "k=dsa")], "permerror", "the key is of a kind that is not known"),
        ([RECORD.replace("k=rsa", "h=sha1")], "permerror", "the key is for another hash"),
        ([RECORD.replace("k=rsa", "s=tlsrpt")], "permerror", "the key is not for mail"),
    ],
)  # fmt: skip
def test_every_fault_of_a_key_has_a_name(records: list[str], result: str, reason: str) -> None:
    (found,) = verify(ours(MESSAGE, RSA), {"r1._domainkey.example.test": {"TXT": records}})
    assert (found.result, found.reason) == (result, reason)


def test_a_key_may_be_for_its_domain_alone() -> None:
    table: Table = {"r1._domainkey.example.test": {"TXT": [RECORD + "; t=y:s"]}}
    assert results(theirs(identity=b"adele@example.test"), table) == ["pass"]
    assert results(theirs(identity=b"adele@sub.example.test"), KEYS) == ["pass"]
    assert results(theirs(identity=b"adele@sub.example.test"), table) == ["permerror"]


def test_a_name_server_that_fails_may_answer_later() -> None:
    assert results(ours(MESSAGE, RSA), {"r1._domainkey.example.test": FAILS}) == ["temperror"]


def test_a_weak_key_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphpost.authenticity.dkim_signature.LEAST_BITS", 1025)
    (found,) = verify(ours(MESSAGE, WEAK))
    assert (found.result, found.reason) == ("policy", "a key of 1024 bits is not accepted")


def test_a_key_that_makes_verification_slow_is_not_accepted() -> None:
    numbers = RSA.private.private_numbers().public_numbers  # type: ignore[union-attr]
    slow = RSAPublicNumbers(numbers.n - 2, numbers.n).public_key()
    text = b64encode(slow.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    (found,) = verify(ours(MESSAGE, RSA), {"r1._domainkey.example.test": {"TXT": [f"v=DKIM1; p={text}"]}})
    assert (found.result, found.reason) == ("policy", "a key with so long an exponent is not accepted")


def test_of_many_signatures_the_first_are_looked_at() -> None:
    signed = ours(MESSAGE, EDWARDS)
    field = raw_fields(signed)[0][1]
    assert results(field * 30 + signed) == ["pass"] * SIGNATURES


def test_what_is_no_field_hides_none() -> None:
    assert raw_fields(b"From: a\r\n\tb\r\nno field\r\n hidden: x\r\n: y\r\nT\xf6: z\r\nTo : c\r\n") == [
        ("from", b"From: a\r\n\tb\r\n"),
        ("to", b"To : c\r\n"),
    ]


@pytest.mark.parametrize("make", [RelaxedBody, SimpleBody])
@pytest.mark.parametrize("chunk", [b"\r\n" * 4096, b"\r" * 8192, b" \r" * 4096, b"\n" * 8192])
def test_a_body_of_line_ends_alone_is_not_kept(make: type[RelaxedBody | SimpleBody], chunk: bytes) -> None:
    body = make()
    for _ in range(500):
        body.update(chunk)
    assert len(body._held if isinstance(body, RelaxedBody) else body._half) < 10_000
    body.update(b"x\r\n")
    assert body.length > 2


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"bc", b"\xff", b"\r\n\r\n"]), max_size=40),
    st.integers(1, 9),
)
def test_any_body_has_the_simple_form_of_dkimpy(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    body = SimpleBody()
    for chunk in pieces(data, size):
        body.update(chunk)
    expected = (
        Simple.canonicalize_body(data if data.endswith(b"\r\n") or not data else data + b"\r\n") or b"\r\n"
    )
    assert (body.digest(), body.length) == (sha256(expected).digest(), len(expected))


TAGS = st.lists(
    st.tuples(
        st.sampled_from(["v", "a", "b", "bh", "c", "d", "h", "s", "i", "l", "q", "t", "x", "z", "k", "p", "", "\u00e9"]),
        st.sampled_from(["=", "", " = "]),
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(["1", "rsa-sha256", "relaxed/simple", "example.test", "from:to", "AAAA", "=", "\r\n\t", "DKIM1"]),
        ),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TAGS)
def test_any_signature_is_read_or_refused(tags: list[tuple[str, str, str]]) -> None:
    text = ";".join("".join(tag) for tag in tags).encode("utf-8", "replace")
    for parse in (parse_signature, parse_key):
        with contextlib.suppress(DkimError):
            parse(b"DKIM-Signature: " + text if parse is parse_signature else text)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_of_a_signed_message_is_seen_as_dkimpy_sees_it(data: st.DataObject) -> None:
    signed = SIGNED_ONCE
    at = data.draw(st.integers(0, len(signed) - 1))
    what = data.draw(st.sampled_from([b"", b" ", b"x", b"\r\n", b"\r\n\t", b":", b";", b"="]))
    forged = signed[:at] + what + signed[at + data.draw(st.integers(0, 2)) :]
    assume(not re.search(rb"(?<!\r)\n|\r(?!\n)", forged))  # no such message comes in
    assume(forged.endswith(b"\r\n"))
    assume(not re.search(rb"^[!-9;-~]+[ \t]+:", forged, re.MULTILINE))  # dkimpy reads no such field
    if results(forged)[:1] == ["pass"]:
        assert dkimpy_holds(forged)


def test_a_message_that_begins_with_an_empty_line_has_no_signatures() -> None:
    assert results(b"\r\n" + SIGNED_ONCE) == []


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_a_message_that_ends_with_its_header_has_an_empty_body(end: bytes) -> None:
    digest = digest_message([b"From: a@b.test", end])
    assert digest.fields == (("from", b"From: a@b.test\r\n"),)


def test_of_a_monstrous_header_the_beginning_is_read() -> None:
    digest = digest_message(
        [b"From: a@b.test\r\n", *[b"X: " + b"x" * 60_000 + b"\r\n"] * 30, b"To: c@d.test\r\n\r\n"]
    )
    names = [name for name, _ in digest.fields]
    assert (names[0], names[-1]) == ("from", "x")


SIGNED_ONCE = ours(MESSAGE, RSA)
