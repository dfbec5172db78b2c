"""An exchange: the body as it comes, answers of every shape, and clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.web.line import Line

from graphpost.web.exchange import HELD_BYTES, Disconnected, Exchange


def exchange_on(line: Line, method: str = "GET") -> Exchange:
    return Exchange(line, method, "/", "", {})


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("method", "status", "body", "sent"),
    [
        ("POST", 202, b"", b"HTTP/1.1 202 Accepted\r\ndate: today\r\nx-a: b\r\ncontent-length: 0\r\n\r\n"),
        ("GET", 200, b"ok", b"HTTP/1.1 200 OK\r\ndate: today\r\nx-a: b\r\ncontent-length: 2\r\n\r\nok"),
        ("HEAD", 200, b"ok", b"HTTP/1.1 200 OK\r\ndate: today\r\nx-a: b\r\ncontent-length: 2\r\n\r\n"),
        ("GET", 204, b"", b"HTTP/1.1 204 No Content\r\ndate: today\r\nx-a: b\r\n\r\n"),
    ],
)
def test_a_whole_answer_says_how_long_it_is(method: str, status: int, body: bytes, sent: bytes) -> None:
    line = Line()
    exchange_on(line, method).answer(status, [("x-a", "b")], body)
    assert line.sent == sent
    assert len(line.finished) == 1


def test_a_long_answer_is_as_long_as_it_says() -> None:
    line = Line()
    exchange_on(line).answer(200, [], bytes(200_000))
    head, _, body = bytes(line.sent).partition(b"\r\n\r\n")
    assert b"content-length: 200000" in head
    assert body == bytes(200_000)


def test_an_answer_that_ends_the_connection_says_so() -> None:
    line = Line()
    exchange = exchange_on(line)
    exchange.keeps = False
    exchange.answer(200, [], b"")
    assert line.sent.endswith(b"\r\nconnection: close\r\n\r\n")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
def test_no_field_breaks_the_header(value: str) -> None:
    line = Line()
    exchange = exchange_on(line)
    with pytest.raises(ValueError, match="break the header"):
        exchange.answer(200, [("x-a", value)], b"")
    exchange.abandon()
    assert not line.sent
    assert line.finished == [exchange]


@pytest.mark.parametrize("value", ["a\tb", "é", "\xa0"])
def test_a_field_may_hold_what_a_field_may_hold(value: str) -> None:
    line = Line()
    exchange_on(line).answer(200, [("x-a", value)], b"")
    assert f"x-a: {value}\r\n".encode("latin-1") in line.sent


def test_an_answer_of_unknown_length_comes_in_chunks() -> None:
    line = Line()
    asyncio.run(exchange_on(line).stream(200, [], chunks(b"ab", b"", b"c" * 16)))
    assert line.sent.endswith(
        b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n10\r\ncccccccccccccccc\r\n0\r\n\r\n"
    )


def test_http_1_0_reads_to_the_end_of_the_connection() -> None:
    line = Line()
    exchange = exchange_on(line)
    exchange.is_old, exchange.keeps = True, False
    asyncio.run(exchange.stream(200, [], chunks(b"ab", b"c")))
    assert line.sent.endswith(b"connection: close\r\n\r\nabc")
    assert b"chunked" not in line.sent


def test_an_answer_that_breaks_off_has_no_end() -> None:
    line, closed = Line(), []

    async def broken() -> AsyncIterator[bytes]:
        try:
            yield b"ab"
            raise OSError("the disk is gone")
        finally:
            closed.append(True)

    exchange = exchange_on(line)
    with pytest.raises(OSError, match="disk"):
        asyncio.run(exchange.stream(200, [], broken()))
    exchange.abandon()
    assert line.sent.endswith(b"\r\n\r\n2\r\nab\r\n")
    assert not exchange.keeps
    assert closed


def test_nothing_more_is_read_for_a_client_that_is_gone() -> None:
    line, asked = Line(), []
    exchange = exchange_on(line)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            asked.append(1)
            yield b"x"
            exchange.lose()

    with pytest.raises(Disconnected):
        asyncio.run(exchange.stream(200, [], endless()))
    assert len(asked) == 2


def test_a_client_that_is_gone_is_not_answered() -> None:
    line = Line()
    exchange = exchange_on(line)
    exchange.lose()
    exchange.answer(200, [], b"ok")
    assert not line.sent
    assert line.finished == [exchange]


def test_a_body_is_received_as_it_comes() -> None:
    async def run() -> tuple[list[bytes], bytes]:
        line = Line()
        exchange = exchange_on(line)
        exchange.asks = True
        reading = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        asked = bytes(line.sent)
        exchange.add(b"a")
        exchange.add(b"b")
        found = [await reading]
        exchange.add(b"c")
        exchange.complete()
        return [*found, await exchange.receive(), await exchange.receive()], asked

    assert asyncio.run(run()) == ([b"ab", b"c", b""], b"HTTP/1.1 100 Continue\r\n\r\n")


def test_a_body_whose_client_goes_away_is_disconnected() -> None:
    async def run() -> None:
        exchange = exchange_on(Line())
        exchange.add(b"half")
        exchange.lose()
        await exchange.receive()

    with pytest.raises(Disconnected):
        asyncio.run(run())


def test_no_more_is_taken_from_the_network_than_is_held() -> None:
    line = Line()
    exchange = exchange_on(line)
    exchange.add(bytes(HELD_BYTES))
    assert not line.is_paused
    exchange.add(b"x")
    assert line.is_paused


def test_what_comes_after_the_answer_is_not_kept() -> None:
    exchange = exchange_on(Line())
    exchange.answer(401, [], b"")
    exchange.add(bytes(HELD_BYTES + 1))
    assert exchange.take() == b""
