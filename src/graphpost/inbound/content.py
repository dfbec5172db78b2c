"""The octets of a message as they come: text checked, dots undone.

The content of DATA, and of BDAT's chunks.
Only CRLF ends a line, and only CRLF . CRLF the data (RFC 5321 §2.3.8, §4.1.1.4): whoever takes anything else for an end
lets a sender hide a second message in the first ("SMTP smuggling").  A bare CR or LF, or a NUL, anywhere makes the whole
message one that is refused; one around a lonely dot is an attack.
"""

from __future__ import annotations

import re
from typing import Final

_END: Final = b"\r\n.\r\n"
_FALSE_END: Final = re.compile(rb"[\r\n]\.[\r\n]")

BARE: Final = "bare <CR> or <LF>"
NUL: Final = "a NUL"
LONG_LINE: Final = "a line that is too long"


class SmugglingError(Exception):
    """Something that others would take for the end of the data."""


class Text:
    """Looks at text in pieces of any size; `fault` is what is wrong with it, '' so far."""

    def __init__(self, line_bytes: int) -> None:
        self._line_bytes = line_bytes
        self._line = 0  # octets of the line at hand
        self._tail = b""  # a CR that may be half of a line's end
        self._before = b""  # the octets before, for a false end that is cut
        self.fault = ""

    def look(self, piece: bytes) -> None:
        """At the next piece.  Raises SmugglingError."""
        data = self._tail + piece if self._tail else piece
        self._tail = b""
        if data.endswith(b"\r"):
            self._tail, data = b"\r", data[:-1]
        ends = data.count(b"\r\n")
        if data.count(b"\n") != ends or data.count(b"\r") != ends or self.fault == BARE:
            self._find_bare(data)
        if b"\0" in data:
            self.fault = self.fault or NUL
        self._measure(data)
        self._before = (self._before + data[-4:])[-4:]

    def end(self) -> None:
        """There is no more."""
        if self._tail:
            self.fault = self.fault or BARE

    def _find_bare(self, data: bytes) -> None:
        self.fault = self.fault or BARE
        whole = self._before + data + self._tail
        for match in _FALSE_END.finditer(whole):
            if whole[match.start() - 1 : match.end() + 1] != _END:
                raise SmugglingError

    def _measure(self, data: bytes) -> None:
        first = data.find(b"\n")
        if first < 0:
            self._line += len(data)
            longest = self._line
        else:
            longest = self._line + first + 1
            if len(data) > self._line_bytes:
                longest = max(longest, max(map(len, data.split(b"\n"))) + 1)
            self._line = len(data) - data.rfind(b"\n") - 1
        if longest > self._line_bytes:
            self.fault = self.fault or LONG_LINE


class Dotted:
    """The content of DATA: undoes the dots, and finds the end.  `fault` as Text has it."""

    def __init__(self, line_bytes: int) -> None:
        self._text = Text(line_bytes)
        self._held = b"\r\n"  # the line end of DATA itself: what comes begins a line
        self._is_first = True

    @property
    def fault(self) -> str:
        return self._text.fault

    def feed(self, piece: bytes) -> tuple[bytes, bytes | None]:
        """The next octets of the message, and what follows its end; None while that has not come.

        Raises SmugglingError.
        """
        data = self._held + piece
        end = data.find(_END)
        rest: bytes | None = None
        if end >= 0:
            content, rest = data[: end + 2], data[end + len(_END) :]
            self._held = b""
        else:
            kept = _overlap(data)
            content, self._held = data[: len(data) - kept], data[len(data) - kept :]
        if not content:
            return b"", rest
        self._text.look(content)
        content = content.replace(b"\r\n.", b"\r\n")
        if self._is_first:
            self._is_first = False
            content = content[2:]
        return content, rest


def _overlap(data: bytes) -> int:
    """How many octets at the end may begin the end of the data."""
    for length in (4, 3, 2, 1):
        if data.endswith(_END[:length]):
            return length
    return 0
