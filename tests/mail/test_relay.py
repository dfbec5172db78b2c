"""What is stored and relayed of a MIME message."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mail.golden import GOLDEN, cases

from graphpost.errors import MimeError
from graphpost.mail.parse import parse
from graphpost.mail.relay import Reader, Relayed, normalise, outgoing, read_header, without_bcc

CORPUS = [path.read_bytes() for path in cases("parse", ".eml")]
DATE = 1_700_000_000_000_000
ADDED = b"Message-ID: <new@x>\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
BOTH = b"Date: d\r\nMessage-ID: <m@x>\r\n"


def stored(data: bytes) -> bytes:
    return normalise(data, message_id="<new@x>", date=DATE)


def reader(data: bytes, step: int = 5) -> Reader:
    def read(offset: int) -> Iterator[bytes]:
        for start in range(offset, len(data), step):
            yield data[start : start + step]

    return read


CASES = [
    (
        "bare LF",
        b"From: a@b.c\nSubject:x\n\nbody\n",
        b"From: a@b.c\r\nSubject:x\r\n" + ADDED + b"\r\nbody\r\n",
    ),
    ("bare CR", b"From: a@b.c\r\rbo\rdy", b"From: a@b.c\r\n" + ADDED + b"\r\nbo\r\ndy\r\n"),
    ("nothing to do", BOTH + b"\r\nbody\r\n", BOTH + b"\r\nbody\r\n"),
    ("NUL", BOTH + b"X: a\0b\r\n\r\nbo\0dy\r\n", BOTH + b"X: ab\r\n\r\nbody\r\n"),
    (
        "reserved",
        b"X-MS-Exchange-Organization-A: 1\r\n\t2\r\nx-ms-exchange-FOREST-b : 3\r\n" + BOTH + b"\r\n",
        BOTH + b"\r\n",
    ),
    ("only a header", BOTH, BOTH + b"\r\n"),
    ("empty Date", b"Date:\r\nMessage-ID: \r\n\t\r\nX: 1\r\n\r\n", b"X: 1\r\n" + ADDED + b"\r\n"),
    (
        "folded Message-ID",
        b"Date: d\r\nMessage-ID:\r\n\t<m@x>\r\n\r\n",
        b"Date: d\r\nMessage-ID:\r\n\t<m@x>\r\n\r\n",
    ),
    ("blank lines and From_", b"\r\n\nFrom me Mon\n" + BOTH + b"\r\nx\r\n", BOTH + b"\r\nx\r\n"),
    (
        "a line that is no field",
        BOTH + b"oops\r\nX: 1\r\n\r\nbody\r\n",
        BOTH + b"\r\noops\r\nX: 1\r\n\r\nbody\r\n",
    ),
    ("signed content", BOTH + b"\r\n--b  \r\nx \t\r\n", BOTH + b"\r\n--b  \r\nx \t\r\n"),
    ("8-bit header", b"Subject: \xe9\r\n" + BOTH + b"\r\n", b"Subject: \xe9\r\n" + BOTH + b"\r\n"),
]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_only_what_has_to_be_is_changed(data: bytes, expected: bytes) -> None:
    assert stored(data) == expected


@pytest.mark.parametrize("data", [b"", b"\n\n", b"hello world", b"no field\nFrom: a@b.c\n\n"])
def test_what_has_no_header_field_is_refused(data: bytes) -> None:
    with pytest.raises(MimeError):
        stored(data)


@given(st.sampled_from(CORPUS) | st.binary(max_size=100), st.binary(max_size=30), st.integers(0, 500))
def test_what_is_stored_is_read_as_what_was_sent_and_stays_the_same(
    data: bytes, noise: bytes, at: int
) -> None:
    data = data[:at] + noise + data[at:]
    try:
        once = stored(data)
        before = parse(data)
    except MimeError:
        return
    assert stored(once) == once
    assert b"\0" not in once
    assert once.count(b"\r") == once.count(b"\n") == once.count(b"\r\n")
    message = parse(once)
    assert message.internet_message_id
    assert not any(h.name.lower().startswith("x-ms-exchange-organization-") for h in message.headers)
    if b"\0" not in data and b"\r" not in data.replace(b"\r\n", b""):
        assert message.from_ == before.from_
        assert len(message.attachments) == len(before.attachments)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Bcc: a@b.c\r\n\r\n", b"\r\n"),
        (
            b"To: x@y.z\r\nBCC : a@b.c,\r\n\td@e.f\r\n \r\nSubject: bcc: x\r\n\r\n",
            b"To: x@y.z\r\nSubject: bcc: x\r\n\r\n",
        ),
        (b"bcc:\r\nResent-Bcc: a@b.c\r\nX-Bcc: kept\r\n\r\n", b"X-Bcc: kept\r\n\r\n"),
        (b"To: x\r\n\r\n", b"To: x\r\n\r\n"),
    ],
)
def test_bcc_is_taken_out_with_its_folds(header: bytes, expected: bytes) -> None:
    assert without_bcc(header) == expected


def test_what_is_relayed_is_what_is_stored_but_bcc() -> None:
    header = b"From: a@b.c\r\nBcc: secret@b.c,\r\n other@b.c\r\nTo: x@y.z\r\n\r\n"
    body = b"Bcc: this is body text\r\n" * 10
    relayed = outgoing(len(header + body), reader(header + body), header)
    expected = b"From: a@b.c\r\nTo: x@y.z\r\n\r\n" + body
    assert b"".join(relayed) == expected
    assert b"".join(relayed) == expected, "it can be read again"
    assert relayed.size == len(expected)
    assert not relayed.is_8bit


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_the_header_is_found_in_the_stream(step: int) -> None:
    data = b"Bcc: a@b.c\r\nTo: x\r\n\r\n\xc3\xbc\r\n\r\n"
    assert read_header(reader(data, step)(0)) == b"Bcc: a@b.c\r\nTo: x\r\n\r\n"
    relayed = outgoing(len(data), reader(data, step))
    assert b"".join(relayed) == b"To: x\r\n\r\n\xc3\xbc\r\n\r\n"
    assert relayed.is_8bit


def test_a_small_message_is_one_chunk() -> None:
    data = BOTH + b"\r\nbody\r\n"
    assert list(Relayed(len(data), reader(data, 1000), BOTH + b"\r\n")) == [data]


def test_a_header_without_end_is_refused() -> None:
    with pytest.raises(MimeError, match="does not end"):
        read_header(reader(b"x" * 1_100_000, 65_536)(0))


@pytest.mark.parametrize("name", ["documented_mixed", "documented_text"])
def test_documented_submissions_are_stored_with_what_they_lack(name: str) -> None:
    data = stored((GOLDEN / "parse" / f"{name}.eml").read_bytes())
    message = parse(data)
    assert b"X-MS-Exchange-Organization" not in data
    assert message.date
    assert message.internet_message_id.startswith("<")
    assert message.to
    assert data.replace(b"\r\n", b"").count(b"\n") == 0
