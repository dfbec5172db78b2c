"""One transaction, fed with any bytes: it always ends, and only a clear yes to the content is a delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport.letters import HELLO, envelope

from graphpost.transport.connection import Connection
from graphpost.transport.courier import Deferred, Delivered, Failed, Outcome
from graphpost.transport.transaction import Transaction
from graphpost.transport.wire import Extensions


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_aborted
        self.written += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True


class Desk:
    """A dispatcher with these waiting."""

    def __init__(self) -> None:
        self.waiting: list[Transaction] = []
        self.stale: list[Transaction] = []
        self.released = 0

    @property
    def has_waiting(self) -> bool:
        return bool(self.waiting)

    def next_for(self, connection: Connection) -> Transaction | None:
        if not self.waiting:
            return None
        transaction = self.waiting.pop(0)
        assert transaction.suits(connection)
        return transaction

    def release(self, connection: Connection) -> None:
        self.released += connection.is_open

    def retry(self, transaction: Transaction) -> None:
        self.stale.append(transaction)
        transaction.result.set_result(None)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def make(loop: asyncio.AbstractEventLoop, desk: Desk, *recipients: str) -> Transaction:
    return Transaction(envelope(*recipients), desk, "mx.test", 300.0, loop)


def play(
    loop: asyncio.AbstractEventLoop, segments: list[bytes], *, pipelining: bool, needs_reset: bool = False
) -> tuple[tuple[Outcome, ...], Wire, Connection]:
    """Three recipients, the peer's segments, and then the end of the connection."""
    connection = Connection(loop, lambda _: None)
    wire = Wire()
    connection.connection_made(wire)
    connection.extensions = Extensions(pipelining=pipelining)
    connection.needs_reset = needs_reset
    transaction = make(loop, Desk(), "a@x.test", "b@x.test", "c@x.test")
    assert transaction.suits(connection)
    transaction.start()
    for segment in segments:
        if not wire.is_aborted:
            connection.data_received(segment)
    was_open = connection.is_open
    connection.connection_lost(None)
    connection.is_open = was_open
    assert transaction.result.done()
    outcomes = transaction.result.result()
    assert outcomes is not None
    return outcomes, wire, connection


codes = st.sampled_from(
    [200, 220, 250, 251, 299, 334, 354, 354, 250, 421, 450, 451, 452, 503, 550, 552, 554, 100]
)
replies = st.builds(
    lambda code, text: b"%d %s\r\n" % (code, text), codes, st.sampled_from([b"ok", b"5.1.1 no", b""])
)
answers = st.lists(st.one_of(replies, st.binary(max_size=10)), max_size=10)


@settings(max_examples=400)
@given(answers, st.booleans(), st.booleans())
def test_whatever_the_peer_says_there_is_an_outcome_for_everybody(
    loop: asyncio.AbstractEventLoop, segments: list[bytes], pipelining: bool, needs_reset: bool
) -> None:
    outcomes, wire, _ = play(loop, segments, pipelining=pipelining, needs_reset=needs_reset)
    assert len(outcomes) == 3
    for outcome in outcomes:
        assert isinstance(outcome, Delivered | Deferred | Failed)
        if isinstance(outcome, Delivered):
            assert 200 <= outcome.reply.code < 300
            assert wire.written.endswith(HELLO + b".\r\n")
        if isinstance(outcome, Failed):
            assert 500 <= outcome.reply.code < 600


@given(st.lists(codes, min_size=6, max_size=6), st.lists(st.integers(0, 200), max_size=5))
def test_a_full_set_of_replies_leaves_the_connection_in_step(
    loop: asyncio.AbstractEventLoop, said: list[int], cuts: list[int]
) -> None:
    """MAIL, three RCPT, DATA and the content: whoever was accepted shares the last reply."""
    mail, *recipients, data, final = said
    script = [mail, *recipients, data] + ([final] if data == 354 else [])
    sent = b"".join(b"%d x\r\n" % code for code in script)
    places = sorted(min(cut, len(sent)) for cut in cuts)
    segments = [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)], strict=True)]
    outcomes, wire, connection = play(loop, segments, pipelining=True)
    if connection.is_open:
        assert data == 354 or 400 <= data < 600
    is_taken = mail // 100 == 2 and 421 not in script and data == 354 and final // 100 == 2
    for code, outcome in zip(recipients, outcomes, strict=True):
        assert isinstance(outcome, Delivered) is (is_taken and code // 100 == 2)
    if data == 354 and 421 not in script and not any(code // 100 == 2 for code in recipients):
        assert wire.written.endswith(b"DATA\r\n.\r\n")


def test_without_pipelining_a_reset_is_answered_before_mail(loop: asyncio.AbstractEventLoop) -> None:
    _, wire, _ = play(loop, [], pipelining=False, needs_reset=True)
    assert wire.written == b"RSET\r\n"
    _, wire, _ = play(loop, [b"250 ok\r\n"], pipelining=False, needs_reset=True)
    assert wire.written == b"RSET\r\nMAIL FROM:<adele@example.test>\r\n"


def test_with_pipelining_a_reset_leaves_with_the_rest(loop: asyncio.AbstractEventLoop) -> None:
    _, wire, _ = play(loop, [], pipelining=True, needs_reset=True)
    assert wire.written.startswith(b"RSET\r\nMAIL FROM:")
    assert wire.written.endswith(b"DATA\r\n")


def test_a_refused_reset_ends_the_connection(loop: asyncio.AbstractEventLoop) -> None:
    outcomes, wire, _ = play(loop, [b"502 what\r\n"], pipelining=False, needs_reset=True)
    assert all(isinstance(outcome, Deferred) for outcome in outcomes)
    assert wire.is_aborted


# Two of them


def play_two(
    loop: asyncio.AbstractEventLoop, segments: list[bytes]
) -> tuple[tuple[Transaction, Transaction], Wire, Desk]:
    """One recipient each, the second waits; the peer's segments, and then the end of the connection."""
    connection = Connection(loop, lambda _: None)
    wire = Wire()
    connection.connection_made(wire)
    connection.extensions = Extensions(pipelining=True)
    desk = Desk()
    first, second = make(loop, desk, "a@x.test"), make(loop, desk, "b@x.test")
    assert first.suits(connection)
    desk.waiting.append(second)
    first.start()
    for segment in segments:
        if not wire.is_aborted:
            connection.data_received(segment)
            loop.run_until_complete(turn())
    if desk.waiting and connection.is_open and first.result.done():
        desk.waiting.clear()  # the connection was released before there was anything to follow
        second.settle(None)
    connection.connection_lost(None)
    if desk.waiting:
        second.settle(None)
    return (first, second), wire, desk


async def turn() -> None:
    """Let the loop do what was left for its next turn."""
    await asyncio.sleep(0)


OPENING = b"MAIL FROM:<adele@example.test>\r\nRCPT TO:<%s@x.test>\r\nDATA\r\n"


def test_the_next_ones_commands_are_behind_the_last_dot(loop: asyncio.AbstractEventLoop) -> None:
    (first, second), wire, desk = play_two(loop, [b"250 x\r\n250 x\r\n354 x\r\n"])
    assert wire.written == OPENING % b"a" + HELLO + b".\r\n" + OPENING % b"b"
    assert isinstance((first.result.result() or ())[0], Deferred)
    assert desk.stale == [second]


def test_the_followers_content_waits_for_its_own_go_ahead(loop: asyncio.AbstractEventLoop) -> None:
    both = b"250 x\r\n250 x\r\n354 x\r\n"
    _, wire, _ = play_two(loop, [both, b"250 x\r\n250 x\r\n250 x\r\n"])
    assert wire.written.endswith(OPENING % b"b")
    _, wire, _ = play_two(loop, [both, b"250 x\r\n", both])
    assert wire.written.endswith(OPENING % b"b" + HELLO + b".\r\n")


@settings(max_examples=400)
@given(answers)
def test_whatever_the_peer_says_both_have_an_end(
    loop: asyncio.AbstractEventLoop, segments: list[bytes]
) -> None:
    transactions, wire, desk = play_two(loop, [b"250 x\r\n250 x\r\n354 x\r\n", *segments])
    delivered = 0
    for transaction in transactions:
        outcomes = transaction.result.result()
        assert (outcomes is None) is (transaction in desk.stale)
        delivered += outcomes is not None and isinstance(outcomes[0], Delivered)
    assert wire.written.count(HELLO + b".\r\n") >= delivered
    assert transactions[0] not in desk.stale


@given(st.lists(codes, min_size=5, max_size=5), st.lists(st.integers(0, 200), max_size=5))
def test_a_full_set_of_replies_to_two_keeps_them_apart(
    loop: asyncio.AbstractEventLoop, said: list[int], cuts: list[int]
) -> None:
    """The reply to the first content, and MAIL, RCPT, DATA and the content of the second."""
    end, mail, recipient, data, final = said
    sent = b"".join(b"%d x\r\n" % code for code in [250, 250, 354, *said[:4]])
    places = sorted(min(cut, len(sent)) for cut in cuts)
    segments = [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)], strict=True)]
    if data == 354:
        segments.append(b"%d x\r\n" % final)  # it cannot be said before the content is there
    (first, second), _, desk = play_two(loop, segments)
    [outcome] = first.result.result() or ()
    assert isinstance(outcome, Delivered) is (end // 100 == 2)
    assert isinstance(outcome, Failed) is (end // 100 == 5)
    is_in_step = end // 100 in (2, 4, 5) and end != 421
    assert (second in desk.stale) is (not is_in_step or mail == 421)
    is_taken = data == 354 and {mail // 100, recipient // 100, final // 100} == {2}
    outcomes = second.result.result()
    if outcomes is not None:
        assert isinstance(outcomes[0], Delivered) is is_taken


def test_an_answer_to_a_content_before_it_was_sent_is_none(loop: asyncio.AbstractEventLoop) -> None:
    go_ahead = b"250 x\r\n250 x\r\n354 x\r\n"
    (_, second), wire, _ = play_two(loop, [go_ahead, b"250 x\r\n" + go_ahead + b"250 x\r\n"])
    assert isinstance((second.result.result() or ())[0], Deferred)
    assert wire.written.count(HELLO) == 1
