"""What one client, or all of them, may do at most: connections, commands, errors, time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
import trustme
from anyio.lowlevel import checkpoint
from tests.delivery.post import ADELE
from tests.inbound.room import LETTER, MakeRoom, Room, Wire
from tests.jumping_loop import anyio_backend, let_pass

from graphpost.config import InboundSettings
from graphpost.inbound import connection, listener
from graphpost.inbound.gate import Gate

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio


async def test_who_says_nothing_is_let_go(room: Room) -> None:
    wire = await room.wire()
    let_pass(299)
    assert (await wire.ask("NOOP"))[0] == 250
    let_pass(301)
    assert await wire.reply() == (421, "4.4.2 Timeout exceeded")
    assert await wire.is_at_end()


async def test_who_sends_a_line_drop_by_drop_is_let_go(room: Room) -> None:
    wire = await room.wire()
    for octet in b"NOO":
        wire.send(bytes([octet]))
        await wire.writer.drain()
        await checkpoint()
        let_pass(101)
    assert (await wire.reply())[0] == 421


async def test_who_sends_a_line_without_an_end_drop_by_drop_is_let_go(room: Room) -> None:
    wire = await room.wire()
    for _ in range(3):
        wire.send(b"x" * 3000)
        await wire.writer.drain()
        await checkpoint()
        let_pass(101)
    assert (await wire.reply())[0] == 421


async def test_who_sends_a_message_drop_by_drop_is_let_go(room: Room) -> None:
    """However often a few octets come: the whole has its time."""
    wire = await room.wire()
    await wire.begin()
    await wire.ask("DATA")
    for _ in range(10):
        wire.send(b"x")
        await wire.writer.drain()
        await checkpoint()
        let_pass(190)
    assert (await wire.reply())[0] == 421
    assert await wire.is_at_end()
    assert await room.inbox() == []


async def test_a_handshake_that_does_not_come_ends(make_room: MakeRoom, authority: trustme.CA) -> None:
    room = make_room()
    await room.open(authority=authority)
    wire = await room.wire()
    assert (await wire.ask("STARTTLS"))[0] == 220
    (session,) = room.inbound._listener._sessions.values()
    assert session.talk.helo == ""
    await checkpoint()
    let_pass(21)
    assert await wire.is_at_end()
    await _until(lambda: not room.inbound._listener._sessions)


async def test_too_many_connections_are_refused(make_room: MakeRoom) -> None:
    room = make_room(connections=2)
    await room.open()
    first, _ = await room.wire(), await room.wire()
    third = Wire(*await asyncio.open_connection("127.0.0.1", room.port))
    room.wires.append(third)
    assert await third.reply() == (421, "4.7.0 mx.contoso.test Error: too many connections")
    assert await third.is_at_end()
    await first.ask("QUIT")
    assert await first.is_at_end()
    assert (await (await room.wire()).deliver())[0] == 250
    assert "turned-away client=127.0.0.1 command=connect code=421" in room.said()


async def test_a_crowd_on_one_port_keeps_nobody_from_the_others(make_room: MakeRoom) -> None:
    """A flood from the Internet, say, and the MTA beside us that delivers over LMTP."""
    room = make_room(connections=1)
    await room.open()
    stranger = await room.wire()
    await room.open(lmtp=True)
    assert (await (await room.wire(verb="LHLO")).deliver())[0] == 250
    assert (await stranger.ask("NOOP"))[0] == 250


async def test_one_address_does_not_take_all_connections(make_room: MakeRoom) -> None:
    room = make_room(connections_per_address=1, unlimited=[])
    await room.open()
    await room.wire()
    second = Wire(*await asyncio.open_connection("127.0.0.1", room.port))
    room.wires.append(second)
    assert (await second.reply())[0] == 421


async def test_nobody_is_waited_for_long_when_it_is_crowded(make_room: MakeRoom) -> None:
    room = make_room(connections=4)
    await room.open()
    wires = [await room.wire() for _ in range(3)]
    for wire in wires:
        assert (await wire.ask("NOOP"))[0] == 250
    let_pass(11)
    assert (await wires[0].reply())[0] == 421


async def test_messages_of_an_address_are_counted_by_the_minute(make_room: MakeRoom) -> None:
    room = make_room(messages_per_minute=2, unlimited=[])
    await room.open()
    wire = await room.wire()
    for _ in range(2):
        assert (await wire.deliver())[0] == 250
    assert await wire.ask("MAIL FROM:<>") == (450, "4.7.1 Too many messages from your address in a minute")
    let_pass(60)
    assert (await wire.deliver())[0] == 250


async def test_a_connection_has_so_many_messages(make_room: MakeRoom) -> None:
    room = make_room(messages_per_connection=1)
    await room.open()
    wire = await room.wire()
    assert (await wire.deliver())[0] == 250
    assert (await wire.ask("MAIL FROM:<>"))[0] == 421
    assert await wire.is_at_end()


async def test_a_message_has_so_many_recipients(make_room: MakeRoom) -> None:
    room = make_room(recipients=1)
    await room.open()
    wire = await room.wire()
    await wire.begin()
    assert (await wire.ask("RCPT TO:<alex@contoso.test>"))[0] == 452
    assert (await wire.data(LETTER.removesuffix(b"\r\n")))[0] == 250


async def test_recipients_that_are_too_many_leave_one_line_and_have_an_end(make_room: MakeRoom) -> None:
    room = make_room(recipients=3)
    await room.open()
    wire = await room.wire()
    await wire.begin()
    wire.send(b"RCPT TO:<adele@contoso.test>\r\n" * 10)
    codes = [(await wire.reply())[0] for _ in range(7)]
    assert codes == [250, 250, 452, 452, 452, 421, 0]
    assert room.said().count("code=452") == 1


@pytest.mark.parametrize(
    "unit",
    [b"RCPT TO:<adele@contoso.test>\r\n", b"BDAT 0\r\n", b"BDAT 1\r\nA"],
    ids=["RCPT", "BDAT 0", "BDAT 1"],
)
async def test_commands_that_come_all_at_once_hold_up_nobody_else(make_room: MakeRoom, unit: bytes) -> None:
    """Others have a turn at least every 25 commands, however many are at hand."""
    room = make_room(recipients=10_000, commands=10_000)
    await room.open()
    wire = await room.wire()
    await wire.begin()
    (session,) = room.inbound._listener._sessions.values()
    turns: list[int] = []
    loop = asyncio.get_running_loop()

    def turn() -> None:
        turns.append(session._turns)
        loop.call_soon(turn)

    loop.call_soon(turn)
    wire.send(unit * 2000)
    for _ in range(2000):
        assert (await wire.reply())[0] == 250
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 25


async def test_chunks_of_nothing_do_not_last_for_ever(room: Room) -> None:
    wire = await room.wire()
    await wire.begin()
    for _ in range(7):
        assert (await wire.ask("BDAT 0"))[0] == 250
        let_pass(290)
    assert (await wire.ask("BDAT 0"))[0] == 421


async def test_too_many_errors_end_the_session(make_room: MakeRoom) -> None:
    room = make_room(errors=3)
    await room.open()
    wire = await room.wire()
    await wire.ask("MAIL FROM:<>")
    wire.send(b"".join(b"RCPT TO:<guess%d@contoso.test>\r\n" % n for n in range(10)))
    assert [(await wire.reply())[0] for _ in range(5)] == [550, 550, 550, 421, 0]


async def test_commands_that_lead_to_nothing_end_the_session(make_room: MakeRoom) -> None:
    room = make_room(commands=5)
    await room.open()
    wire = await room.wire()
    for _ in range(3):
        assert (await wire.deliver())[0] == 250
    for _ in range(5):
        assert (await wire.ask("NOOP"))[0] == 250
    assert (await wire.ask("NOOP"))[0] == 421
    assert await wire.is_at_end()


async def test_chunks_of_nothing_lead_to_nothing(make_room: MakeRoom) -> None:
    room = make_room(commands=5)
    await room.open()
    wire = await room.wire()
    await wire.begin()
    wire.send(b"BDAT 0\r\nBDAT 00\r\n" * 5)
    codes = [(await wire.reply())[0] for _ in range(5)]
    assert (codes[0], codes[-2:]) == (250, [421, 0])


@pytest.mark.parametrize("ends", [b"GET / HTTP/1.1\r\n", b"NOOP\n"])
async def test_who_is_sent_away_while_sending_reads_why(room: Room, ends: bytes) -> None:
    wire = await room.wire()
    wire.send(ends)
    code, _ = await wire.reply()
    assert code in (421, 500)
    assert await wire.reader.read() == b""
    for _ in range(100):  # on a connection that was closed the first is answered by a reset
        wire.send(b"x" * 1000)
        await wire.writer.drain()
    await checkpoint()
    assert await wire.reader.read() == b""


async def send_for_ever(wire: Wire) -> None:
    while True:
        wire.send(b"x" * 100_000)
        await wire.writer.drain()


async def test_who_was_sent_away_and_sends_for_ever_is_closed(room: Room) -> None:
    wire = await room.wire()
    assert (await wire.ask("GET / HTTP/1.1"))[0] == 421
    with pytest.raises(OSError, match=r"reset|[Bb]roken pipe|[Ll]ost"):
        await send_for_ever(wire)


async def test_who_speaks_before_the_greeting_is_refused(make_room: MakeRoom) -> None:
    room = make_room(greet_seconds=5.0)
    await room.open()
    early = Wire(*await asyncio.open_connection("127.0.0.1", room.port))
    room.wires.append(early)
    early.send(b"EHLO spam.test\r\n")
    assert (await early.reply())[0] == 554
    assert await early.is_at_end()
    patient = Wire(*await asyncio.open_connection("127.0.0.1", room.port))
    room.wires.append(patient)
    await asyncio.sleep(0)
    while "ESMTP" not in (greeting := (await _soon(patient))):
        pass
    assert greeting.startswith("mx.contoso.test")


async def _soon(wire: Wire) -> str:
    """Let the time of the greeting pass as soon as it is waited for."""
    task = asyncio.ensure_future(wire.reply())
    while not task.done():
        let_pass(1)
        await asyncio.sleep(0)
    return task.result()[1]


async def test_who_never_reads_is_let_go(make_room: MakeRoom) -> None:
    room = make_room(commands=10**9, errors=10**9)
    await room.open()
    wire = await room.wire()
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    wire.send(b"NOOP\r\n" * 3_000_000)
    session = next(iter(room.inbound._listener._sessions.values()))
    await _until(lambda: session.talk.connection._writable is not None)
    let_pass(301)
    while room.inbound._listener._sessions:  # it lingers for a second
        let_pass(0.1)
        await checkpoint()
    assert session.talk.connection._transport is not None, "what was said is still to be taken"
    let_pass(6)
    await _until(lambda: session.talk.connection._transport is None)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(1000):
        while not is_so():
            await checkpoint()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_network_counts_as_one_address(address: str) -> None:
    now = 0.0
    gate = Gate(InboundSettings(connections_per_minute=2, unlimited=["10.0.0.0/8"]), lambda: now)
    key = gate.key(address)
    assert key
    assert (gate.key("2001:db8::ffff") == key) == (":" in address)
    assert gate.key("10.1.2.3") == gate.key("") == ""
    for _ in range(2):
        assert gate.enter(key, "smtp") == ""
        gate.leave(key, "smtp")
    assert gate.enter(key, "smtp") == "too many connections from your address in a minute"
    now = 60.0
    assert gate.enter(key, "smtp") == ""
    gate.leave(key, "smtp")
    assert gate._open == {}


async def test_a_session_that_waits_is_told_that_the_server_stops(room: Room) -> None:
    wire = await room.wire()
    await wire.ask("MAIL FROM:<>")
    await room.inbound.stop()
    assert await wire.reply() == (421, "4.3.2 The server is shutting down; try again later")
    assert await wire.is_at_end()


async def test_who_was_sent_away_does_not_hold_up_the_end(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (connection, "SILENCE_SECONDS"),
        (connection, "LINGER_SECONDS"),
        (listener, "GRACE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 100_000.0)
    wire = await room.wire()
    assert (await wire.ask("GET / HTTP/1.1"))[0] == 421
    (session,) = room.inbound._listener._sessions.values()
    await _until(lambda: session._is_lingering)
    await room.inbound.stop()
    assert await wire.is_at_end()


async def test_a_message_under_way_is_taken_before_the_server_stops(room: Room) -> None:
    wire = await room.wire()
    await wire.begin()
    await wire.ask("DATA")
    wire.send(LETTER)
    await wire.writer.drain()
    stopping = asyncio.ensure_future(room.inbound.stop())
    await asyncio.sleep(0)
    wire.send(b".\r\n")
    assert [(await wire.reply())[0] for _ in range(2)] == [250, 421]
    await stopping
    assert len(await room.inbox(ADELE)) == 1
