"""The words of a `$filter`: literals, names, punctuation, with their positions.

Literals follow the OData 4.01 ABNF, leniently where clients are: 0 to 12 fraction digits, seconds or zone left out (then
UTC), and a zone written ` 02:00`, which is what an unescaped `+02:00` in a query string arrives as.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from graphpost.clock import SECOND, Instant
from graphpost.odata.errors import ODataError
from graphpost.odata.tree import Literal

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<string>'(?:[^']|'')*')
      | (?P<guid>[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-]))
      | (?P<datetime>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,12})?)?
            (?:[Zz]|[+\- ][0-9]{2}:[0-9]{2})?(?![\w.:]))
      | (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}(?![\w-]))
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?(?![\w.]))
      | (?P<word>[A-Za-z_@\$][\w.@\$]*)
      | (?P<mark>[(),/:])""",
    re.VERBOSE | re.ASCII,
)
_DATETIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:[Zz]|([+\- ])(\d\d):(\d\d))?)?",
    re.ASCII,
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_INT64: Final = 2**63
_CONSTANTS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is literal, word, mark or end; `literal` is set for literals alone."""

    kind: str
    text: str
    position: int
    literal: Literal | None = None


def tokens(text: str) -> Iterator[Token]:
    """The tokens of the text, and an end token; ODataError at the first character that begins none."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            what = "Unterminated string literal" if text[position] == "'" else "Syntax error"
            raise ODataError(what, position)
        if match.lastgroup != "space":
            yield _token(match.lastgroup, match.group(), position)
        position = match.end()
    yield Token("end", "", len(text))


def parse_instant(text: str) -> Instant | None:
    """The instant of a date or date-time literal (a date is its midnight, UTC); None when there is no such time.

    Fractions beyond the microsecond are cut off.
    """
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    offset = int(offset_hours or 0) * 60 + int(offset_minutes or 0)
    if hour > 23 or minute > 59 or second > 59 or offset >= 24 * 60 or int(offset_minutes or 0) > 59:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    minutes = days * 1440 + hour * 60 + minute + (offset if sign == "-" else -offset)
    return (minutes * 60 + second) * SECOND + int((fraction or "")[:6].ljust(6, "0"))


def _token(kind: str, text: str, position: int) -> Token:
    if kind == "mark":
        return Token("mark", text, position)
    if kind == "word":
        return _word(text, position)
    return Token("literal", text, position, _literal(kind, text, position))


def _word(text: str, position: int) -> Token:
    if text.lower() == "null":
        return Token("literal", text, position, Literal(None, "null"))
    if text.lower() in _CONSTANTS:
        return Token("literal", text, position, Literal(_CONSTANTS[text.lower()], "boolean"))
    return Token("word", text, position)


def _literal(kind: str, text: str, position: int) -> Literal:
    if kind == "string":
        return Literal(text[1:-1].replace("''", "'"), "string")
    if kind == "guid":
        return Literal(text.lower(), "guid")
    if kind == "number":
        return Literal(_number(text, position), "number")
    instant = parse_instant(text)
    if instant is None:
        raise ODataError(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'", position)
    return Literal(instant, "datetime")


def _number(text: str, position: int) -> int | float:
    if text.lstrip("-").isdigit():
        if len(text) <= 20 and -_INT64 <= int(text) < _INT64:
            return int(text)
    elif math.isfinite(value := float(text)):
        return value
    raise ODataError("Number out of range", position)
