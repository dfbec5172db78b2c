"""Composing: the standard library reads what was meant, nothing else gets in, and large contents stream."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mail.golden import opener

from graphpost.mail.compose import compose
from graphpost.mail.encoding import canonical
from graphpost.mail.message import (
    Address,
    Attachment,
    Body,
    ContentRef,
    ExtendedProperty,
    Header,
    Message,
)
from graphpost.mail.parse import parse

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=60)
LOCAL = st.text(alphabet="abcdefghijklmnop", min_size=1, max_size=8)
ADDRESS = st.builds(lambda local, name: Address(f"{local}@example.test", name), LOCAL, WORDS)
FILE_NAMES = WORDS.filter(lambda name: "<" not in name)  # the standard library takes <…> for quotes
PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=300
)
ANYTHING = st.text(max_size=80)
NO_CONTENTS = opener({})


def data_of(message: Message, contents: dict[int, bytes] | None = None, *, for_wire: bool = True) -> bytes:
    composed = compose(message, opener(contents or {}), for_wire=for_wire)
    data = b"".join(composed)
    assert len(data) == composed.size
    assert b"".join(composed) == data, "it can be read again"
    assert composed.is_8bit == (not data.isascii())
    assert canonical(data) == data
    assert max(map(len, data.split(b"\r\n"))) <= 998
    return data


def read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def spaced(text: str) -> str:
    return " ".join(text.split())


def squeezed(text: str) -> str:
    """Without white space: the standard library leaves some between the encoded words of a name."""
    return "".join(text.split())


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


@given(WORDS, ADDRESS, st.lists(ADDRESS, min_size=1, max_size=5), PLAIN)
def test_the_standard_library_reads_the_same_text_message(
    subject: str, sender: Address, to: list[Address], content: str
) -> None:
    message = Message(subject=subject, from_=sender, to=tuple(to), body=Body(content, "text"), date=1)
    found = read(data_of(message))
    assert spaced(str(found["subject"])) == spaced(subject)
    assert [(a.addr_spec, squeezed(a.display_name)) for a in found["to"].addresses] == [
        (a.address, squeezed(a.name)) for a in to
    ]
    payload = found.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().rstrip("\r\n") == crlf(content).rstrip("\r\n")


@given(WORDS, ADDRESS, st.lists(ADDRESS, min_size=1, max_size=5), PLAIN)
def test_what_is_composed_is_parsed_back(
    subject: str, sender: Address, to: list[Address], content: str
) -> None:
    message = Message(subject=subject, from_=sender, to=tuple(to), body=Body(content, "html"), date=5_000_000)
    found = parse(data_of(message))
    assert spaced(found.subject) == spaced(subject)
    assert [(a.address, spaced(a.name)) for a in found.to] == [(a.address, spaced(a.name)) for a in to]
    assert found.body == Body(crlf(content), "html")
    assert found.date == message.date


@given(
    st.lists(st.tuples(FILE_NAMES, st.binary(max_size=200), st.booleans()), min_size=1, max_size=4),
    st.sampled_from(["text", "html"]),
)
def test_attachments_come_out_as_they_went_in(files: list[tuple[str, bytes, bool]], kind: str) -> None:
    attachments = tuple(
        Attachment(
            attachment_id=number,
            name=name,
            size=len(data),
            is_inline=inline,
            content_id=f"c{number}" if inline else "",
            content=ContentRef(number),
        )
        for number, (name, data, inline) in enumerate(files, start=1)
    )
    contents = {number: data for number, (_, data, _) in enumerate(files, start=1)}
    body = Body("<p>x</p>", "html") if kind == "html" else Body("x", "text")
    data = data_of(Message(from_=Address("a@b.c"), body=body, attachments=attachments), contents)
    leaves = [part for part in read(data).walk() if part.get_content_disposition()]
    assert sorted(bytes(part.get_payload(decode=True)) for part in leaves) == sorted(contents.values())  # type: ignore[arg-type]
    assert sorted(part.get_filename("") for part in leaves) == sorted(name.strip() for name, _, _ in files)
    parsed = parse(data)
    assert sorted(a.size for a in parsed.attachments) == sorted(map(len, contents.values()))
    assert sorted(a.is_inline for a in parsed.attachments) == sorted(inline for _, _, inline in files)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_no_text_can_add_a_header_field_or_end_the_header(a: str, b: str, c: str, d: str, e: str) -> None:
    attack = "\r\nX-Attack: 1\r\n\r\n"
    message = Message(
        subject=a + attack,
        from_=Address(b + attack + "@b.c", c + attack),
        sender=Address(c + attack + "@d.e", d),
        to=(Address(d + attack + "@x.y", e + attack), Address(e)),
        reply_to=(Address(a + attack, b),),
        internet_message_id=e + attack,
        in_reply_to=a + attack,
        references=(b + attack,),
        headers=(Header("X-" + a, b), Header("X-Ok" + attack, c), Header("X-Ok", d + attack)),
        extended=(
            ExtendedProperty("String 0x1042", a + attack),
            ExtendedProperty("String 0x1039", b + attack),
            ExtendedProperty("String {00020386-0000-0000-C000-000000000046} Name " + c, d + attack),
            ExtendedProperty("Integer 0x36", e + attack),
        ),
        body=Body("the body", "text"),
        attachments=(
            Attachment(
                attachment_id=1,
                name=a + attack,
                content_type="text/plain" + b + attack,
                content_id=c + attack,
                content=ContentRef(1),
            ),
        ),
        is_read_receipt_requested=True,
    )
    data = data_of(message, {1: b""}, for_wire=False)
    assert b"\r\nX-Attack" not in data
    assert data.count(b"\r\n\r\nthe body") == 1
    names = {
        line.partition(b":")[0].lower()
        for line in data.split(b"\r\n\r\n")[0].split(b"\r\n")
        if line[:1] not in b" \t"
    }
    assert not names & {b"bcc", b"x-attack"}


def test_bcc_is_never_on_the_wire() -> None:
    message = Message(from_=Address("a@b.c"), to=(Address("x@y.z"),), bcc=(Address("secret@y.z"),))
    assert b"secret" not in data_of(message)
    assert b"Bcc: secret@y.z\r\n" in data_of(message, for_wire=False)


def test_composing_is_deterministic() -> None:
    message = Message(
        from_=Address("a@b.c"), body=Body("<p>ü</p>", "html"), date=7, internet_message_id="<x@y>"
    )
    assert data_of(message) == data_of(message)


def test_a_small_message_is_one_chunk() -> None:
    assert (
        len(list(compose(Message(from_=Address("a@b.c"), body=Body("<b>x</b>", "html")), NO_CONTENTS))) == 1
    )


def test_a_boundary_in_the_text_is_not_used() -> None:
    message = Message(from_=Address("a@b.c"), body=Body("<p>x</p>", "html"), internet_message_id="<x@y>")
    boundary = read(data_of(message)).get_boundary()
    assert boundary is not None
    attack = Message(
        from_=Address("a@b.c"), body=Body(f"<p>\n--{boundary}--\n", "html"), internet_message_id="<x@y>"
    )
    assert read(data_of(attack)).get_boundary() != boundary
    assert parse(data_of(attack)).body.content == f"<p>\r\n--{boundary}--\r\n"


def test_a_boundary_in_an_attached_message_is_not_used() -> None:
    attached = Attachment(attachment_id=1, kind="item", name="x", size=10, content=ContentRef(1))
    message = Message(from_=Address("a@b.c"), attachments=(attached,))
    boundary = read(data_of(message, {1: b"Subject: x\n\n"})).get_boundary()
    assert boundary is not None
    inner = b"Subject: x\r\n\r\n--" + boundary.encode() + b"--\r\n"
    data = data_of(message, {1: inner})
    assert read(data).get_boundary() != boundary
    ref = parse(data).attachments[0].content
    assert ref is not None
    assert data[ref.offset : ref.offset + ref.length] == inner


def test_a_slice_of_a_parsed_message_is_attached_decoded() -> None:
    ref = ContentRef(1, 3, 8, "base64")
    message = Message(attachments=(Attachment(attachment_id=1, name="f", size=5, content=ref),))
    part = read(data_of(message, {1: b"xxxSGVsbG8=yyy"})).get_payload(1)
    assert isinstance(part, EmailMessage)
    assert part.get_payload(decode=True) == b"Hello"


def test_a_large_attachment_is_never_whole_in_memory() -> None:
    size, block = 25 * 1024 * 1024, bytes(65_536)
    opened = 0

    def contents(ref: ContentRef) -> Iterator[bytes]:
        nonlocal opened
        opened += 1
        for start in range(0, size, len(block)):
            yield block[: size - start]

    attachment = Attachment(attachment_id=1, name="large.bin", size=size, content=ContentRef(1))
    composed = compose(Message(from_=Address("a@b.c"), attachments=(attachment,)), contents)
    assert opened == 0, "the size is known without reading"
    lengths = [len(chunk) for chunk in composed]
    assert sum(lengths) == composed.size
    assert max(lengths) < 200_000


def test_a_reference_attachment_adds_nothing() -> None:
    link = Attachment(attachment_id=1, kind="reference", name="x", source_url="https://x.test")
    assert b"multipart" not in data_of(Message(body=Body("x", "text"), attachments=(link,)))


@pytest.mark.parametrize(
    "name", ["Received", "Return-Path", "DKIM-Signature", "Resent-Bcc", "Content-Type", "bcc"]
)
def test_a_custom_header_cannot_be_one_of_transports_or_ours(name: str) -> None:
    named = ExtendedProperty(f"String {{00020386-0000-0000-C000-000000000046}} Name {name}", "zzz")
    assert b"zzz" not in data_of(Message(headers=(Header(name, "zzz"),), extended=(named,)))


def test_extended_properties_thread_a_message_instead_of_its_own_fields() -> None:
    message = Message(
        in_reply_to="<old@x>",
        extended=(ExtendedProperty("String 0x1042", "<new@x>"), ExtendedProperty("Nonsense", "x")),
    )
    data = data_of(message)
    assert b"In-Reply-To: <new@x>" in data
    assert b"old@x" not in data


def test_a_long_header_name_has_its_value_on_the_next_line() -> None:
    data = data_of(
        Message(headers=(Header("X-" + "n" * 250, "v" * 890), Header("X-" + "m" * 300, "dropped")))
    )
    assert b":\r\n " + b"v" * 890 in data
    assert b"dropped" not in data
