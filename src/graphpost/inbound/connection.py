"""One client's connection: lines and octets in, replies out, bounded.

While more is waiting than is asked for, nothing is read from the network.  Replies are held as long as there are further
commands at hand, and leave together (PIPELINING, RFC 2920).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Final, cast

from graphpost.inbound.replies import Reply, refusal

HIGH: Final = 65_536  # octets that wait to be asked for; then reading pauses
LOW: Final = 16_384
LINGER_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 1.0  # of a client that was told that it is over
LINGER_BYTES: Final = 1_048_576
HANDSHAKE_SECONDS: Final = 20.0


class ClientGone(Exception):
    """The connection ended."""


class Connection(asyncio.Protocol):
    """For one reader.  `is_secure` and `tls` say whether and how it is encrypted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._seen = 0  # octets in which no line end was found
        self._replies: list[bytes] = []
        self._arrived: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_paused = False
        self._ended = False
        self._alarm: asyncio.TimerHandle | None = None
        self.peer = ""
        self.is_secure = False
        self.tls = ""

    # What the loop tells it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > HIGH and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._tell()

    def eof_received(self) -> bool:
        self._ended = True
        self._tell()
        return not self.is_secure  # what was sent before it may still be answered

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._ended = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._tell()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    def _tell(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    # Reading

    @property
    def has_line(self) -> bool:
        """Whether a whole line is at hand."""
        return b"\n" in self._buffer

    @property
    def has_octets(self) -> bool:
        return bool(self._buffer)

    async def line(self, limit: int, seconds: float) -> bytes:
        """The next line without its CRLF; all of it has that time.

        Raises Refusal for one that is too long or has another end (the line is gone then), TimeoutError, ClientGone.
        """
        end = self._buffer.find(b"\n", self._seen)
        if not 0 <= end < limit:
            end = await self._line_end(end, limit, self._loop.time() + seconds)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._seen = 0
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise refusal(500, "5.5.2", "Error: bare <CR> or <LF> received", "bare-newline", ends=True)
        return line[:-1]

    async def _line_end(self, end: int, limit: int, deadline: float) -> int:
        """Where the line ends that is not whole, or too long."""
        while end < 0:
            self._seen = len(self._buffer)
            if self._seen >= limit:
                break
            await self._more(deadline - self._loop.time())
            end = self._buffer.find(b"\n", self._seen)
        if 0 <= end < limit:
            return end
        await self._skip_line(deadline)
        raise refusal(500, "5.5.2", "Error: line too long")

    async def _skip_line(self, deadline: float) -> None:
        self._seen = 0
        while (end := self._buffer.find(b"\n")) < 0:
            self._buffer.clear()
            await self._more(deadline - self._loop.time())
        del self._buffer[: end + 1]

    async def octets(self, most: int, seconds: float) -> bytes:
        """At least one octet and no more than `most`.  Raises TimeoutError, ClientGone."""
        if not self._buffer:
            await self._more(seconds)
        if len(self._buffer) <= most:
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            data = bytes(self._buffer[:most])
            del self._buffer[:most]
        self._seen = 0
        return data

    def push_back(self, data: bytes) -> None:
        """Give back octets that were read too many."""
        if data:
            self._buffer[:0] = data
            self._seen = 0

    async def speaks_within(self, seconds: float) -> bool:
        """Whether the client says something in that time."""
        try:
            if not self._buffer:
                await self._more(seconds)
        except TimeoutError:
            return False
        return True

    async def _more(self, seconds: float) -> None:
        await self.flush(seconds)
        self._check()
        if self._is_paused and len(self._buffer) <= LOW and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        before = len(self._buffer)
        self._arrived = self._loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived
        finally:
            self._arrived = None
        if len(self._buffer) == before:
            self._check()

    def _check(self) -> None:
        if self._ended:
            raise ClientGone

    # Writing

    def say(self, reply: Reply) -> None:
        """Answer; it leaves when there is nothing more to read, or by `flush`."""
        self._replies.append(reply.to_bytes())

    def say_lines(self, lines: bytes) -> None:
        self._replies.append(lines)

    def _say_rest(self) -> None:
        if self._replies and self._transport is not None:
            self._transport.write(b"".join(self._replies))
        self._replies.clear()

    async def flush(self, seconds: float) -> None:
        """Send the replies.  Raises TimeoutError when the client does not read, ClientGone."""
        self._say_rest()
        if self._writable is not None:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._writable)
            if self._transport is None:
                raise ClientGone

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> None:
        """Go on under TLS.  What came in clear text behind STARTTLS is forgotten (RFC 3207 §4.2)."""
        await self.flush(seconds)
        self._buffer.clear()
        self._seen = 0
        if self._transport is None:
            raise ClientGone
        transport = await self._loop.start_tls(
            self._transport,
            self,
            context,
            server_side=True,
            ssl_handshake_timeout=min(seconds, HANDSHAKE_SECONDS),
        )
        if transport is None:
            raise ClientGone
        self._transport = transport
        self._is_paused = False
        self.is_secure = True
        cipher = transport.get_extra_info("cipher")
        self.tls = f"{cipher[1]} with cipher {cipher[0]} ({cipher[2]} bits)" if cipher else "TLS"

    async def linger(self) -> None:
        """Throw away what a client still sends that was told that it is over, until it is silent, or too much.

        Closing before that resets the connection, and the client may never read why.
        """
        self._say_rest()
        room = LINGER_BYTES
        with contextlib.suppress(ClientGone, OSError, RuntimeError):  # it is silent, or gone
            if self._transport is not None and self._transport.can_write_eof():  # TLS cannot
                self._transport.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while room > 0:
                    room -= len(self._buffer)
                    self._buffer.clear()
                    await self._more(SILENCE_SECONDS)

    def close(self) -> None:
        """Send what there is to say, and end; who does not take it in LINGER_SECONDS is cut off."""
        self._say_rest()
        if self._transport is not None:
            self._transport.close()
            self._alarm = self._loop.call_later(LINGER_SECONDS, self.abort)

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()
