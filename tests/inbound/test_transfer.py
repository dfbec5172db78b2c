"""Large messages, CHUNKING, LMTP, TLS and independent clients."""

from __future__ import annotations

import asyncio
import random
import ssl
from pathlib import Path

import aiosmtplib
import pytest
import trustme
from tests.delivery.post import ADELE, ALEX
from tests.inbound.room import HOST, LETTER, MakeRoom, Room, Wire

from graphpost.errors import StoreError

pytestmark = pytest.mark.anyio


def large(size: int) -> bytes:
    """A message with an attachment, and lines that begin with dots."""
    noise = random.Random(size).randbytes(size * 3 // 4).hex().encode()
    lines = b"\r\n".join(b"." + noise[at : at + 70] for at in range(0, size, 70))
    return (
        b'Subject: Large\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nSee the file.\r\n'
        b"--b\r\nContent-Type: text/plain; name=x.txt\r\nContent-Disposition: attachment\r\n\r\n"
        + lines
        + b"\r\n--b--\r\n"
    )


@pytest.mark.parametrize("size", [60_000, 70_000, 3_000_000])
async def test_a_large_message_is_filed_to_the_octet(room: Room, size: int) -> None:
    wire, message = await room.wire(), large(size)
    await wire.begin("adele@contoso.test", "alex@contoso.test")
    code, text = await wire.data(message.replace(b"\r\n.", b"\r\n..").removesuffix(b"\r\n"))
    assert code == 250, text
    for box in (ADELE, ALEX):
        [value] = await room.values(box)
        assert value.endswith(message)
        [item] = await room.inbox(box)
        assert [each.name for each in item.message.attachments] == ["x.txt"]
    assert list((room.path / "spool").iterdir()) == []
    assert list((room.path / "blobs/parts").iterdir()) == []


@pytest.mark.parametrize("chunks", [1, 3, 1000])
async def test_chunks_are_one_message_dots_and_all(room: Room, chunks: int) -> None:
    wire = await room.wire()
    content = b"Subject: x\r\n\r\n.\r\n..two\r\n" + b"x" * chunks + b"\r\n"
    await wire.begin()
    step = len(content) // chunks or 1
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    wire.send(b"".join(b"BDAT %d\r\n" % len(piece) + piece for piece in pieces) + b"BDAT 0 LAST\r\n")
    for piece in pieces:
        assert await wire.reply() == (250, f"2.0.0 {len(piece)} octets received")
    assert (await wire.reply())[0] == 250
    [value] = await room.values()
    assert value.endswith(content)


@pytest.mark.parametrize(
    ("begin", "chunk", "replies"),
    [
        (False, b"BDAT 5 LAST\r\nNOOP\n", [503]),
        (True, b"BDAT 6 LAST\r\nA: b\r\nNOOP\r\n", [250, 250]),
        (True, b"BDAT 3\r\nA: BDAT 3 LAST\r\nb\r\n", [250, 250]),
        (True, b"BDAT 3\r\na\nbBDAT 0 LAST\r\nNOOP\r\n", [550, 550, 250]),
        (True, b"BDAT 4\r\na\r\nbBDAT 2 LAST\r\n\nc", [250, 550]),
        (True, b"BDAT 4 LAST\r\nA: \r", [550]),
        (True, b"BDAT 3\r\nA: DATA\r\n", [250, 503]),
        (True, b"BDAT 3\r\nA: RCPT TO:<alex@contoso.test>\r\n", [250, 503]),
        (True, b"BDAT 3\r\nA: RSET\r\nDATA\r\n", [250, 250, 503]),
        (True, b"BDAT x\r\n", [501, 0]),
        (True, b"BDAT -1\r\n", [501, 0]),
        (True, b"BDAT 3 FIRST\r\n", [501, 0]),
        (True, b"BDAT 999999999999\r\n", [552, 0]),
        (True, b"BDAT 9999999999999999999999999\r\n", [501, 0]),
    ],
)
async def test_chunks_are_read_whatever_is_said_of_them(
    room: Room, begin: bool, chunk: bytes, replies: list[int]
) -> None:
    wire = await room.wire()
    if begin:
        await wire.begin()
    wire.send(chunk)
    assert [(await wire.reply())[0] for _ in replies] == replies


async def test_lmtp_answers_for_each_recipient(make_room: MakeRoom) -> None:
    room = make_room()
    await room.open(lmtp=True)
    wire = await room.wire(verb="LHLO")
    await wire.begin("adele@contoso.test", "alex@contoso.test", "al@contoso.test")
    room.store.breaks = lambda fn: StoreError("full") if room.store.broke == 0 else None
    code, _ = await wire.data(LETTER.removesuffix(b"\r\n"))
    codes = [code, (await wire.reply())[0], (await wire.reply())[0]]
    assert codes == [451, 250, 250]
    assert (len(await room.inbox(ADELE)), len(await room.inbox(ALEX))) == (0, 1)
    assert b" with LMTP id " in (await room.values(ALEX))[0]
    await wire.begin("adele@contoso.test", "alex@contoso.test")
    assert [(await wire.data(b"bare\nLF"))[0], (await wire.reply())[0]] == [550, 550]
    assert await wire.ask("QUIT") == (221, "2.0.0 Bye")


async def test_lmtp_speaks_over_a_unix_socket(make_room: MakeRoom) -> None:
    room = make_room()
    path = await room.open_unix()
    wire = Wire(*await asyncio.open_unix_connection(path))
    room.wires.append(wire)
    assert await wire.reply() == (220, f"{HOST} LMTP Graphpost")
    assert (await wire.ask("EHLO x"))[0] == 500
    assert (await wire.ask("LHLO x"))[0] == 250
    assert (await wire.deliver())[0] == 250
    assert (path.stat().st_mode & 0o777) == 0o660


@pytest.fixture
async def secure(make_room: MakeRoom, authority: trustme.CA) -> Room:
    room = make_room()
    await room.open(authority=authority)
    return room


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_what_comes_over_tls_says_so(secure: Room, trusting: ssl.SSLContext) -> None:
    wire = await secure.wire()
    assert await wire.ask("STARTTLS") == (220, "2.0.0 Ready to start TLS")
    await wire.start_tls(trusting)
    assert (await wire.ask("MAIL FROM:<>"))[0] == 503, "what was said in clear text is forgotten"
    code, offers = await wire.ask("EHLO again.test")
    assert (code, "STARTTLS" in offers) == (250, False)
    assert (await wire.ask("STARTTLS"))[0] == 503
    assert (await wire.deliver())[0] == 250
    [value] = await secure.values()
    assert b"Received: from again.test ([127.0.0.1]) (using TLSv1.3 with cipher TLS_AES" in value
    assert b" with ESMTPS id " in value


async def test_commands_behind_starttls_are_not_obeyed_under_tls(
    secure: Room, trusting: ssl.SSLContext
) -> None:
    """Who sits between could put them there, and they would be taken for the client's own."""
    wire = await secure.wire()
    wire.send(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@else.test>\r\nRCPT TO:<adele@contoso.test>\r\n")
    assert (await wire.reply())[0] == 220
    await wire.start_tls(trusting)
    assert (await wire.ask("NOOP")) == (250, "2.0.0 Ok")
    assert (await wire.ask("DATA"))[0] == 503


async def test_who_is_sent_away_under_tls_while_sending_reads_why(
    secure: Room, trusting: ssl.SSLContext
) -> None:
    wire = await secure.wire()
    await wire.ask("STARTTLS")
    await wire.start_tls(trusting)
    wire.send(b"GET / HTTP/1.1\r\n")
    assert (await wire.reply())[0] == 421
    for _ in range(100):
        wire.send(b"x" * 1000)
        await wire.writer.drain()
    assert await wire.reader.read() == b""


async def test_a_failed_handshake_is_the_end(secure: Room) -> None:
    wire = await secure.wire()
    await wire.ask("STARTTLS")
    wire.send(b"EHLO I do not speak TLS\r\n")
    assert await wire.reader.read() is not None
    other = await secure.wire()
    assert (await other.ask("NOOP"))[0] == 250
    assert "problem" not in secure.said()


async def test_an_independent_client_delivers(room: Room) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=room.port, start_tls=False) as plain:
        await plain.ehlo()
        assert plain.supports_extension("chunking")
        errors, _ = await plain.sendmail(
            "bob@else.test", ["adele@contoso.test", "nobody@contoso.test"], LETTER
        )
        assert {address: reply.code for address, reply in errors.items()} == {"nobody@contoso.test": 550}
        errors, _ = await plain.sendmail(
            "bøb@else.test", ["adele@contoso.test"], LETTER, mail_options=["SMTPUTF8"]
        )
        assert errors == {}
    values = await room.values()
    assert len(values) == 2
    assert "Return-Path: <bøb@else.test>\r\n".encode() in values[1]
    assert b" with UTF8SMTP id " in values[1]


async def test_a_full_disk_is_told_when_the_message_is_whole(room: Room, tmp_path: Path) -> None:
    wire = await room.wire()
    await wire.begin()
    (tmp_path / "spool").rmdir()
    assert (await wire.data(large(200_000)))[0] == 452
    (tmp_path / "spool").mkdir()
    assert (await wire.deliver())[0] == 250


async def test_without_room_on_the_disk_nothing_is_begun(make_room: MakeRoom) -> None:
    room = make_room(free_bytes=2**60)
    await room.open()
    wire = await room.wire()
    assert (await wire.ask("MAIL FROM:<>"))[0] == 452


async def test_commands_may_all_come_at_once(room: Room) -> None:
    wire = await room.wire()
    envelope = (
        b"MAIL FROM:<bob@else.test>\r\nRCPT TO:<adele@contoso.test>\r\nRCPT TO:<x@contoso.test>\r\nDATA\r\n"
    )
    wire.send(envelope)
    assert [(await wire.reply())[0] for _ in range(4)] == [250, 250, 550, 354]
    wire.send(LETTER + b".\r\n" + envelope)
    assert [(await wire.reply())[0] for _ in range(5)] == [250, 250, 250, 550, 354]
    wire.send(LETTER + b".\r\nQUIT\r\n")
    assert [(await wire.reply())[0] for _ in range(2)] == [250, 221]
    assert len(await room.inbox()) == 2
