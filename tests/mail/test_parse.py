"""Parsing: the standard library's messages are read the same, hostile ones never break it."""

from __future__ import annotations

import contextlib
import mmap
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mail.golden import cases

from graphpost.errors import MimeError
from graphpost.mail.content import MOST_TEXT
from graphpost.mail.encoding import decode
from graphpost.mail.message import Address, Header
from graphpost.mail.parse import ParseLimits, parse

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" "), max_size=60
)
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=200
)
CORPUS = [path.read_bytes() for path in cases("parse", ".eml") + cases("compose", ".eml")]
TINY = ParseLimits(depth=3, parts=10, header_bytes=2000)


@given(WORDS, TEXT, TEXT, st.binary(max_size=200), WORDS)
def test_what_the_standard_library_writes_is_read_the_same(
    subject: str, plain: str, html: str, data: bytes, name: str
) -> None:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Adele <a@b.c>"
    message["To"] = "x@y.z, Y <y@y.z>"
    message.set_content(plain)
    message.add_alternative(html, subtype="html")
    message.add_attachment(data, maintype="application", subtype="pdf", filename=name or "x")
    raw = message.as_bytes()
    found = parse(raw)
    assert found.subject.split() == subject.split()
    assert found.to == (Address("x@y.z"), Address("y@y.z", "Y"))
    assert found.body.kind == "html"
    assert found.body.content.rstrip("\n") == html.rstrip("\n")
    (attachment,) = found.attachments
    assert attachment.size == len(data)
    assert attachment.content is not None
    ref = attachment.content
    assert b"".join(decode([raw[ref.offset : ref.offset + ref.length]], ref.encoding)) == data


@pytest.mark.parametrize("word", ["=?utf-8?Q?a=0D=0AX-Evil:_1=00?=", "=?utf-8?B?YQ0KWC1FdmlsOiAxAA==?="])
def test_an_encoded_word_brings_no_line_ends_into_any_value(word: str) -> None:
    data = f"Subject: {word}\r\nX-Own: {word}\r\nKeywords: {word}, b\r\n\r\nx\r\n".encode()
    found = parse(data)
    assert found.subject == "a  X-Evil: 1"
    assert {header.value for header in found.headers} == {"a  X-Evil: 1", "a  X-Evil: 1, b"}
    assert found.categories == ("a  X-Evil: 1", "b")


@given(st.sampled_from(CORPUS), st.data())
def test_a_damaged_message_is_read_or_refused(data: bytes, draw: st.DataObject) -> None:
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data)))
        end = draw.draw(st.integers(at, min(len(data), at + 200)))
        data = (
            data[:at]
            + draw.draw(st.binary(max_size=20) | st.sampled_from([data[at:end] * 2, b"\r\n\r\n", b"--"]))
            + data[end:]
        )
    for limits in (ParseLimits(), TINY):
        try:
            message = parse(data, limits)
        except MimeError:
            continue
        assert not any(c in header.value for header in message.headers for c in "\r\n\0")
        assert not any(c in message.subject for c in "\r\n\0")
        for attachment in message.attachments:
            assert attachment.content is not None
            assert (
                0
                <= attachment.content.offset
                <= attachment.content.offset + attachment.content.length
                <= len(data)
            )


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(MimeError):
        parse(data)


def test_a_map_of_a_file_is_read_like_bytes(tmp_path: Path) -> None:
    for data in CORPUS:
        path = tmp_path / "message"
        path.write_bytes(data)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert parse(mapped) == parse(data)


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\n\r\nbody", b"hello world", b"no colon here\r\nFrom: a@b.c\r\n", b": x\r\n"]
)
def test_what_has_no_header_field_is_no_message(data: bytes) -> None:
    with pytest.raises(MimeError, match="no header field"):
        parse(data)


def nested(levels: int) -> bytes:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels)
    )
    return head + b"\r\ntext\r\n"


def test_nesting_is_limited() -> None:
    assert parse(nested(30)).body.content == "text\r\n"
    with pytest.raises(MimeError, match="nested deeper than 30"):
        parse(nested(31))


def test_the_number_of_parts_is_limited() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    assert len(parse(head + b"--b\r\n\r\nx\r\n" * 999).body.content) == 999 * 1 + 998 * 2 + 2
    with pytest.raises(MimeError, match="more than 1000 parts"):
        parse(head + b"--b\r\n\r\nx\r\n" * 1001)


def test_a_header_is_limited() -> None:
    assert parse(b"Subject: " + b"x" * 262_000 + b"\r\n\r\n").subject == "x" * 262_000
    with pytest.raises(MimeError, match="longer than 262144"):
        parse(b"Subject: " + b"x" * 262_144 + b"\r\n\r\n")


def test_every_header_is_kept_in_order_and_decoded() -> None:
    message = parse(b"Received: a\r\nReceived: b\r\nX-N: =?utf-8?Q?=C3=BC?=\r\n =?utf-8?Q?=C3=BC?=\r\n\r\n")
    assert message.headers == (Header("Received", "a"), Header("Received", "b"), Header("X-N", "üü"))


@pytest.mark.parametrize(
    ("field", "importance"),
    [
        ("Importance: High", "high"),
        ("Importance: low\r\nX-Priority: 1", "low"),
        ("X-Priority: 2 (High)", "high"),
        ("X-Priority: 3", "normal"),
        ("X-Priority: 5", "low"),
        ("X-MSMail-Priority: High", "high"),
        ("Priority: urgent", "high"),
        ("Priority: non-urgent", "low"),
        ("Importance: odd\r\nPriority: urgent", "high"),
        ("X-Other: 1", "normal"),
    ],
)
def test_importance_is_found_in_any_of_its_fields(field: str, importance: str) -> None:
    assert parse(field.encode() + b"\r\n\r\n").importance == importance


def disposed(disposition: str, content_id: str, kind: str = "mixed") -> bytes:
    return (
        f"Content-Type: multipart/{kind}; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b\r\n"
        f"Content-Type: image/png\r\n{disposition}{content_id}\r\nx\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("data", "inline"),
    [
        (disposed("Content-Disposition: inline\r\n", "Content-ID: <x>\r\n"), True),
        (disposed("Content-Disposition: attachment\r\n", "Content-ID: <x>\r\n"), False),
        (disposed("Content-Disposition: inline; filename=x.png\r\n", ""), False),
        (disposed("", "Content-ID: <x>\r\n"), False),
        (disposed("", "Content-ID: <x>\r\n", "related"), True),
        (disposed("Content-Disposition: attachment\r\n", "Content-ID: <x>\r\n", "related"), False),
    ],
)
def test_inline_is_what_has_a_content_id_and_is_shown_in_place(data: bytes, inline: bool) -> None:
    message = parse(data)
    assert [a.is_inline for a in message.attachments] == [inline]
    assert message.has_attachments is not inline


@pytest.mark.parametrize(
    "unit",
    [
        b"--b\r\n",
        b"--bx\n",
        b"\n--",
        b"\r\n\r\n",
        b"A: b\r\n",
        b"=?u?q?",
        b"\r\n ",
        b"Content-Type: ",
        b";a=",
        b'"',
        b"--b--\n",
    ],
)
def test_long_hostile_messages_are_read_or_refused(unit: bytes) -> None:
    for head in (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        b"Content-Type: text/plain; x=",
        b"To: ",
    ):
        try:
            parse(head + unit * 40_000)
        except MimeError:
            continue


def test_lines_that_only_look_like_boundaries_are_limited() -> None:
    with pytest.raises(MimeError, match="look like boundaries"):
        parse(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bx\n" * 100_001)


@pytest.mark.parametrize(
    "name", ["To", "Subject", "Date", "List-Unsubscribe", "References", "Keywords", "Content-Type"]
)
@pytest.mark.parametrize(
    "value",
    ["<" + " " * 100_000, "a" + " " * 100_000 + "b", "<" + "@" * 100_000 + ">", "Mon" + "\t" * 100_000 + "1"],
)
def test_long_runs_in_a_field_are_read(name: str, value: str) -> None:
    parse(f"{name}: {value}\r\n\r\n".encode())


@pytest.mark.parametrize("hidden", ["=0D=0AX-Evil:_1", "=0AX", "=00", "=1Fred"])
def test_an_encoded_word_brings_no_control_character_into_a_value(hidden: str) -> None:
    word = f"=?utf-8?Q?a{hidden}?="
    found = parse(f"Subject: {word}\r\nX-Any: {word}\r\nKeywords: {word}\r\n\r\nx".encode())
    values = [found.subject, *found.categories, *(header.value for header in found.headers)]
    assert len(values) == 5
    assert all(value.isprintable() for value in values)


def test_what_is_too_long_for_a_body_is_attached() -> None:
    """A body is in memory whole, and so is a row of the database; an attachment is not."""
    text = b"x" * 76 + b"\r\n"
    whole = parse(b"Subject: long\r\n\r\n" + text * (MOST_TEXT // len(text) + 1))
    assert whole.body.content == ""
    assert [each.name for each in whole.attachments] == ["ATT00001.txt"]
    part = b"--b\r\n\r\n" + text * (MOST_TEXT // len(text) // 3) + b"\r\n"
    several = parse(b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + part * 4 + b"--b--\r\n")
    assert len(several.body.content) < MOST_TEXT
    assert [each.name for each in several.attachments] == ["ATT00001.txt"]
