"""Whether the files of an open database are still the ones at its path.

A process goes on writing to a file that was removed or replaced, and syncs it; after its end nothing of that is found
again.  So what is written while the database's or the log's name stands for something else must not be acknowledged.
"""

from __future__ import annotations

import os
from pathlib import Path

Identity = tuple[int, int] | None


class Presence:
    """The files as they are when it is made; the write-ahead log is there by then."""

    def __init__(self, path: Path) -> None:
        self._database, self._log = str(path), f"{path}-wal"
        self._identities = _identity(self._database), _identity(self._log)

    def missing(self) -> str:
        """The name that stands for another file or for none; '' when all is well."""
        database, log = self._identities
        if _identity(self._database) != database:
            return self._database
        return "" if _identity(self._log) == log else self._log

    @property
    def is_log_alone_missing(self) -> bool:
        """Whether the database is there, so that what only the log has can be put into it."""
        return self.missing() == self._log


def _identity(path: str) -> Identity:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
