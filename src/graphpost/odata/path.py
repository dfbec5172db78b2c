"""A resource path as segments with their keys; no meaning attached.

Follows OData 4.01 URL Conventions: a path is cut at its slashes first and percent-decoded after, so an encoded slash
stays inside its key.  `users('x')`, `users/x`, doubled quotes, `id='x'` and qualified names (`microsoft.graph.send`) are
understood.  Dot segments, control characters and malformed percent-encoding are refused, never repaired.
https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_LENGTH: Final = 4096
MAX_SEGMENTS: Final = 64

_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CALL: Final = re.compile(r"((?:[A-Za-z_$][\w$]*\.)*)([A-Za-z_$][\w$]*)\((.*)\)", re.ASCII | re.DOTALL)
_NAME: Final = re.compile(r"((?:[A-Za-z_$][\w$]*\.)*)([A-Za-z_$][\w$]*)", re.ASCII)
_QUOTED: Final = re.compile(  # with a type before it, it is a word of an enumeration
    r"(?:[A-Za-z_]\w*=)?(?:[A-Za-z_][\w.]*)?'((?:[^']|'')*)'", re.ASCII | re.DOTALL
)
_BARE: Final = re.compile(r"(?:[A-Za-z_]\w*=)?([^'=,()]*)", re.ASCII)


class PathError(ValueError):
    """A path that names nothing; `segment` is the part that is at fault, decoded as far as it can be."""

    def __init__(self, segment: str) -> None:
        super().__init__(f"not a resource path segment: {segment!r}")
        self.segment = segment


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment.

    `text` is all of it, decoded: what a key written as a segment is.  `name` is without namespace and parentheses, ''
    when it is no identifier; `key` is what stood in the parentheses without its quotes: None without parentheses or
    with empty ones.
    """

    text: str
    name: str
    namespace: str = ""
    key: str | None = None


def parse_path(path: str) -> tuple[Segment, ...]:
    """The segments of an undecoded path that begins with a slash; one slash at the end is ignored.

    Raises PathError.
    """
    if len(path) > MAX_LENGTH:
        raise PathError(path[:64])
    parts = path.removesuffix("/").split("/")
    if parts[0] or len(parts) > MAX_SEGMENTS:
        raise PathError(parts[0] or parts[-1])
    return tuple(_segment(part) for part in parts[1:])


def _segment(raw: str) -> Segment:
    text = _decode(raw)
    if text in ("", ".", ".."):
        raise PathError(text)
    if match := _CALL.fullmatch(text):
        return Segment(text, match[2], match[1].rstrip("."), _key(match[3], text))
    if match := _NAME.fullmatch(text):
        return Segment(text, match[2], match[1].rstrip("."))
    return Segment(text, "")


def _key(arguments: str, text: str) -> str | None:
    if not arguments:
        return None
    if match := _QUOTED.fullmatch(arguments):
        return match[1].replace("''", "'")
    if match := _BARE.fullmatch(arguments):
        return match[1]
    raise PathError(text)


def _decode(raw: str) -> str:
    if "%" not in raw and raw.isascii() and raw.isprintable():
        return raw
    if _BAD_PERCENT.search(raw):
        raise PathError(raw)
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeError as error:
        raise PathError(ascii(raw)) from error
    if _CONTROL.search(text):
        raise PathError(ascii(text).strip("'"))
    return text
