"""Partial files: contents that arrive slice by slice, also over restarts.

A part is open for one writer alone, who then looks up what was acknowledged and rewinds the part to it: what a crash left
beyond that is cut off.  The SHA-256 is carried on from slice to slice; after a restart it is taken from the file.  Files are 0600.
Errors of the disk are StoreErrors.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256 as new_sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from graphpost.errors import StoreBusy, StoreError
from graphpost.files import make_directory, sync_directory

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

# Bytes written without syncing, at most: one long sync would hold up the commits of everybody else.
STRETCH: Final = 1_048_576
_CHUNK: Final = 256 * 1024
_NAME: Final = re.compile(r"[0-9a-f]{16}")
_REMEMBERED: Final = 256  # digests of parts that are under way; those of others are computed again


class Part:
    """A partial file, open and locked.  `size` is its length; `rewind` comes before `append`."""

    def __init__(self, descriptor: int, size: int, digest_at: Callable[[int, int], Hash]) -> None:
        self.size = size
        self._descriptor = descriptor
        self._digest_at = digest_at
        self._digest = new_sha256()
        self._synced = size

    def rewind(self, size: int) -> None:
        """Go back to that length; to its own when it is shorter."""
        with translated():
            size = min(size, os.fstat(self._descriptor).st_size)
            os.ftruncate(self._descriptor, size)
            self._digest = self._digest_at(self._descriptor, size)
            self.size = self._synced = size

    def append(self, chunks: Iterable[bytes]) -> None:
        """Write them at the end; durable only after `sync`."""
        with translated():
            for chunk in chunks:
                self._digest.update(chunk)
                self.size += len(chunk)
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                if self.size - self._synced >= STRETCH:
                    os.fdatasync(self._descriptor)
                    self._synced = self.size

    def sync(self) -> None:
        """Make durable what was written."""
        with translated():
            os.fsync(self._descriptor)

    @property
    def sha256(self) -> str:
        """The digest of everything up to here."""
        return self._digest.hexdigest()

    @property
    def digest(self) -> Hash:
        return self._digest.copy()

    def close(self) -> None:
        """Let others open it."""
        os.close(self._descriptor)


class Parts:
    """The partial files of a directory, by name (16 hexadecimal digits)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: OrderedDict[str, tuple[int, Hash]] = OrderedDict()
        self._lock = Lock()
        with translated():
            make_directory(root)

    def path(self, name: str) -> Path:
        """Where a part is (or would be); ValueError when the name is none."""
        if not _NAME.fullmatch(name):
            raise ValueError("not the name of a part")
        return self.root / name

    def size(self, name: str) -> int:
        """How long the file is; 0 when there is none."""
        with translated(), suppress(FileNotFoundError):
            return self.path(name).stat().st_size
        return 0

    def open(self, name: str) -> Part:
        """Open it, begun when it is not there.  Raises StoreBusy while somebody else has it open."""
        path = self.path(name)
        with translated():
            is_new = not path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if is_new:
                    sync_directory(self.root)
                size = os.fstat(descriptor).st_size
            except BlockingIOError as error:
                os.close(descriptor)
                raise StoreBusy("the upload is being written to by another request") from error
            except BaseException:
                os.close(descriptor)
                raise
        return Part(descriptor, size, partial(self._digest_of, name))

    def remember(self, name: str, part: Part) -> None:
        """Carry on from here when it is opened next: what it has now is acknowledged, and will not change."""
        with self._lock:
            self._digests[name] = (part.size, part.digest)
            self._digests.move_to_end(name)
            if len(self._digests) > _REMEMBERED:
                self._digests.popitem(last=False)

    def read(self, name: str) -> bytes:
        """All of a small one."""
        with translated():
            return self.path(name).read_bytes()

    def remove(self, name: str) -> None:
        """Delete it if it is there."""
        with self._lock:
            self._digests.pop(name, None)
        with translated():
            self.path(name).unlink(missing_ok=True)

    def sweep(self, needed: Callable[[Collection[str]], Collection[str]], limit: float) -> int:
        """Remove the files that were not written to since `limit` (seconds since the epoch) and are not needed."""
        with translated():
            old = {
                name for name in os.listdir(self.root) if _NAME.fullmatch(name) and self._is_old(name, limit)
            }
        for name in (unneeded := old - set(needed(old)) if old else set()):
            self.remove(name)
        return len(unneeded)

    def _is_old(self, name: str, limit: float) -> bool:
        try:
            return (self.root / name).stat().st_mtime < limit
        except FileNotFoundError:
            return False

    def _digest_of(self, name: str, descriptor: int, size: int) -> Hash:
        with self._lock:
            known = self._digests.get(name)
        if known is not None and known[0] == size:
            return known[1].copy()
        digest, at = new_sha256(), 0
        while at < size:
            chunk = os.pread(descriptor, min(_CHUNK, size - at), at)
            if not chunk:
                raise StoreError("a partial file became shorter while it was read")
            digest.update(chunk)
            at += len(chunk)
        return digest


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the disk as StoreErrors."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"the blob store failed: {error.strerror or error}") from error
