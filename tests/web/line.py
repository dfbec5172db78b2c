"""A carrier of exchanges that keeps what it is told."""

from __future__ import annotations

from graphpost.web.exchange import Exchange


class Line:
    common = "date: today\r\n"

    def __init__(self) -> None:
        self.sent = bytearray()
        self.finished: list[Exchange] = []
        self.is_paused = False

    def send(self, data: bytes) -> None:
        self.sent += data

    async def drain(self) -> None:
        return

    def listen(self) -> None:
        self.is_paused = False

    def pause(self) -> None:
        self.is_paused = True

    def finish(self, exchange: Exchange) -> None:
        self.finished.append(exchange)
