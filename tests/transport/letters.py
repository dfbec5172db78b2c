"""Content and envelopes for the transport's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
