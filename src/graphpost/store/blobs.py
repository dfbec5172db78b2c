"""Large contents in files named by SHA-256, durable when `write` returns.

A file is written beside the others, synced, renamed into place, and its directory synced.  The same bytes are the
same file.  Unreferenced files are removed by `sweep` after a grace period; writing content that is there already
begins its grace anew.  Files are 0600, directories 0700.  Errors of the disk are StoreErrors.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from graphpost.clock import SECOND, Instant
from graphpost.errors import ContentLost, StoreError
from graphpost.files import make_directory, open_made, sync_directory
from graphpost.store.parts import STRETCH, Parts

_CHUNK: Final = 256 * 1024
_NAME: Final = re.compile(r"[0-9a-f]{64}\Z")


class Blob(Struct, frozen=True):
    """What was written: its name, the hex SHA-256, and its size in bytes."""

    sha256: str
    size: int


class Blobs(Protocol):
    """Where large contents are kept; in `parts` those that are still arriving."""

    @property
    def parts(self) -> Parts: ...

    def write(self, chunks: Iterable[bytes]) -> Blob:
        """Store bytes; durable on return."""
        ...

    def read(self, sha256: str, offset: int = 0, length: int = -1) -> Iterator[bytes]:
        """The bytes of a blob or of a slice of it (`length` -1: to the end); StoreError when it is not there."""
        ...

    def adopt(self, name: str, blob: Blob) -> None:
        """Make a complete part the blob it is, without copying it; nothing to do when that was done before."""
        ...

    def sweep(
        self, referenced: Callable[[Collection[str]], Collection[str]], now: Instant, grace_seconds: float
    ) -> int:
        """Remove blobs that are older than the grace period and not among what `referenced` gives back."""
        ...


class FileBlobs:
    """`Blobs` in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        try:
            make_directory(self._incoming)
            os.close(open_made(root / "lock", os.O_RDWR))
        except OSError as error:
            raise StoreError(f"{root}: {error.strerror}") from error
        self.parts = Parts(root / "parts")

    def write(self, chunks: Iterable[bytes]) -> Blob:
        part = self._incoming / secrets.token_hex(16)
        try:
            blob = _spool(part, chunks)
            self._place(part, blob)
        except OSError as error:
            raise _translated(error) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return blob

    def adopt(self, name: str, blob: Blob) -> None:
        part, path = self.parts.path(name), self.path(blob.sha256)
        try:
            if _size(part) == blob.size:
                os.utime(part)  # its grace begins now
                self._place(part, blob)
            else:
                with self._locked(fcntl.LOCK_SH):
                    if _size(path) != blob.size:
                        raise ContentLost("a complete upload is not there any more")
                    os.utime(path)
        except OSError as error:
            raise _translated(error) from error
        self.parts.remove(name)

    def read(self, sha256: str, offset: int = 0, length: int = -1) -> Iterator[bytes]:
        try:
            file = self.path(sha256).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise ContentLost("a stored content is not there any more") from error
        except OSError as error:
            raise _translated(error) from error
        with file:
            file.seek(offset)
            left = length
            while left != 0:
                chunk = file.read(_CHUNK if left < 0 else min(_CHUNK, left))
                if not chunk:
                    if left > 0:
                        raise ContentLost("a stored content is shorter than it was")
                    return
                left = left - len(chunk) if left > 0 else left
                yield chunk

    def path(self, sha256: str) -> Path:
        """Where a blob is (or would be); ValueError when the name is none."""
        if not _NAME.match(sha256):
            raise ValueError("not the name of a blob")
        return self.root / sha256[:2] / sha256

    def sweep(
        self, referenced: Callable[[Collection[str]], Collection[str]], now: Instant, grace_seconds: float
    ) -> int:
        try:
            return self._sweep(referenced, now / SECOND - grace_seconds)
        except OSError as error:
            raise _translated(error) from error

    def _sweep(self, referenced: Callable[[Collection[str]], Collection[str]], limit: float) -> int:
        removed = 0
        for directory in self._directories():
            old = {name for name in _names(directory) if _is_older(directory / name, limit)}
            for name in old - set(referenced(old)) if old else ():
                removed += self._remove(directory / name, limit)
        for name in _names(self._incoming):
            if _is_older(self._incoming / name, limit):
                (self._incoming / name).unlink(missing_ok=True)
        return removed

    def _directories(self) -> list[Path]:
        return [entry for entry in sorted(self.root.iterdir()) if len(entry.name) == 2 and entry.is_dir()]

    def _remove(self, path: Path, limit: float) -> int:
        with self._locked(fcntl.LOCK_EX):
            if not _is_older(path, limit):
                return 0  # written again since it was looked at
            path.unlink()
            return 1

    def _place(self, part: Path, blob: Blob) -> None:
        """Give the spooled file its name, or freshen the one that has it."""
        path = self.path(blob.sha256)
        make_directory(path.parent)
        with self._locked(fcntl.LOCK_SH):
            if path.exists() and path.stat().st_size == blob.size:
                os.utime(path)
            else:
                part.rename(path)
        sync_directory(path.parent)  # even if it was there: whoever put it there may not have come so far

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the directory's lock: shared to place a file, alone to remove one."""
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def _spool(part: Path, chunks: Iterable[bytes]) -> Blob:
    digest, size, synced = new_sha256(), 0, 0
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb", buffering=_CHUNK) as file:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
            if size - synced >= STRETCH:
                file.flush()
                os.fdatasync(descriptor)
                synced = size
        file.flush()
        os.fsync(descriptor)
    return Blob(digest.hexdigest(), size)


def _names(directory: Path) -> list[str]:
    return [entry.name for entry in os.scandir(directory)]


def _size(path: Path) -> int:
    """-1 when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:
        return False


def _translated(error: OSError) -> StoreError:
    return StoreError(f"the blob store failed: {error.strerror or error}")
