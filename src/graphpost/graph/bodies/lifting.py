"""Long attachments lifted out of a JSON body before it is decoded.

Decoding tens of megabytes of JSON keeps every other request waiting until it is done, and copies them besides.  So a
long `contentBytes` value is cut out first, which takes one search for its closing quote, and a short mark is decoded
in its place; then the mark becomes a LongText that knows where in the body its characters are, as JSON has them (an
escape is still one).  What does not look as usual stays where it is and is decoded as any other string.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

_STRETCH: Final = 2 * 1024 * 1024
SHORTEST: Final = 262_144  # characters worth lifting
_WINDOW: Final = 65_536  # how far from one long value the next one's name is looked for
# An escaped quote before the name would make it part of a string; valid JSON has none before a real name.
_NAME: Final = re.compile(rb'(?<!\\)"contentbytes"[ \t\r\n]*:[ \t\r\n]*"', re.IGNORECASE)


class LongText(str):
    """The beginning of a long string; `characters` are all of it, as they stand in the body."""

    characters: memoryview


def lift(body: bytes) -> tuple[bytes, dict[str, LongText]]:
    """The body with marks for its long values, and the values by their mark."""
    kept: list[bytes] = []
    lifted: dict[str, LongText] = {}
    view, done, at = memoryview(body), 0, 0
    while found := _NAME.search(body, at, at + _WINDOW):
        start = found.end()
        end = _find_quote(body, start)
        if end < 0:
            break
        at = end + 1
        is_usual = body[end - 1 : end] != b"\\" and body[start : start + 80].isascii()
        if end - start < SHORTEST or not is_usual:
            continue
        mark = secrets.token_hex(16)
        text = lifted[mark] = LongText(body[start : start + 80].decode("ascii"))
        text.characters = view[start:end]
        kept += (body[done:start], mark.encode())
        done = end
    return (b"".join([*kept, body[done:]]), lifted) if lifted else (body, lifted)


def _find_quote(body: bytes, start: int) -> int:
    """Where the next quotation mark is, or -1; other threads run between one stretch and the next."""
    while start < len(body):
        found = body.find(b'"', start, start + _STRETCH)
        if found >= 0:
            return found
        start += _STRETCH
    return -1


def put_back(value: Any, lifted: dict[str, LongText]) -> Any:
    """The decoded value with its marks replaced."""
    if isinstance(value, dict):
        return {name: put_back(inner, lifted) for name, inner in value.items()}
    if isinstance(value, list):
        return [put_back(inner, lifted) for inner in value]
    return lifted.get(value, value) if isinstance(value, str) else value
