"""Content-Type and Content-Disposition: a value and its parameters.

RFC 2045, 2183 and 2231: continuations and percent encoding are undone; of a repeated parameter the first
counts.  Never raises; linear in the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from graphpost.mail.charset import decode_text

_PARAMETER: Final = re.compile(r'\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*)"?|([^;]*+))[^;]*+', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")


class Parametrised(NamedTuple):
    """`value` and the parameters' names are lower-case."""

    value: str
    parameters: dict[str, str]


class _Segment(NamedTuple):
    number: int
    is_encoded: bool
    text: str


def parse_parametrised(text: str) -> Parametrised:
    """`value; name=value; …` as it stands in an unfolded field.  The parameters are shared: not to be changed."""
    return _remembered(text) if len(text) <= 200 else _parse(text)


@lru_cache(maxsize=512)
def _remembered(text: str) -> Parametrised:
    return _parse(text)


def _parse(text: str) -> Parametrised:
    value, separator, rest = text.partition(";")
    if "(" in value:
        value = value[: value.index("(")]
    return Parametrised(value.strip().lower(), _parameters(rest) if separator else {})


def is_media_type(value: str) -> bool:
    """Whether the (lower-case) text is `type/subtype`."""
    return _TYPE.fullmatch(value) is not None


def _parameters(text: str) -> dict[str, str]:
    plain: dict[str, str] = {}
    segments: dict[str, list[_Segment]] = {}
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            end = text.find(";", position)
            position = len(text) if end < 0 else end + 1
            continue
        position = match.end() + 1
        name = match[1].lower()
        value = _ESCAPED.sub(r"\1", match[2]) if match[2] is not None else match[3].strip()
        if "*" in name:
            base, segment = _segment(name, value)
            segments.setdefault(base, []).append(segment)
        else:
            plain.setdefault(name, value)
    for base, found in segments.items():
        plain[base] = _joined(found)
    return plain


def _segment(name: str, value: str) -> tuple[str, _Segment]:
    base, _, mark = name.partition("*")
    is_encoded = mark in ("", "*") or mark.endswith("*")
    number = mark.rstrip("*")
    return base, _Segment(int(number) if number.isdecimal() and len(number) < 6 else 0, is_encoded, value)


def _joined(segments: list[_Segment]) -> str:
    ordered = sorted(segments, key=lambda segment: segment.number)
    charset = "utf-8"
    data = []
    for place, segment in enumerate(ordered):
        text = segment.text
        if segment.is_encoded and place == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets = text.encode("utf-8", "replace")
        data.append(unquote_to_bytes(octets) if segment.is_encoded else octets)
    return decode_text(b"".join(data), charset)
