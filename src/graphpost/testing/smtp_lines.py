"""The scripted peer's end of the wire: lines and content in, replies out."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import Literal

# "reply": each reply is one segment; "batch": the replies to what came in one segment are one; "byte": one by one.
Segments = Literal["reply", "batch", "byte"]

_END = b"\r\n.\r\n"
_BRACKETS = re.compile(r"<(.*)>(.*)")


class Lines:
    """Raises EOFError when the other side is gone."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, segments: Segments
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._segments = segments
        self._in = bytearray()
        self._out = bytearray()

    @property
    def has_more(self) -> bool:
        """Whether something has arrived that was not read yet."""
        return bool(self._in)

    async def read_line(self) -> str:
        """The next line, without its CRLF; a bare LF ends none."""
        while (end := self._in.find(b"\r\n")) < 0:
            self._in += await self._more()
        line = self._in[:end].decode("utf-8", "surrogateescape")
        del self._in[: end + 2]
        return line

    async def read_content(self, keep: bool, count: Callable[[int], None]) -> tuple[bytes, int]:
        """(content, its size) up to the lone dot; b'' when it is not to be kept."""
        content = bytearray(b"\r\n") + self._in
        dropped = 0
        searched = 0
        while (end := content.find(_END, searched)) < 0:
            searched = max(len(content) - len(_END), 0)
            if not keep:
                dropped += searched
                del content[:searched]
                searched = 0
            block = await self._more()
            count(len(block))
            content += block
        self._in = content[end + len(_END) :]
        size = dropped + end
        if not keep:
            return b"", size
        data = bytes(content[: end + 2]).replace(b"\r\n..", b"\r\n.")[2:]
        return data, len(data)

    async def write(self, text: str | bytes) -> None:
        """Text gets CRLF line ends and one at its end; bytes go out as they are."""
        self._out += text.replace("\n", "\r\n").encode() + b"\r\n" if isinstance(text, str) else text
        if self._segments != "batch":
            await self.flush()

    async def flush(self) -> None:
        out, self._out = bytes(self._out), bytearray()
        step = 1 if self._segments == "byte" else max(len(out), 1)
        for start in range(0, len(out), step):
            self._writer.write(out[start : start + step])
            await self._writer.drain()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on under TLS; what came before it in clear text is forgotten."""
        await self.flush()
        self._in.clear()
        await self._writer.start_tls(context)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def _more(self) -> bytes:
        await self.flush()
        block = await self._reader.read(65_536)
        if not block:
            raise EOFError
        return block


def address_of(rest: str) -> str:
    """The address in `FROM:<…>` or `TO:<…>`."""
    found = _BRACKETS.search(rest)
    return found[1] if found else rest


def parameters_of(rest: str) -> tuple[str, ...]:
    """What follows the address."""
    found = _BRACKETS.search(rest)
    return tuple(found[2].split()) if found else ()


def bearer_of(text: str) -> tuple[str, str]:
    """(user, token) in what a client says in XOAUTH2, or in OAUTHBEARER (RFC 7628)."""
    user, *fields = text.split("\x01")
    (token,) = [each.removeprefix("auth=Bearer ") for each in fields if each.startswith("auth=")]
    if user.startswith("user="):
        return user.removeprefix("user="), token
    return user.split(",")[1].removeprefix("a=").replace("=2C", ",").replace("=3D", "="), token
