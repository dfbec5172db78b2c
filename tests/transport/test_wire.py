"""The wire codec: replies in, lines and content out, whatever the peer or the caller gives it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpost.mail.encoding import encode_base64
from graphpost.transport import wire

Replies = list[tuple[int, bytes]]


def read(*segments: bytes) -> Replies:
    replies: Replies = []
    reader = wire.ReplyReader()
    for segment in segments:
        reader.feed(segment, lambda code, text: replies.append((code, text)))
    return replies


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"250 fine\r\n", [(250, b"fine")]),
        (b"250 fine\n", [(250, b"fine")]),
        (b"250\r\n", [(250, b"")]),
        (b"250 \r\n", [(250, b"")]),
        (b"250-one\r\n250-two\r\n250 three\r\n", [(250, b"one\ntwo\nthree")]),
        (b"250-one\r\n250\r\n", [(250, b"one\n")]),
        (b"250 a\r\n550 b\r\n354 c\r\n", [(250, b"a"), (550, b"b"), (354, b"c")]),
        (b"550-one\r\n450 two\r\n", [(450, b"one\ntwo")]),
        (b"250 half", []),
    ],
)
def test_replies_are_read_whole_and_byte_by_byte(data: bytes, replies: Replies) -> None:
    assert read(data) == replies
    assert read(*(data[i : i + 1] for i in range(len(data)))) == replies


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"25 x\r\n",
        b"250x\r\n",
        b"\r\n",
        b"600 x\r\n",
        b"099 x\r\n",
        b"-25 x\r\n",
        b"HTTP/1.1 400\n",
    ],
)
def test_what_is_no_reply_is_an_error(data: bytes) -> None:
    with pytest.raises(wire.WireError, match="not an SMTP reply"):
        read(data)


@pytest.mark.parametrize("segment", [1, 999, 1000, 1001, 100_000])
def test_a_long_line_is_cut_and_its_code_counts(segment: int) -> None:
    data = b"550 " + b"x" * 100_000 + b"\r\n250 next\r\n"
    [(code, text), following] = read(*(data[i : i + segment] for i in range(0, len(data), segment)))
    assert code == 550
    assert 0 < len(text) <= wire.LINE_KEPT
    assert following == (250, b"next")


def test_many_lines_are_thinned_and_the_last_one_is_kept() -> None:
    [(code, text)] = read(b"250-x\r\n" * 5000 + b"250 end\r\n")
    assert code == 250
    assert text.endswith(b"end")
    assert text.count(b"\n") <= wire.LINES_KEPT


@pytest.mark.parametrize("piece", [b"250-" + b"x" * 1000 + b"\r\n", b"x" * 1000, b"250-\r\n" * 200])
def test_an_endless_reply_is_an_error(piece: bytes) -> None:
    with pytest.raises(wire.WireError):
        read(b"250-start\r\n250-", piece[4:], *([piece] * 1100))


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_any_bytes_are_replies_or_a_wire_error(segments: list[bytes]) -> None:
    try:
        replies = read(*segments)
    except wire.WireError:
        return
    assert all(100 <= code < 600 for code, _ in replies)


line_text = st.binary(max_size=200).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))


@given(
    st.lists(st.tuples(st.integers(100, 599), st.lists(line_text, min_size=1, max_size=5)), max_size=6),
    st.data(),
)
def test_replies_do_not_depend_on_the_segments(
    replies: list[tuple[int, list[bytes]]], data: st.DataObject
) -> None:
    sent = b"".join(
        b"%d%c%s\r\n" % (code, b" " if index == len(lines) - 1 else b"-", line)
        for code, lines in replies
        for index, line in enumerate(lines)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    segments = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert read(*segments) == [(code, b"\n".join(lines)) for code, lines in replies]


def test_extensions_are_read_from_an_ehlo_reply() -> None:
    text = b"mx.test hello\nPIPELINING\nsize 1000\n8bitmime\nSTARTTLS\nAUTH PLAIN LOGIN\nAUTH=XOAUTH2\nDSN\nSMTPUTF8"
    assert wire.parse_extensions(text) == wire.Extensions(
        pipelining=True,
        starttls=True,
        eight_bit=True,
        smtputf8=True,
        dsn=True,
        takes_size=True,
        size=1000,
        auth=frozenset({"PLAIN", "LOGIN", "XOAUTH2"}),
    )


@pytest.mark.parametrize(
    "line", [b"SIZE", b"SIZE 0", b"SIZE x", b"SIZE -1", b"SIZE " + b"9" * 5000, b"\xff\xfe", b" "]
)
def test_a_strange_limit_is_no_limit(line: bytes) -> None:
    assert wire.parse_extensions(b"mx\n" + line).size == 0


@given(st.binary(max_size=300))
def test_any_text_is_extensions_and_a_status(text: bytes) -> None:
    wire.parse_extensions(text)
    status, words = wire.parse_status(text)
    assert not any(ord(character) < 32 or ord(character) == 127 for character in status + words)


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        (b"5.1.1 no such user", "5.1.1", "no such user"),
        (b"5.7.26 one\n5.7.26 two", "5.7.26", "one two"),
        (b"no such user", "", "no such user"),
        (b"5.1 no", "", "5.1 no"),
        (b"5.1.1", "5.1.1", ""),
        (b"3.1.1 no", "", "3.1.1 no"),
        (b"a\x1b[31mb\tc\x00", "", "a [31mb c"),
        ("Größe".encode(), "", "Größe"),
        (b"Gr\xf6sse", "", "Gr\ufffdsse"),
        ("a\x85b\u2028c".encode(), "", "a b c"),
    ],
)
def test_a_status_is_taken_off_the_words(text: bytes, status: str, words: str) -> None:
    assert wire.parse_status(text) == (status, words)


@pytest.mark.parametrize("text", ["EHLO a\r\nQUIT", "EHLO a\n", "EHLO a\x00", "EHLO \x7f"])
def test_a_command_with_a_control_character_is_refused(text: str) -> None:
    with pytest.raises(wire.WireError):
        wire.command(text)


@pytest.mark.parametrize(
    ("address", "is_path"),
    [
        ("bob@example.org", True),
        ('"a b"@example.org', True),
        ('"a>b\\""@example.org', True),
        ("jürgen@bücher.example", True),
        ("", False),
        ("bob@example.org> NOTIFY=NEVER", False),
        ("bob@example.org\r\nDATA", False),
        ("bob@exam ple.org", False),
        ("bob\x00@example.org", False),
        ("bob@example.org\u2028", False),
        ('"a\r\n"@example.org', False),
        ('"open@example.org', False),
        ("bob\ud800@example.org", False),
        ('"\udc80"@example.org', False),
    ],
)
def test_a_path_cannot_end_the_brackets_or_the_line(address: str, is_path: bool) -> None:
    assert wire.is_path(address) is is_path


@given(st.text(max_size=60))
def test_a_path_never_holds_a_control_character(address: str) -> None:
    if wire.is_path(address):
        assert wire.command(f"RCPT TO:<{address}>").count(b"\r\n") == 1


@pytest.mark.parametrize(
    ("text", "encoded"), [("abc-123@x", "abc-123@x"), ("a+b=c d", "a+2Bb+3Dc+20d"), ("ü\r\n", "+C3+BC+0D+0A")]
)
def test_xtext(text: str, encoded: str) -> None:
    assert wire.xtext(text) == encoded


def test_the_original_recipient_has_its_address_type() -> None:
    assert wire.original_recipient("bob+x@example.org") == "rfc822;bob+2Bx@example.org"
    assert wire.original_recipient("jürgen+x@example.org") == "utf-8;jürgen\\x{2B}x@example.org"


def stuffed(*chunks: bytes) -> bytes:
    stuffer = wire.DotStuffer()
    return b"".join([*map(stuffer.feed, chunks), stuffer.finish()])


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n.a\r\n..\r\nb.\r\n", b"..\r\n..a\r\n...\r\nb.\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n\r\n\r\n", b"a\r\n\r\n\r\n.\r\n"),
        (b"\r", b"\r\n.\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
    ],
)
def test_content_is_stuffed_whole_and_byte_by_byte(data: bytes, sent: bytes) -> None:
    assert stuffed(data) == sent
    assert stuffed(*(data[i : i + 1] for i in range(len(data)))) == sent
    assert wire.stuffed(data) == sent


@given(st.lists(st.text("\r\n.a", max_size=8).map(str.encode), max_size=8))
def test_no_content_ends_early_or_has_a_bare_line_end(chunks: list[bytes]) -> None:
    sent = stuffed(*chunks)
    assert wire.stuffed(b"".join(chunks)) == sent
    assert (b"\r\n" + sent).find(b"\r\n.\r\n") == len(sent) - 3
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")


@given(
    st.lists(st.text("\n.a", max_size=8).map(lambda text: text.replace("\n", "\r\n").encode()), max_size=8)
)
def test_content_with_crlf_line_ends_arrives_as_it_is(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    received = (b"\r\n" + stuffed(*chunks)).replace(b"\r\n..", b"\r\n.")[2:-3]
    assert received == (data if data.endswith(b"\r\n") or not data else data + b"\r\n")


@pytest.mark.parametrize("before", [b"", b"A: b\r\n\r\n", b"no end", b"a CR\r"])
def test_encoded_lines_leave_as_the_same_octets_do(before: bytes) -> None:
    lines = list(encode_base64([bytes(100_000)]))
    assert stuffed(before, *lines) == stuffed(before, *map(bytes, lines))
    assert stuffed(before, *lines, b".x") == stuffed(before, *map(bytes, lines), b".x")
