"""Long attachments lifted out of a JSON body before it is decoded.

Decoding tens of megabytes of JSON keeps every other request waiting until it is done, and copies them besides.  So a
long `contentBytes` value is cut out first, which takes one search for its closing quote, and a short mark is decoded
in its place; then the mark becomes a LongText that knows where in the body its characters are.  What does not look
as usual (other spacing than white space, an escape inside) stays where it is and is decoded as any other string.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

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
        end = body.find(b'"', start)
        if end < 0:
            break
        at = end + 1
        if (
            end - start < SHORTEST
            or body.find(b"\\", start, end) >= 0
            or not body[start : start + 80].isascii()
        ):
            continue
        mark = secrets.token_hex(16)
        text = lifted[mark] = LongText(body[start : start + 80].decode("ascii"))
        text.characters = view[start:end]
        kept += (body[done:start], mark.encode())
        done = end
    return (b"".join([*kept, body[done:]]), lifted) if lifted else (body, lifted)


def put_back(value: Any, lifted: dict[str, LongText]) -> Any:
    """The decoded value with its marks replaced."""
    if isinstance(value, dict):
        return {name: put_back(inner, lifted) for name, inner in value.items()}
    if isinstance(value, list):
        return [put_back(inner, lifted) for inner in value]
    return lifted.get(value, value) if isinstance(value, str) else value
