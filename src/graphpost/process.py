"""What is set for the whole process: the interpreter's habits, and its limits."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import resource
import sys
from typing import Final

OPEN_FILES: Final = 65_536
MAPPED_BYTES: Final = 1_048_576  # what is larger has memory of its own, given back when it is freed
_M_TRIM_THRESHOLD: Final = -1  # names of mallopt(3)
_M_MMAP_THRESHOLD: Final = -3


def tune_interpreter() -> None:
    """Spare the collector what lives as long as the process, and let it look at the rest less often.

    Nearly everything that a request makes is freed by reference counting; looking for cycles after every 700 objects
    took a fifth of the time of a request.
    """
    sys.setswitchinterval(0.0002)  # a thread that decodes a large attachment lets the loop run sooner
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    with contextlib.suppress(AttributeError, OSError):  # glibc only
        libc = ctypes.CDLL(None)
        # Otherwise glibc keeps what large messages took, in each thread, instead of giving it back.
        libc.mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, 16 * MAPPED_BYTES)
        libc.malloc_trim(0)  # hashing passwords at the start left 16 MB of nothing


def raise_file_limit() -> None:
    """Allow as many open files as we may have: every connection is one, and so is every blob being read."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """How many connections leave enough files for all else: at their limit nothing could be sent or stored."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return OPEN_FILES if soft == resource.RLIM_INFINITY else max(1, soft * 3 // 4)


class OpenFiles:
    """How many files are open: counted when somebody asks after `forget`, and until then one more with each who asks."""

    def __init__(self) -> None:
        self._count: int | None = None

    def forget(self) -> None:
        """Count anew."""
        self._count = None

    def are_short(self) -> bool:
        """Of one more: whether the eighth is reached that is left for what stores and sends."""
        self._count = _count_files() if self._count is None else self._count + 1
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return soft != resource.RLIM_INFINITY and self._count >= soft * 7 // 8


def _count_files() -> int:
    """0 where nobody tells."""
    try:
        return len(os.listdir("/dev/fd"))
    except OSError as error:  # the directory is a file too
        return sys.maxsize if error.errno in (errno.EMFILE, errno.ENFILE) else 0
