"""The connections of all couriers that wait for another message: so many, no more."""

from __future__ import annotations

from graphpost.transport.connection import Connection

QUIT_SECONDS = 2.0


class IdleConnections:
    """When there are more than `most`, the one that has waited longest is closed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connection: Connection) -> None:
        self._waiting[connection] = None
        if len(self._waiting) > self._most:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.quit(QUIT_SECONDS)

    def discard(self, connection: Connection) -> None:
        """It has something to do again, or is closed."""
        self._waiting.pop(connection, None)
