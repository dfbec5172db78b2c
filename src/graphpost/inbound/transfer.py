"""The transfer of one message: DATA or BDAT into a spool, within the limits.

What is refused is still read to its end, so that the client stays in step and hears why; only who goes far beyond a limit,
or tries to smuggle, is cut off.  `refusal` is what the message is refused for, None so far.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from graphpost.config import InboundSettings
from graphpost.errors import StoreError
from graphpost.inbound.connection import Connection
from graphpost.inbound.content import BARE, Dotted, SmugglingError, Text
from graphpost.inbound.replies import Refusal, refusal
from graphpost.inbound.spool import BATCH, Spool


class Transfer:
    """One message on its way; `seconds` says how long to wait for the next octets."""

    def __init__(
        self,
        settings: InboundSettings,
        most: int,
        directory: Path,
        in_memory: int,
        seconds: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._most = most
        self._seconds = seconds
        self._text = Text(settings.line_bytes)
        self._deadline = asyncio.get_running_loop().time() + settings.data_seconds
        self.spool = Spool(directory, in_memory)
        self.refusal: Refusal | None = None
        self._size = 0

    def close(self) -> None:
        self.spool.close()

    async def dotted(self, connection: Connection) -> None:
        """DATA, to its end.  Raises Refusal for what ends the session, TimeoutError, ClientGone."""
        dotted, rest = Dotted(self._settings.line_bytes), None
        while rest is None:
            piece = await connection.octets(BATCH, self._patience())
            try:
                content, rest = dotted.feed(piece)
            except SmugglingError:
                raise _smuggled() from None
            await self._keep(content)
        connection.push_back(rest)
        self._find_fault(dotted.fault)

    async def chunk(self, connection: Connection, size: int) -> None:
        """BDAT, one chunk; what is wrong with it is said when all of it is read."""
        self._patience()  # chunks of nothing take time too
        while size:
            piece = await connection.octets(min(BATCH, size), self._patience())
            size -= len(piece)
            try:
                self._text.look(piece)
            except SmugglingError:
                raise _smuggled() from None
            await self._keep(piece)
        self._find_fault(self._text.fault)

    def end_chunks(self) -> None:
        """There is no further chunk."""
        self._text.end()
        self._find_fault(self._text.fault)

    async def skip(self, connection: Connection, size: int) -> None:
        """Read a chunk that nobody wants."""
        while size:
            size -= len(await connection.octets(min(BATCH, size), self._patience()))

    async def _keep(self, content: bytes) -> None:
        self._size += len(content)
        most = self._most
        if self._size > most:
            self._refuse(refusal(552, "5.3.4", "Message size exceeds fixed limit", "size"))
            if self._size > 2 * most:
                raise refusal(552, "5.3.4", "Message size exceeds fixed limit", "size", ends=True)
        if self.refusal is None and content:
            try:
                await self.spool.add(content)
            except StoreError:
                self._refuse(refusal(452, "4.3.1", "Insufficient system storage", "storage"))

    def _find_fault(self, fault: str) -> None:
        if fault:
            reason = "bare-newline" if fault == BARE else "content"
            self._refuse(refusal(550, "5.6.0", f"Error: the message has {fault}", reason))

    def _refuse(self, error: Refusal) -> None:
        if self.refusal is None:
            self.refusal = error
            self.spool.close()

    def _patience(self) -> float:
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimeoutError
        return min(left, self._seconds())


def _smuggled() -> Refusal:
    return refusal(521, "5.5.2", "Error: bare <CR> or <LF> around the end of data", "smuggling", ends=True)
