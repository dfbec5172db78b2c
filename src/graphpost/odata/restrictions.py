"""The properties a `$search` can name, and what their values mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from graphpost.clock import Instant
from graphpost.odata.moments import parse_span
from graphpost.odata.sought import Is, Phrase, Range, Sought, Without
from graphpost.odata.words import words

FIELDS: Final = ("from", "to", "cc", "bcc", "subject", "body", "attachment")
DEFAULT_FIELDS: Final = ("from", "subject", "body")

_SIZE: Final = re.compile(r"(\d{1,15})\s*(b|kb|mb|gb)?", re.ASCII | re.IGNORECASE)
_UNITS: Final = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_BOOLEANS: Final = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}
_IMPORTANCE: Final = {"low": "low", "normal": "normal", "medium": "normal", "high": "high"}
_KINDS: Final = {
    kind: kind
    for kind in (
        "contacts",
        "docs",
        "email",
        "externaldata",
        "faxes",
        "im",
        "journals",
        "meetings",
        "microsoftteams",
        "notes",
        "posts",
        "rssfeeds",
        "tasks",
        "voicemail",
    )
}
_MOST: Final = 2**62  # bytes
_COMPARING: Final = re.compile(r"<>|<=|>=|[=<>]")


@dataclass(frozen=True, slots=True)
class Value:
    """What stands after a property: its text, and whether a star came after it."""

    text: str
    is_prefix: bool = False


Span = tuple[int, int]
Read = Callable[[str, Instant], Span | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A property: the fields its words are looked for in, or how its number is read, or its few values."""

    fields: tuple[str, ...] = ()
    number: Read | None = None
    values: Mapping[str, str] | None = None
    field: str = ""


def _size(text: str, now: Instant) -> Span | None:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    size = min(int(found[1]) * _UNITS[(found[2] or "").lower()], _MOST)
    return size, size + 1


PROPERTIES: Final[MappingProxyType[str, Asked]] = MappingProxyType(
    {
        **{name: Asked((name,)) for name in FIELDS},
        "participants": Asked(("from", "to", "cc", "bcc")),
        "recipients": Asked(("to", "cc", "bcc")),
        "received": Asked(number=parse_span, field="received"),
        "sent": Asked(number=parse_span, field="sent"),
        "size": Asked(number=_size, field="size"),
        "hasattachment": Asked(values=_BOOLEANS, field="hasattachments"),
        "hasattachments": Asked(values=_BOOLEANS, field="hasattachments"),
        "importance": Asked(values=_IMPORTANCE, field="importance"),
        "kind": Asked(values=_KINDS, field="kind"),
    }
)


def restriction(name: str, operator: str, value: Value, now: Instant) -> Sought | None:
    """What the property, with that operator and value, looks for; None when it has no such value."""
    asked = PROPERTIES[name]
    if operator == ":" and not asked.fields and (found := _COMPARING.match(value.text)):
        operator, value = found[0], Value(value.text[found.end() :])  # as Outlook writes it: `size:>100`
    if asked.fields:
        return _words(asked, operator, value)
    if asked.number is not None:
        return _range(asked, asked.number, operator, value.text, now)
    known = (asked.values or {}).get(value.text.strip().lower())
    if known is None or operator not in (":", "=", "<>"):
        return None
    return _negated(Is(asked.field, known), operator)


def _words(asked: Asked, operator: str, value: Value) -> Sought | None:
    found = tuple(words(value.text))
    if not found or operator not in (":", "=", "<>"):
        return None
    return _negated(Phrase(asked.fields, found, value.is_prefix, is_whole=operator != ":"), operator)


def _range(asked: Asked, number: Read, operator: str, text: str, now: Instant) -> Sought | None:
    first, dots, last = text.partition("..")
    low, high = number(first, now), number(last if dots else first, now)
    if low is None or high is None or (dots and operator not in (":", "=", "<>")):
        return None
    match operator:
        case "<":
            return Range(asked.field, None, low[0])
        case "<=":
            return Range(asked.field, None, low[1])
        case ">":
            return Range(asked.field, low[1], None)
        case ">=":
            return Range(asked.field, low[0], None)
    return _negated(Range(asked.field, low[0], high[1]), operator)


def _negated(term: Sought, operator: str) -> Sought:
    return Without(term) if operator == "<>" else term
