"""Bytes from the store as an answer: streamed as they are, or as base64 in JSON.

The store's iterators read files, so each step happens in a thread.  JSON with contents in it is written first with marks in
their place; what the marks stand for is put in while it is sent, so that no content is in memory as a whole.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec

from graphpost.graph.call import Reply

JSON_TYPE: Final = (
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
)
Open = Callable[[], Iterable[bytes]]
_BLOCK: Final = 3 * 64 * 1024  # a multiple of three, so that base64 has padding at the end alone


async def streamed(open_: Open) -> AsyncIterator[bytes]:
    """The chunks of `open_()`, each read in a thread.

    The first is read before this returns, so that what cannot be read at all is an error and not a broken answer.
    """
    chunks = iter(await asyncio.to_thread(open_))
    first = await asyncio.to_thread(next, chunks, None)
    return _rest(first, chunks)


async def _rest(chunk: bytes | None, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while chunk is not None:
            yield chunk
            chunk = await asyncio.to_thread(next, chunks, None)
    finally:
        if isinstance(chunks, Generator):
            with suppress(ValueError):  # a thread is still reading; the file is closed when that ends
                chunks.close()


class Followed:
    """A body that tells, once, when it is over: sent, broken off, or dropped by everybody."""

    def __init__(self, chunks: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        self._chunks = chunks
        self._ended: Callable[[], None] | None = ended

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except BaseException:  # its end, or what broke it off
            self._tell()
            raise

    async def aclose(self) -> None:
        self._tell()
        if (close := getattr(self._chunks, "aclose", None)) is not None:
            await close()

    def __del__(self) -> None:
        self._tell()

    def _tell(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


def json_reply(
    value: Any, embedded: Embedded, headers: Mapping[str, str] | None = None, *, status: int = 200
) -> Reply:
    """The value as a reply; streamed when there are contents in it."""
    if embedded.contents:
        return Reply(status, embedded.write(msgspec.json.encode(value)), JSON_TYPE, headers or {})
    return Reply(status, value, headers=headers or {})


class Embedded:
    """Contents to stand in a JSON answer as base64 strings."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16)
        self.contents: list[Open] = []

    def text(self, open_: Open, is_at_hand: bool) -> str:
        """What to write where the content is to stand: itself if it is in memory anyway, else a mark."""
        if is_at_hand:
            return b64encode(b"".join(open_())).decode()
        self.contents.append(open_)
        return f"{self._mark}{len(self.contents) - 1:08}"

    async def write(self, text: bytes) -> AsyncIterator[bytes]:
        """The JSON with the contents where they belong."""
        if not self.contents:
            yield text
            return
        for index, piece in enumerate(re.split(self._mark.encode() + rb"(\d{8})", text)):
            if index % 2 == 0:
                yield piece
                continue
            async for chunk in await streamed(partial(_base64, self.contents[int(piece)])):
                yield chunk


def _base64(open_: Open) -> Iterator[bytes]:
    """Standard base64 on one line."""
    rest = b""
    for chunk in open_():
        rest += chunk
        if len(rest) >= _BLOCK:
            whole = len(rest) - len(rest) % 3
            yield b64encode(rest[:whole])
            rest = rest[whole:]
    if rest:
        yield b64encode(rest)
