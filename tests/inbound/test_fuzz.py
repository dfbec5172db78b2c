"""Whatever a client sends: nothing crashes, nothing is relayed, nothing is filed that was not acknowledged.

And what is filed is, to the octet, what was sent.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.delivery.post import ADELE, ALEX, furnish, open_sqlite
from tests.inbound.room import Room

COMMANDS = [
    b"EHLO client.test", b"HELO x", b"LHLO x", b"MAIL FROM:<bob@else.test>", b"MAIL FROM:<> SIZE=10",
    b"MAIL FROM:<bob@else.test> BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=x", b"RCPT TO:<adele@contoso.test>",
    b"RCPT TO:<alex+x@contoso.test> NOTIFY=NEVER", b"RCPT TO:<nobody@contoso.test>", b"RCPT TO:<victim@else.test>",
    b"RCPT TO:<@contoso.test:victim@else.test>", b'RCPT TO:<"victim@else.test"@contoso.test>', b"DATA", b"RSET",
    b"BDAT 5", b"BDAT 0 LAST", b"BDAT 12 LAST", b"BDAT -1", b"NOOP", b"VRFY x", b"HELP", b"QUIT", b"STARTTLS", b"AUTH PLAIN",
    b"Subject: x", b"", b".", b"..", b"X" * 3000, b"\xff\xfe", b"\0", b"Received: x",
]  # fmt: skip
ENDS = [b"\r\n"] * 12 + [b"\n", b"\r", b"", b"\r\n.\r\n", b"\n.\r\n", b"\r\n\r\n"]
streams = st.lists(st.tuples(st.sampled_from(COMMANDS), st.sampled_from(ENDS)), max_size=30).map(
    lambda parts: b"".join(command + end for command, end in parts)
)
lines = st.lists(
    st.one_of(st.sampled_from([b".", b"..", b".x", b"", b"QUIT", b"."]), st.binary(max_size=30)), max_size=8
).map(lambda some: [re.sub(rb"[\r\n\0]", b"?", line) for line in some])
BEGIN = b"EHLO c\r\nMAIL FROM:<bob@else.test>\r\nRCPT TO:<adele@contoso.test>\r\n"


T = TypeVar("T")


class Fuzzed:
    """A room, and the loop it lives in."""

    def __init__(self, path: Path) -> None:
        self.runner = asyncio.Runner()
        self.seen: dict[int, set[int]] = {ADELE.mailbox_id: set(), ALEX.mailbox_id: set()}
        self.run(lambda: self._open(path))

    async def _open(self, path: Path) -> None:
        self.store = open_sqlite(path)
        await furnish(self.store)
        limits = {"message_bytes": 5000, "errors": 1000, "commands": 1000}
        self.room = Room(self.store, path, **limits)
        await self.room.open()

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def working() -> T:
            async with asyncio.timeout(60):
                return await work()

        return self.runner.run(working())

    async def close(self) -> None:
        await self.room.close()
        await self.store.close()

    async def say(self, pieces: list[bytes]) -> bytes:
        """Send all, one piece after the other, and read to the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.room.port)

        async def send() -> None:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            writer.write_eof()

        sending = asyncio.ensure_future(send())
        said = b""
        try:
            while more := await reader.read(65_536):
                said += more
        except ConnectionResetError:
            pass
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()
        return said

    async def new(self) -> list[bytes]:
        """What was filed since the last time, each with its envelope's traces."""
        found = []
        for box in (ADELE, ALEX):
            for item in await self.room.inbox(box):
                if item.message_id not in self.seen[box.mailbox_id]:
                    self.seen[box.mailbox_id].add(item.message_id)
                    found.append(await self.room.value(item))
        assert await self.room.queue() == []
        assert "problem" not in self.room.said()
        return found


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    made = Fuzzed(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.run(made.close)
    made.runner.close()


def pieces_of(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted({place % (len(data) + 1) for place in at}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places) if end > start]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams, st.booleans(), st.lists(st.integers(0, 5000), max_size=5))
def test_what_was_not_acknowledged_is_not_filed_and_nothing_is_relayed(
    fuzzed: Fuzzed, stream: bytes, begins: bool, at: list[int]
) -> None:
    async def example() -> None:
        said = await fuzzed.say(pieces_of((BEGIN if begins else b"") + stream, at))
        assert said.startswith(b"220 ")
        assert all(re.fullmatch(rb"[2-5]\d\d[ -][^\r\n\0]*", line) for line in said.split(b"\r\n")[:-1])
        acknowledged = said.count(b": filed as ")
        names = [re.search(rb" id ([0-9a-f]{16})", value) for value in await fuzzed.new()]
        assert len({name[1] for name in names if name}) == acknowledged

    fuzzed.run(example)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(lines, st.lists(st.integers(0, 100), max_size=4), st.booleans()), min_size=1, max_size=3
    ),
    st.lists(st.integers(0, 5000), max_size=5),
)
def test_what_is_acknowledged_is_filed_to_the_octet(
    fuzzed: Fuzzed, messages: list[tuple[list[bytes], list[int], bool]], at: list[int]
) -> None:
    """By DATA or in chunks, however the network cuts it."""
    stream, wanted = b"EHLO c\r\n", []
    pieces: list[bytes] = []
    for number, (some, cuts, chunked) in enumerate(messages):
        content = b"Subject: %d\r\n\r\n" % number + b"".join(line + b"\r\n" for line in some)
        wanted.append(content)
        stream += BEGIN.partition(b"\r\n")[2]
        if chunked:
            parts = pieces_of(content, cuts)
            stream += b"".join(b"BDAT %d\r\n" % len(part) + part for part in parts) + b"BDAT 0 LAST\r\n"
        else:
            pieces += [*pieces_of(stream + b"DATA\r\n", at), b""]
            stream = re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"
    pieces.append(stream)

    async def example() -> None:
        await in_step(fuzzed, pieces)
        values = await fuzzed.new()
        assert len(values) == len(wanted)
        for value, content in zip(values, wanted, strict=True):
            assert value.endswith(b"+0000\r\n" + content)

    fuzzed.run(example)


async def in_step(fuzzed: Fuzzed, pieces: list[bytes]) -> None:
    """Send the pieces; at an empty one wait until DATA has its go-ahead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", fuzzed.room.port)
    for piece in pieces:
        if piece:
            writer.write(piece)
            await writer.drain()
        else:
            while not (await reader.readline()).startswith(b"354 "):
                pass
    writer.write(b"QUIT\r\n")
    assert b"221 " in await reader.read()
    writer.transport.abort()
