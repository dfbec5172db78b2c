"""One HTTP request and its answer, on whatever carries them.

The body is taken when it is there, or received while it comes.  An answer that is whole leaves in one write.  Every
exchange ends in `answer`, `stream` or `abandon`; who has gone away is answered to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

Fields = Iterable[tuple[str, str]]

HELD_BYTES: Final = 65_536  # of a body that is not asked for; more stays in the network
JOINED_BYTES: Final = 65_536  # of an answer's body that is copied behind its head
_STATUS: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Disconnected(Exception):
    """The client went away before its request was complete; nobody is left to answer."""


class Carrier(Protocol):
    """What an exchange happens on: a connection."""

    def send(self, data: bytes) -> None: ...
    async def drain(self) -> None:
        """Return when what was sent is on its way, or never will be."""
        ...

    def listen(self) -> None:
        """Take in what the client sends."""
        ...

    def pause(self) -> None:
        """Leave what the client sends in the network."""
        ...

    def finish(self, exchange: Exchange) -> None:
        """The exchange is over."""
        ...

    @property
    def common(self) -> str:
        """The field lines that every answer has."""
        ...


class Exchange:
    """A request, as far as it is there.

    `target` and `query` are as received, `headers` have lower-case names; fields that came more than once are joined by
    commas (RFC 9110 §5.3) and named in `repeated`.  `client` is the address the request comes from.  `is_whole`:
    nothing of the body is still to come.  `keeps`: the connection is used again.
    """

    __slots__ = (
        "_carrier",
        "_chunks",
        "_size",
        "_waiter",
        "asks",
        "client",
        "headers",
        "is_begun",
        "is_gone",
        "is_old",
        "is_over",
        "is_whole",
        "keeps",
        "method",
        "query",
        "repeated",
        "scheme",
        "target",
    )

    def __init__(
        self,
        carrier: Carrier,
        method: str,
        target: str,
        query: str,
        headers: Mapping[str, str],
        *,
        scheme: str = "http",
        client: str = "",
    ) -> None:
        self.method = method
        self.target = target
        self.query = query
        self.headers = headers
        self.scheme = scheme
        self.client = client
        self.repeated: Iterable[str] = ()
        self.keeps = True
        self.is_old = False  # HTTP/1.0: knows no chunks
        self.asks = False  # whether to send the body (Expect: 100-continue)
        self.is_whole = False
        self.is_begun = False
        self.is_over = False
        self.is_gone = False
        self._carrier = carrier
        self._chunks: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None

    # The body, from the connection

    def add(self, chunk: bytes) -> None:
        """More of the body has come."""
        if self.is_over:
            return  # it was answered without it
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > HELD_BYTES:
            self._carrier.pause()
        self._wake()

    def complete(self) -> None:
        """All of the body has come."""
        self.is_whole = True
        self._wake()

    def lose(self) -> None:
        """The client is gone, or what it sends can no longer be understood."""
        self.is_gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The body, for the application

    def take(self) -> bytes:
        """What has come of the body and was not taken before."""
        chunks = self._chunks
        self._chunks, self._size = [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @property
    def is_ended(self) -> bool:
        """Whether there is nothing more to receive."""
        return self.is_whole and not self._chunks

    async def receive(self) -> bytes:
        """The next piece of the body, b'' at its end.  Raises Disconnected."""
        while not (self._chunks or self.is_whole or self.is_gone):
            if self.asks:
                self.asks = False
                self._carrier.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._waiter = asyncio.get_running_loop().create_future()
            self._carrier.listen()  # which may bring something at once
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.is_gone:
            raise Disconnected
        return self.take()

    # The answer

    def answer(self, status: int, fields: Fields, body: bytes) -> None:
        """Send an answer that is whole, and end the exchange."""
        if not self.is_gone:
            head = self._head(status, fields, len(body))
            if not body or self.method == "HEAD":
                self._carrier.send(head)
            elif len(body) <= JOINED_BYTES:
                self._carrier.send(head + body)
            else:
                self._carrier.send(head)
                self._carrier.send(body)
        self._end()

    async def stream(self, status: int, fields: Fields, chunks: AsyncIterator[bytes]) -> None:
        """Send an answer of unknown length as it comes, and end the exchange.

        Raises what `chunks` raises, and Disconnected; then the answer is broken off by whoever calls `abandon`.
        """
        async with aclosing(cast("Any", chunks)):
            if not self.is_gone:
                self._carrier.send(self._head(status, fields, None))
            if self.method != "HEAD":
                await self._send_all(chunks)
        self._end()

    async def _send_all(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            await self._carrier.drain()
            if self.is_gone:
                raise Disconnected
            if chunk:
                self._carrier.send(chunk if self.is_old else b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if self.is_gone:
            raise Disconnected
        if not self.is_old:
            self._carrier.send(b"0\r\n\r\n")

    def abandon(self) -> None:
        """End the exchange, and with it the connection, as it is."""
        self.keeps = False
        self._end()

    def _head(self, status: int, fields: Fields, length: int | None) -> bytes:
        self.is_begun = True
        lines = [f"{name}: {value}\r\n" for name, value in fields]
        text = "".join(lines)
        if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
            broken = [line.partition(":")[0] for line in lines if not line[:-2].isprintable()]
            raise ValueError(f"a field would break the header: {', '.join(broken)}")
        text = f"{_STATUS[status]}{self._carrier.common}{text}"
        if length is None:
            if self.is_old:
                self.keeps = False  # the end of the connection is the end of the answer
            else:
                text += "transfer-encoding: chunked\r\n"
        elif status not in (204, 304):
            text += f"content-length: {length}\r\n"
        text += "\r\n" if self.keeps else "connection: close\r\n\r\n"
        return text.encode("latin-1")

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._chunks = []
            self._carrier.finish(self)
