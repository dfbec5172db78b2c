"""Content and envelopes for the transport's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphpost.testing.smtp_peer import SmtpPeer
from graphpost.transport.courier import Envelope


@dataclass(frozen=True)
class Content:
    """Data in the given chunks."""

    chunks: tuple[bytes, ...]
    is_8bit: bool = False

    @property
    def size(self) -> int:
        return sum(map(len, self.chunks))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)


HELLO = b"Subject: hello\r\n\r\nHello.\r\n"


def content(data: bytes = HELLO, *, chunk: int = 0) -> Content:
    is_8bit = not data.isascii()
    if not chunk:
        return Content((data,), is_8bit)
    return Content(tuple(data[i : i + chunk] for i in range(0, len(data), chunk)), is_8bit)


def envelope(
    *recipients: str, data: bytes = HELLO, sender: str = "adele@example.test", **more: object
) -> Envelope:
    return Envelope(sender, recipients or ("bob@example.org",), content(data), **more)  # type: ignore[arg-type]


class Endless:
    """150 MB that count how far ahead of the peer they were read."""

    is_8bit = False
    size = 150_000_000
    chunk = b"x" * 998 + b"\r\n"

    def __init__(self, peer: SmtpPeer) -> None:
        self._peer = peer
        self.ahead = 0

    def __iter__(self) -> Iterator[bytes]:
        block = self.chunk * 50
        for sent in range(0, self.size, len(block)):
            self.ahead = max(self.ahead, sent - self._peer.octets)
            yield block
