"""DKIM signatures, verified by dkimpy: an independent implementation."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.clock import SECOND
from graphpost.errors import MimeError
from graphpost.transport.dkim import Key, RelaxedBody, Signer

NOW = 1_700_000_000 * SECOND
RSA = Key("r1", generate_private_key(public_exponent=65537, key_size=2048))
RSA_NEXT = Key("r2", generate_private_key(public_exponent=65537, key_size=2048))
EDWARDS = Key("e1", Ed25519PrivateKey.generate())
HEADER = (
    b"From: Adele <adele@example.test>\r\nTo: bob@example.org\r\nSubject: hello\r\n"
    b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n"
)


def record(key: Key) -> bytes:
    public = key.private.public_key()
    if isinstance(public, type(RSA.private.public_key())):
        text = b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        return b"v=DKIM1; k=rsa; p=" + text
    return b"v=DKIM1; k=ed25519; p=" + b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))


RECORDS = {
    f"{key.selector}._domainkey.example.test.".encode(): record(key) for key in (RSA, RSA_NEXT, EDWARDS)
}


def look_up(name: bytes, timeout: int = 5) -> bytes | None:
    return RECORDS.get(name if name.endswith(b".") else name + b".")


def holds(message: bytes) -> bool:
    """Whether every signature of the message holds."""
    count = len(re.findall(rb"^DKIM-Signature:", message.partition(b"\r\n\r\n")[0], re.MULTILINE))
    verifier = dkim.DKIM(message)
    try:
        return count > 0 and all(verifier.verify(idx=index, dnsfunc=look_up) for index in range(count))
    except dkim.ValidationError:
        return False


def pieces(message: bytes, size: int) -> Iterator[bytes]:
    return (message[at : at + size] for at in range(0, len(message), size))


def signed(message: bytes, *keys: Key, size: int = 1 << 16) -> bytes:
    return Signer("example.test", keys or (RSA,)).sign(pieces(message, size), NOW) + message


CORPUS = {
    "a plain message": HEADER + b"\r\nHello.\r\n",
    "no body": HEADER + b"\r\n",
    "a body of empty lines": HEADER + b"\r\n\r\n\r\n\r\n",
    "a body of blanks": HEADER + b"\r\n \t \r\n  \r\n",
    "a body without an end of line": HEADER + b"\r\nHello.",
    "empty lines at the end": HEADER + b"\r\nHello.\r\n\r\n\r\n",
    "blanks at the ends of lines": HEADER + b"\r\nHello. \t\r\n  you  \t there \r\n\t\r\n",
    "empty lines within": HEADER + b"\r\na\r\n\r\n\r\nb\r\n \r\nc\r\n",
    "8-bit content": HEADER + "\r\nGrüße 😀\r\n".encode(),
    "8-bit header": HEADER + "Comments: Grüße\r\n\r\nx\r\n".encode(),
    "folded fields": b"From: Adele\r\n <adele@example.test>\r\nTo: a@example.org,\r\n\tb@example.org,\r\n  c@example.org\r\n"
    b"Subject:\r\n on the next  line \r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\n\r\nx\r\n",
    "a field twice": HEADER + b"References: <a@x>\r\nReferences: <b@x>\r\n\r\nx\r\n",
    "odd spelling": HEADER.replace(b"Subject: hello", b"SUBJECT:   hello   there  ") + b"\r\nx\r\n",
    "an empty field": HEADER + b"Reply-To:\r\n\r\nx\r\n",
    "long lines": HEADER + b"\r\n" + b"word " * 5000 + b"\r\n",
    "another signature already": b"DKIM-Signature: v=1; a=rsa-sha256; d=other.test; s=x; h=from; bh=; b=\r\n" + HEADER + b"\r\nx\r\n",
}  # fmt: skip


@pytest.mark.parametrize("keys", [(RSA,), (EDWARDS,), (RSA, EDWARDS), (RSA, RSA_NEXT)])
@pytest.mark.parametrize("name", [name for name in CORPUS if name != "another signature already"])
def test_a_signature_holds(name: str, keys: tuple[Key, ...]) -> None:
    assert holds(signed(CORPUS[name], *keys))


def test_a_signature_holds_beside_that_of_others() -> None:
    message = signed(CORPUS["another signature already"])
    assert dkim.DKIM(message).verify(idx=0, dnsfunc=look_up)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("name", CORPUS)
def test_how_a_message_is_cut_into_pieces_does_not_matter(name: str, size: int) -> None:
    message = CORPUS[name]
    edwards = Signer("example.test", (EDWARDS,))
    assert edwards.sign(pieces(message, size), NOW) == edwards.sign([message], NOW)


def test_25_megabytes_are_signed() -> None:
    line = b"0123456789abcdef " * 4 + b"\r\n"
    message = HEADER + b"\r\n" + line * (25_000_000 // len(line)) + b"\r\n" * 1000
    assert holds(signed(message))


@pytest.mark.parametrize(
    "forged",
    [
        lambda text: text.replace(b"Hello.", b"Hullo."),
        lambda text: text.replace(b"Subject: hello", b"Subject: hullo"),
        lambda text: b"Subject: another\r\n" + text,
        lambda text: text.replace(b"Subject: hello", b"Subject: hello\r\nReply-To: eve@evil.test"),
        lambda text: text.replace(b"Subject: hello", b"Subject: hello\r\nCc: eve@evil.test"),
        lambda text: text.replace(b"From: ", b"From: eve@evil.test\r\nFrom: "),
        lambda text: text.replace(b"t=1700000000", b"t=1700000001"),
    ],
)
def test_what_was_signed_cannot_be_changed_nor_added_to(forged) -> None:  # type: ignore[no-untyped-def]
    message = signed(CORPUS["a plain message"])
    assert holds(message)
    changed = forged(message)
    assert changed != message
    assert not holds(changed)


def test_what_a_relay_adds_or_folds_does_not_break_it() -> None:
    message = signed(CORPUS["a plain message"])
    passed = b"Received: by relay.test; Fri, 20 Nov 2026 12:00:01 +0000\r\n" + message.replace(
        b"To: bob@example.org", b"To:\r\n\tbob@example.org "
    )
    assert holds(passed.replace(b"Hello.\r\n", b"Hello. \r\n\r\n"))


def test_the_lines_of_a_signature_are_short() -> None:
    field = Signer("example.test", (RSA, EDWARDS)).sign([CORPUS["folded fields"]], NOW)
    assert max(map(len, field.split(b"\r\n"))) <= 100


def test_a_message_without_the_end_of_a_header_is_not_signed() -> None:
    with pytest.raises(MimeError):
        Signer("example.test", (EDWARDS,)).sign([b"From: a@b.test\r\n"], NOW)


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"bc", b"\xff", b"=20"]), max_size=40),
    st.integers(1, 9),
)
def test_any_body_hashes_as_dkimpy_does(parts: list[bytes], size: int) -> None:
    body = b"".join(parts)
    whole = RelaxedBody()
    for chunk in pieces(body, size):
        whole.update(chunk)
    on_the_wire = body if body.endswith(b"\r\n") or not body else body + b"\r\n"
    assert whole.digest() == sha256(Relaxed.canonicalize_body(on_the_wire)).digest()
