"""Files and directories for their owner alone, whole and there after a crash.

A file is written beside its place, synced, and put there in one step: nobody ever reads half of it.  What root makes (an
administrator's command) belongs to whom the directory belongs to: the server's user.  All raise OSError.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def replace_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put a file there, in place of the one that may be there."""
    draft = _draft(path, data, mode)
    try:
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise
    sync_directory(path.parent)


def create_file(path: Path, data: bytes) -> None:
    """Put a file there unless there is one by then: whoever was first counts."""
    draft = _draft(path, data, 0o600)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Make a directory and those above it that are missing: 0700, and durable."""
    if path.is_dir():
        return
    if path.parent != path:
        make_directory(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        _give_directory(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_made(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a file that is made when it is not there.

    Only what was made just now is given to the directory's owner: that one could have put a link to anything there.
    """
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags | os.O_CLOEXEC)
    _give(descriptor, path.parent)
    return descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process that is here with this directory; waits for others."""
    descriptor = open_made(path / ".lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _draft(path: Path, data: bytes, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = open_made(draft, os.O_WRONLY | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
    except BaseException:
        draft.unlink()
        raise
    return draft


def _give_directory(made: Path) -> None:
    if os.geteuid() == 0:
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _give(descriptor, made.parent)
        finally:
            os.close(descriptor)


def _give(made: int, directory: Path) -> None:
    """Let it belong to whom the directory belongs to, when root is at work."""
    owner = directory.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(made, owner.st_uid, owner.st_gid)
