"""Reading a request's body, bounded in bytes, in time and in what it expands to."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from graphpost.config import LimitSettings
from graphpost.errors import BadRequest, GraphError, TooLarge, UnsupportedMedia
from graphpost.web.exchange import Exchange

GZIP: Final = 16 + zlib.MAX_WBITS
_LARGE: Final = 1_048_576  # bytes; more are put together outside the event loop
GZIP_MEMBERS: Final = 100
TOO_LARGE: Final = "The maximum request length supported is {}."


class Timeout(GraphError):
    """The client stopped sending."""

    status = 408
    default_code = "RequestTimeout"


class TooLong(TooLarge):
    """Too large, and not read to its end: the client may still be sending."""


class BodyReader:
    """Reads bodies within the limits.

    One timer watches over all bodies that are being read, because a timer for each costs as much as reading it.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._is_watching = False

    async def read(self, exchange: Exchange, most: int | None = None) -> bytes:
        """The whole body, expanded; of one that is still to come `most` bytes at most.

        Raises TooLarge, Timeout, BadRequest, UnsupportedMedia or Disconnected.
        """
        headers, limits = exchange.headers, self._limits
        room = limits.request_bytes if most is None else min(most, limits.request_bytes)
        encoding = headers["content-encoding"].strip().lower() if "content-encoding" in headers else ""
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise UnsupportedMedia(
                f"The content encoding '{encoding[:40]}' is not supported; use gzip or none."
            )
        if exchange.is_whole:
            data = exchange.take()
        else:
            length = headers.get("content-length", "")
            if length.isdigit() and (len(length) > 18 or int(length) > room):
                raise TooLong(_too_large(room))
            data = await self._in_time(exchange, room)
        if len(data) > limits.request_bytes:
            raise TooLarge(_too_large(limits.request_bytes))
        return _expanded(data, limits.expanded_bytes) if data and encoding in ("gzip", "x-gzip") else data

    def stream(self, exchange: Exchange) -> BodyStream:
        """The body of an upload, to be read while it comes.  Raises TooLarge or UnsupportedMedia."""
        headers = exchange.headers
        if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
            raise UnsupportedMedia("What is uploaded must not have a content encoding.")
        limit, length = self._limits.upload_slice_bytes, headers.get("content-length", "")
        if length.isdigit() and (len(length) > 18 or int(length) > limit):
            raise TooLong(_too_large(limit))
        is_empty = length == "0" or (not length and "transfer-encoding" not in headers)
        return BodyStream(exchange, limit, self._limits.request_seconds, is_read=is_empty)

    async def _in_time(self, exchange: Exchange, room: int) -> bytes:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._deadlines[task] = loop.time() + self._limits.request_seconds
        if not self._is_watching:
            self._watch(loop)
        try:
            return await _received(exchange, room)
        except asyncio.CancelledError as error:
            if task not in self._late or task.uncancel() > 0:
                raise
            raise Timeout("The request's body did not arrive in time.") from error
        finally:
            del self._deadlines[task]
            self._late.discard(task)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the reading of what is late; again after a while as long as anything is being read."""
        now = loop.time()
        for task, deadline in self._deadlines.items():
            if deadline <= now and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._is_watching = bool(self._deadlines)
        if self._is_watching:
            loop.call_later(min(1.0, self._limits.request_seconds / 4), self._watch, loop)


class BodyStream:
    """A body as it comes, to be read once, in chunks of no particular size.

    Bounded in bytes, and in the time in which nothing comes: raises TooLong, Timeout or Disconnected.  `is_read` says
    whether nothing of it is left.
    """

    def __init__(self, exchange: Exchange, limit: int, seconds: float, *, is_read: bool) -> None:
        self.is_read = is_read
        self._exchange = exchange
        self._limit = limit
        self._seconds = seconds
        self._size = 0

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        if self.is_read:
            raise StopAsyncIteration
        chunk = await self._next()
        self._size += len(chunk)
        self.is_read = self._exchange.is_ended
        if self._size > self._limit:
            raise TooLong(_too_large(self._limit))
        return chunk

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange.receive()
        except TimeoutError as error:
            raise Timeout("The request's body did not arrive in time.") from error


def _too_large(limit: int) -> str:
    megabytes, rest = divmod(limit, 1024 * 1024)
    return TOO_LARGE.format(f"{megabytes}MB" if not rest else f"{limit} bytes")


async def _received(exchange: Exchange, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while chunk := await exchange.receive():
        size += len(chunk)
        if size > limit and not exchange.is_ended:
            raise TooLong(_too_large(limit))
        parts.append(chunk)
    return await asyncio.to_thread(_joined, parts) if size > _LARGE else b"".join(parts)


def _joined(parts: list[bytes]) -> bytes:
    """The parts in one, and their memory given back: for tens of megabytes that takes as many milliseconds."""
    data = b"".join(parts)
    parts.clear()
    return data


def _expanded(data: bytes, limit: int) -> bytes:
    """Every gzip member, one after the other; never more than the limit is held."""
    out: list[bytes] = []
    room = limit
    while data:
        if len(out) == GZIP_MEMBERS:  # each costs a copy of what is left
            raise BadRequest("The request's gzip body has too many members.")
        stream = zlib.decompressobj(GZIP)
        try:
            part = stream.decompress(data, room + 1)
        except zlib.error as error:
            raise BadRequest("The request's body is not valid gzip.") from error
        if len(part) > room:
            raise TooLarge(_too_large(limit))
        if not stream.eof:
            raise BadRequest("The request's gzip body ends too early.")
        room -= len(part)
        out.append(part)
        data = stream.unused_data
    return b"".join(out)
