"""Extended properties (MAPI) of a body: ids normalised, values checked.

Ids are `{type} 0x{tag}`, `{type} {guid} Id 0x{number}` and `{type} {guid} Name {text}` (MS-OXPROPS types as Graph
spells them).  They come back normalised: canonical type, numbers without leading zeros, GUIDs in lower case.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.bodies.payload import read_base64
from graphpost.graph.bodies.values import clip, read_array, read_object, read_string, unexpected
from graphpost.mail.deferral import MOST_UNITS, SEND_NUMBER, SEND_UNITS, UNITS
from graphpost.mail.message import ExtendedProperty

IN_REPLY_TO: Final = "String 0x1042"
REFERENCES: Final = "String 0x1039"

_TAGGED: Final = re.compile(r"(\w+)\s+0x([0-9a-f]{1,8})", re.ASCII | re.IGNORECASE)
_NAMED: Final = re.compile(
    r"(\w+)\s+(\{?)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(\}?)\s+(?:Id\s+0x([0-9a-f]{1,8})|Name\s+(\S.{0,254}))",
    re.ASCII | re.IGNORECASE,
)
_MOST: Final = {
    SEND_NUMBER: MOST_UNITS,
    SEND_UNITS: len(UNITS) - 1,
}  # a message that waits must know for how long
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def normalise_property_id(text: str) -> str:
    """The id as it is stored, compared and shown; ValueError when it is none."""
    text = text.strip()
    if match := _TAGGED.fullmatch(text):
        return f"{_type(match[1])} 0x{int(match[2], 16):X}"
    match = _NAMED.fullmatch(text)
    if not match or bool(match[2]) != bool(match[4]) or _CONTROL.search(text):
        raise ValueError(f"not an extended property id: {text!r}")
    prefix = f"{_type(match[1])} {{{match[3].lower()}}}"
    return f"{prefix} Id 0x{int(match[5], 16):X}" if match[5] else f"{prefix} Name {match[6]}"


def read_single(value: Any, name: str) -> tuple[ExtendedProperty, ...]:
    """The properties of `singleValueExtendedProperties`."""
    return tuple(_read_one(entry, name, many=False) for entry in read_array(value, name))


def read_multiple(value: Any, name: str) -> tuple[ExtendedProperty, ...]:
    """The properties of `multiValueExtendedProperties`."""
    return tuple(_read_one(entry, name, many=True) for entry in read_array(value, name))


def _read_one(entry: Any, collection: str, *, many: bool) -> ExtendedProperty:
    members = read_object(entry, collection)
    if members is None:
        raise unexpected(entry, collection, "StartObject")
    property_id = _read_id(members.get("id"), many=many)
    value = members.get("value")
    kind = property_id.partition(" ")[0].removesuffix("Array")
    if not many:
        text = _checked(kind, read_string(value, "value"), property_id)
        if property_id in _MOST and not 0 <= int(text) <= _MOST[property_id]:
            raise _unusable(text, property_id)
        return ExtendedProperty(property_id, text)
    values = [_checked(kind, read_string(v, "value"), property_id) for v in read_array(value, "value")]
    return ExtendedProperty(property_id, tuple(values))


def _read_id(value: Any, *, many: bool) -> str:
    text = read_string(value, "id")
    try:
        property_id = normalise_property_id(text)
    except ValueError as error:
        raise BadRequest(
            f"The extended property id '{clip(text)}' is not valid.", "ErrorInvalidExtendedProperty"
        ) from error
    if property_id.partition(" ")[0].endswith("Array") != many:
        raise BadRequest(
            f"The type of the extended property '{clip(text)}' does not suit its collection.",
            "ErrorInvalidExtendedProperty",
        )
    return property_id


def _checked(kind: str, value: str, property_id: str) -> str:
    try:
        _TYPES[kind](value)
    except ValueError as error:
        raise _unusable(value, property_id) from error
    return value


def _unusable(value: str, property_id: str) -> BadRequest:
    return BadRequest(
        f"The value '{clip(value)}' is not valid for the extended property '{property_id}'.",
        "ErrorInvalidExtendedPropertyValue",
    )


def _integer(bits: int) -> Callable[[str], object]:
    def check(text: str) -> None:
        if len(text) > 20 or not -(2 ** (bits - 1)) <= int(text) < 2**bits:
            raise ValueError(text)

    return check


def _boolean(text: str) -> None:
    if text.lower() not in ("true", "false", "0", "1"):
        raise ValueError(text)


def _binary(text: str) -> None:
    if read_base64(text) is None:
        raise ValueError(text)


_TYPES: Final[dict[str, Callable[[str], object]]] = {
    "String": str,
    "Integer": _integer(32),
    "Long": _integer(64),
    "Short": _integer(16),
    "Double": float,
    "Float": float,
    "Currency": float,
    "Boolean": _boolean,
    "SystemTime": datetime.fromisoformat,
    "ApplicationTime": float,
    "Binary": _binary,
    "CLSID": uuid.UUID,
}
_NAMES: Final = {name.lower(): name for kind in _TYPES for name in (kind, kind + "Array")}


def _type(word: str) -> str:
    try:
        return _NAMES[word.lower()]
    except KeyError:
        raise ValueError(f"no property type: {word!r}") from None
