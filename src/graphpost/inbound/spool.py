"""What has come of a message so far: in memory, or in a file without a name.

The file is gone when the process is: nothing was acknowledged yet.  Errors of the disk are StoreErrors.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from graphpost.store.parts import translated

BATCH: Final = 131_072  # octets written to the file at a time
PIECES: Final = 1024  # in memory
_CHUNK: Final = 262_144


class Spool:
    """Octets one behind the other; `size` is how many.  Iterating reads them from the beginning, as often as wanted."""

    def __init__(self, directory: Path, in_memory: int) -> None:
        self._directory = directory
        self._in_memory = in_memory
        self._pieces: list[bytes] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self.size = 0

    async def add(self, data: bytes) -> None:
        """The next octets.  Raises StoreError."""
        self.size += len(data)
        self._held += len(data)
        self._pieces.append(data)
        if self._held > (BATCH if self._file is not None else self._in_memory):
            await asyncio.to_thread(self._write)
        elif len(self._pieces) > PIECES:
            self._join()

    async def complete(self) -> None:
        """There is no more."""
        if self._file is not None:
            await asyncio.to_thread(self._write)
        self._join()

    @property
    def is_small(self) -> bool:
        """Whether all of it is in memory."""
        return self._file is None

    def close(self) -> None:
        """Forget it."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        if self._file is None:
            yield from self._pieces
            return
        with translated():
            self._file.seek(0)
            while chunk := self._file.read(_CHUNK):
                yield chunk

    def _join(self) -> None:
        """Make one of many small pieces: a piece of one octet takes forty, and whoever reads them adds them up."""
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]

    def _write(self) -> None:
        pieces, self._pieces, self._held = self._pieces, [], 0
        with translated():
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
            data = memoryview(b"".join(pieces))
            while data:
                data = data[self._file.write(data) :]
