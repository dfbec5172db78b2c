"""Bytes from the store as an answer: streamed as they are, or as base64 inside JSON.

The store's iterators read files, so each step happens in a thread.  JSON with contents in it is written first with marks in
their place; what the marks stand for is put in while it is sent, so that no content is in memory as a whole.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

Open = Callable[[], Iterable[bytes]]
_BLOCK: Final = 3 * 64 * 1024  # a multiple of three, so that base64 has padding at the end alone


async def streamed(open_: Open) -> AsyncIterator[bytes]:
    """The chunks of `open_()`, read in threads; closed whether or not the reader stays to the end."""
    chunks = iter(await asyncio.to_thread(open_))
    try:
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk
    finally:
        if close := getattr(chunks, "close", None):
            close()


class Embedded:
    """Contents to stand in a JSON answer as base64 strings."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16)
        self._contents: list[Open] = []

    def add(self, open_: Open) -> str:
        """The text to write where the content is to stand."""
        self._contents.append(open_)
        return f"{self._mark}{len(self._contents) - 1:08}"

    def body(self, value: Any) -> Any:
        """The value itself if it has no content in it, else its JSON with the contents, as an iterator."""
        return self._written(msgspec.json.encode(value)) if self._contents else value

    async def _written(self, text: bytes) -> AsyncIterator[bytes]:
        for index, piece in enumerate(re.split(self._mark.encode() + rb"(\d{8})", text)):
            if index % 2 == 0:
                yield piece
                continue
            async for chunk in streamed(lambda number=int(piece): _base64(self._contents[number]())):  # type: ignore[misc]
                yield chunk


def _base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Standard base64 on one line."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        if len(rest) >= _BLOCK:
            whole = len(rest) - len(rest) % 3
            yield b64encode(rest[:whole])
            rest = rest[whole:]
    if rest:
        yield b64encode(rest)
