"""A connection byte by byte, with an application that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from tests.web.conftest import parsed

from graphpost.web.connection import (
    HEAD_BYTES,
    IDLE_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    SILENCE_SECONDS,
    STALLED_SECONDS,
    Connection,
    Port,
)
from graphpost.web.exchange import Exchange
from graphpost.web.forwarded import Proxies

GET = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Wire:
    """A transport that keeps what is written, and the application behind the connection."""

    def __init__(self, most: int = 10) -> None:
        self.written = bytearray()
        self.is_closed = False
        self.is_half_closed = False
        self.is_encrypted = False
        self.is_aborted = False
        self.is_reading = True
        self.unsent = 0
        self.begun: list[Exchange] = []
        self.port = Port(self.application, 5.0, Proxies("192.0.2.9"), most)
        self.connection = Connection(self.port, asyncio.get_running_loop())
        self.connection.connection_made(cast("asyncio.Transport", self))

    async def application(self, exchange: Exchange) -> None:
        self.begun.append(exchange)

    async def say(self, data: bytes) -> None:
        self.connection.data_received(data)
        await asyncio.sleep(0)

    async def answer(self, status: int = 200) -> None:
        self.begun[-1].answer(status, [], self.begun[-1].target.encode())
        await asyncio.sleep(0)

    @property
    def targets(self) -> list[str]:
        return [exchange.target for exchange in self.begun]

    @property
    def replies(self) -> list[tuple[int, str]]:
        return [(reply.status, reply.body.decode()) for reply in parsed(bytes(self.written))]

    @property
    def has_ended(self) -> bool:
        """Whether the client sees that no more will come."""
        return self.is_closed or self.is_half_closed

    # As a transport

    def write(self, data: bytes) -> None:
        assert not self.has_ended
        self.written += data

    def can_write_eof(self) -> bool:
        return not self.is_encrypted

    def write_eof(self) -> None:
        assert not self.has_ended
        assert not self.is_encrypted
        self.is_half_closed = True

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        assert self.is_reading
        self.is_reading = False

    def resume_reading(self) -> None:
        assert not self.is_reading
        self.is_reading = True

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.9", 4711) if name == "peername" else None


class StandingLoop(asyncio.SelectorEventLoop):
    """Its time does not pass: how late something is, is what a test says, however slow the machine."""

    def time(self) -> float:
        return 1000.0


def run(play: Callable[[Wire], Coroutine[Any, Any, None]]) -> None:
    async def played() -> None:
        await play(Wire())

    with asyncio.Runner(loop_factory=StandingLoop) as runner:
        runner.run(played())


def test_one_request_after_the_other_is_begun_and_meanwhile_nothing_is_read() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(GET % b"a" + GET % b"b" + GET % b"c")
        for targets in (["/a"], ["/a", "/b"], ["/a", "/b", "/c"]):
            assert wire.targets == targets
            assert not wire.is_reading
            await wire.answer()
        assert wire.is_reading
        assert wire.replies == [(200, "/a"), (200, "/b"), (200, "/c")]
        assert not wire.has_ended

    run(play)


def test_nothing_is_begun_for_a_client_that_does_not_read() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(GET % b"a")
        wire.connection.pause_writing()
        await wire.answer()
        await wire.say(GET % b"b")
        assert wire.targets == ["/a"]
        assert not wire.is_reading
        wire.connection.resume_writing()
        await asyncio.sleep(0)
        assert wire.targets == ["/a", "/b"]
        await wire.answer()
        assert wire.is_reading

    run(play)


def test_what_follows_a_request_that_ends_the_connection_is_not_answered() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + GET % b"b")
        await wire.answer()
        assert wire.replies == [(200, "/a")]
        assert wire.targets == ["/a"]
        assert wire.has_ended

    run(play)


def test_shutting_answers_what_was_begun_and_what_waits() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(GET % b"a" + GET % b"b")
        wire.connection.shut()
        await wire.answer()
        assert not wire.has_ended
        await wire.answer()
        assert wire.has_ended
        assert wire.replies == [(200, "/a"), (200, "/b")]
        assert wire.written.count(b"connection: close") == 1

    run(play)


def test_shutting_closes_a_connection_without_requests() -> None:
    async def play(wire: Wire) -> None:
        wire.connection.shut()
        assert wire.has_ended

    run(play)


def test_what_is_begun_is_finished_after_the_client_went_away() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(GET % b"a" + GET % b"b")
        wire.connection.connection_lost(None)
        assert wire.begun[0].is_gone
        assert wire.port.connections
        await wire.answer()
        assert wire.targets == ["/a"]
        assert not wire.written
        assert not wire.port.connections

    run(play)


def test_fields_behind_a_body_are_no_header() -> None:
    async def play(wire: Wire) -> None:
        head = b"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        await wire.say(head + b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\nHost: evil\r\n\r\n")
        (exchange,) = wire.begun
        assert exchange.headers == {"host": "localhost", "transfer-encoding": "chunked"}
        assert not exchange.repeated
        assert (exchange.take(), exchange.is_whole) == (b"x", True)

    run(play)


def test_fields_that_come_twice_are_one_list() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"GET /a HTTP/1.1\r\nHost: h\r\nPrefer: a\r\nprefer: b\r\nX: 1\r\nPREFER: c\r\n\r\n")
        await wire.answer()
        await wire.say(GET % b"b")
        assert wire.begun[0].headers == {"host": "h", "prefer": "a, b, c", "x": "1"}
        assert [list(exchange.repeated) for exchange in wire.begun] == [["prefer"], []]

    run(play)


def test_a_trusted_proxy_is_believed() -> None:
    async def play(wire: Wire) -> None:
        fields = b"X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n"
        await wire.say(b"GET /a HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n")
        assert (wire.begun[0].client, wire.begun[0].scheme) == ("203.0.113.5", "https")

    run(play)


@pytest.mark.parametrize(
    ("said", "answers", "late", "closed", "status"),
    [
        (b"", False, 5.1, True, 0),
        (b"", False, 4.0, False, 0),
        (b"GET /a", False, 5.1, True, 408),
        (GET % b"a", False, 10_000.0, False, 0),
        (GET % b"a", True, IDLE_SECONDS - 1, False, 0),
        (GET % b"a", True, IDLE_SECONDS + 1, True, 0),
    ],
    ids=["silent", "not yet", "half a head", "being answered", "idle", "idle for long"],
)
def test_how_long_a_connection_may_be_silent(
    said: bytes, answers: bool, late: float, closed: bool, status: int
) -> None:
    async def play(wire: Wire) -> None:
        await wire.say(said)
        if answers:
            await wire.answer()
            wire.written.clear()
        wire.connection.check(asyncio.get_running_loop().time() + late)
        assert wire.has_ended == closed
        assert [reply.status for reply in parsed(bytes(wire.written))] == ([status] if status else [])

    run(play)


def test_there_is_a_bound_on_connections() -> None:
    async def play(wire: Wire) -> None:
        full = Wire(most=0)
        assert (full.is_aborted, full.port.refused, full.port.connections) == (True, 1, set())
        full.connection.connection_lost(None)
        assert (wire.is_aborted, wire.port.refused, wire.port.connections) == (False, 0, {wire.connection})

    run(play)


def test_a_client_that_takes_nothing_of_an_answer_is_cut_off() -> None:
    async def play(wire: Wire) -> None:
        now = asyncio.get_running_loop().time()
        for later, unsent, aborted in [
            (0, 0, False),
            (1000, 900, False),
            (1000 + STALLED_SECONDS, 800, False),
            (1000 + 2 * STALLED_SECONDS, 800, False),
            (1001 + 2 * STALLED_SECONDS, 800, True),
        ]:
            await wire.say(GET % b"a" if not later else b"")
            wire.unsent = unsent
            wire.connection.check(now + later)
            assert wire.is_aborted == aborted

    run(play)


def test_a_closing_connection_whose_client_takes_nothing_is_cut_off() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(GET.replace(b"1.1", b"1.0") % b"a")
        await wire.answer()
        assert wire.has_ended
        wire.unsent = 1
        now = asyncio.get_running_loop().time()
        wire.connection.check(now)
        wire.connection.check(now + STALLED_SECONDS + 1)
        assert wire.is_aborted

    run(play)


POST = b"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n"


async def answered_early(wire: Wire) -> None:
    """A client that is still sending has its answer, and the connection is not yet closed."""
    await wire.say(POST)
    await wire.answer(415)
    assert wire.replies == [(415, "/a")]
    assert (wire.is_half_closed, wire.is_closed, wire.is_reading) == (not wire.is_encrypted, False, True)


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_who_is_answered_while_sending_may_send_on_until_silent(is_encrypted: bool) -> None:
    async def play(wire: Wire) -> None:
        wire.is_encrypted = is_encrypted
        await answered_early(wire)
        await wire.say(b"x" * 1000 + GET % b"b")
        now = asyncio.get_running_loop().time()
        wire.connection.check(now + 0.9 * SILENCE_SECONDS)
        assert not wire.is_closed
        wire.connection.check(now + SILENCE_SECONDS + 0.1)
        assert wire.is_closed
        assert wire.targets == ["/a"]

    run(play)


def test_who_sends_for_ever_after_an_answer_is_cut_off() -> None:
    async def play(wire: Wire) -> None:
        await answered_early(wire)
        await wire.say(bytes(LINGER_BYTES))
        assert not wire.is_aborted
        await wire.say(b"x")
        assert wire.is_aborted

    run(play)


def test_who_sends_slowly_for_ever_after_an_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        await answered_early(wire)
        begun, steps = loop.time(), 0
        while not wire.is_aborted and steps < 100:
            steps += 1
            now = begun + steps * SILENCE_SECONDS / 2
            monkeypatch.setattr(loop, "time", lambda now=now: now)
            wire.connection.data_received(b"x")
            wire.connection.check(now)
        monkeypatch.undo()
        assert LINGER_SECONDS <= steps * SILENCE_SECONDS / 2 <= LINGER_SECONDS + SILENCE_SECONDS

    run(play)


@pytest.mark.parametrize("said", [b"no HTTP\r\n\r\n", b"GET /a HTTP/1.1\r\nX: " + b"a" * (2 * HEAD_BYTES)])
def test_who_sends_no_request_may_send_on_until_silent(said: bytes) -> None:
    async def play(wire: Wire) -> None:
        await wire.say(said)
        assert (wire.is_half_closed, wire.is_closed) == (True, False)
        await wire.say(said)
        assert len(wire.replies) == 1
        wire.connection.check(asyncio.get_running_loop().time() + SILENCE_SECONDS + 0.1)
        assert wire.is_closed

    run(play)


@pytest.mark.parametrize("closes", [b"", b"Connection: close\r\n"])
def test_who_went_away_before_the_answer_harms_nobody(closes: bytes) -> None:
    """The system refuses to half close what the client has reset."""

    def write_eof() -> None:
        raise OSError(107, "Transport endpoint is not connected")

    async def play(wire: Wire) -> None:
        vars(wire)["write_eof"] = write_eof
        if closes:
            await wire.say(POST)
            await wire.answer(415)
        else:
            await wire.say(b"GET /a")
            wire.connection.check(asyncio.get_running_loop().time() + 5.1)
        assert [status for status, _ in wire.replies] == [415 if closes else 408]
        assert wire.is_aborted

    run(play)


def test_an_answer_that_is_not_yet_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(wire: Wire) -> None:
        await wire.say(POST)
        wire.unsent = 1000
        await wire.answer(415)
        now = asyncio.get_running_loop().time()
        await wire.say(b"x")
        wire.connection.check(now + 2 * LINGER_SECONDS)
        assert not wire.has_ended
        wire.unsent = 0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now + 2 * LINGER_SECONDS)
        await wire.say(b"x")
        wire.connection.check(now + 2 * LINGER_SECONDS + 0.5)
        assert (wire.is_half_closed, wire.is_closed, wire.is_aborted) == (True, False, False)
        monkeypatch.undo()

    run(play)


def test_a_client_that_never_agrees_to_the_end_is_cut_off() -> None:
    async def play(wire: Wire) -> None:
        wire.is_encrypted = True
        await wire.say(GET.replace(b"1.1", b"1.0") % b"a")
        await wire.answer()
        assert wire.is_closed
        now = asyncio.get_running_loop().time()
        wire.connection.check(now + LINGER_SECONDS - 1)
        assert not wire.is_aborted
        wire.connection.check(now + LINGER_SECONDS + 1)
        assert wire.is_aborted

    run(play)


def test_a_large_body_that_was_read_keeps_no_connection() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(POST.replace(b"1000000000", b"100000"))
        await wire.say(bytes(100_000))
        assert not wire.is_reading
        assert len(wire.begun[0].take()) == 100_000
        await wire.answer()
        assert wire.is_closed

    run(play)


def test_what_waits_is_answered_before_what_is_no_request_ends_it() -> None:
    async def play(wire: Wire) -> None:
        wire.connection.pause_writing()
        await wire.say(GET % b"a" + b"junk junk\r\n\r\n")
        assert not wire.written
        wire.connection.resume_writing()
        await asyncio.sleep(0)
        await wire.answer()
        assert wire.replies == [(200, "/a")]
        assert wire.has_ended

    run(play)


def test_an_offer_to_upgrade_with_a_head_as_large_as_may_be() -> None:
    """The head is put together again without the offer, and may be a little larger then."""

    async def play(wire: Wire) -> None:
        fields = b"".join(b"X-%05d:%b\r\n" % (number, b"a" * 8) for number in range(3450))
        offer = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n"
        head = b"POST /a HTTP/1.1\r\nHost: localhost\r\n" + offer + fields + b"\r\n"
        assert len(head) < HEAD_BYTES < len(head) + 3450
        await wire.say(head + b"x" + GET % b"b")
        for _ in range(2):
            await wire.answer()
        assert wire.replies == [(200, "/a"), (200, "/b")]
        assert wire.is_reading

    run(play)


def test_nothing_is_begun_after_a_refusal() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"GET /a HTTP/1.1\r\nX: " + b"a" * (2 * HEAD_BYTES))
        assert [status for status, _ in wire.replies] == [431]
        await wire.say(b"\r\n\r\n" + GET % b"b")
        assert not wire.begun
        assert wire.is_reading
        wire.connection.check(asyncio.get_running_loop().time() + SILENCE_SECONDS + 0.1)
        assert wire.is_closed

    run(play)


def test_shutting_leaves_who_was_answered_early_a_moment() -> None:
    async def play(wire: Wire) -> None:
        await answered_early(wire)
        wire.connection.shut()
        assert not wire.is_closed
        assert wire.connection.is_lingering

    run(play)


def test_of_many_requests_that_come_at_once_few_are_held() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"".join(GET % b"%d" % number for number in range(5000)))
        held = len(wire.connection._waiting)
        assert 0 < held < 500
        for number in range(5000):
            assert wire.targets[-1] == f"/{number}"
            await wire.answer()
        assert len(wire.begun) == 5000
        assert not wire.has_ended
        assert wire.is_reading

    run(play)


def test_a_body_that_came_behind_a_waiting_request_is_received_in_its_turn() -> None:
    async def play(wire: Wire) -> None:
        body = bytes(range(256)) * 400
        head = b"POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        await wire.say(GET % b"a" + head + body + GET % b"c")
        await wire.answer()
        received = b""
        while chunk := await wire.begun[-1].receive():
            received += chunk
        assert received == body
        await wire.answer()
        assert wire.targets == ["/a", "/b", "/c"]

    run(play)


@pytest.mark.parametrize(
    "rest",
    [b"0\r\nX: " + b"a" * (2 * HEAD_BYTES), b"1;" + b"a" * (2 * HEAD_BYTES), b"0\r\n" + b"X: a\r\n" * 20_000],
    ids=["a field", "an extension", "many fields"],
)
def test_what_is_neither_head_nor_body_has_a_bound(rest: bytes) -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await wire.say(rest)
        assert [status for status, _ in wire.replies] == [431]
        assert wire.has_ended
        assert wire.begun[0].is_gone

    run(play)


def test_what_follows_a_head_that_is_too_large_is_not_looked_at() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"GET /a HTTP/1.1\r\nX: " + b"a" * (2 * HEAD_BYTES) + b"\r\n\r\n" + GET % b"b")
        assert [status for status, _ in wire.replies] == [431]
        assert not wire.begun

    run(play)


def test_an_old_client_is_not_told_to_continue() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"POST /a HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert not wire.begun[0].asks

    run(play)


def test_offers_to_upgrade_are_declined_however_many_come_at_once() -> None:
    async def play(wire: Wire) -> None:
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
        body = b"POST /%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n" + offer + b"\r\nab"
        await wire.say(b"".join(body % number for number in range(1200)))
        for number in range(1200):
            assert (wire.targets[-1], wire.begun[-1].take()) == (f"/{number}", b"ab")
            assert "upgrade" not in wire.begun[-1].headers
            await wire.answer()
        assert not wire.has_ended

    run(play)


def test_an_offer_to_upgrade_does_not_make_an_old_client_a_new_one() -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"GET /a HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert (wire.begun[0].is_old, wire.begun[0].keeps) == (True, False)

    run(play)


@pytest.mark.parametrize("rest", [b"", b"secret", GET % b"a"])
def test_there_is_no_tunnel(rest: bytes) -> None:
    async def play(wire: Wire) -> None:
        await wire.say(b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n" + rest)
        assert [status for status, _ in wire.replies] == [400]
        assert wire.has_ended
        assert not wire.begun

    run(play)
