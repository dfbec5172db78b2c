"""Open extensions out of JSON: names, values, bounds.

An extension is known by its name or by its id, which is the name after `Microsoft.OutlookServices.OpenTypeExtension.`;
letter case does not matter.  Values are strings, numbers, booleans, or arrays of these; a value's type may stand beside
it, as `name@odata.type`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from graphpost.errors import BadRequest, Conflict
from graphpost.graph.bodies.lifting import LongText
from graphpost.graph.bodies.values import READ, clip, read_array, read_string, unexpected
from graphpost.mail.message import Extension

TYPE: Final = "#microsoft.graph.openTypeExtension"
PREFIX: Final = "Microsoft.OutlookServices.OpenTypeExtension."
MOST: Final = 20  # extensions of a message
MOST_CHARACTERS: Final = 32_768  # of all of them together, as JSON
_PREFIXES: Final = (PREFIX.lower(), "microsoft.graph.opentypeextension.")
_TYPES: Final = frozenset(prefix.rstrip(".") for prefix in _PREFIXES)
_NAME: Final = re.compile(r"[^\W\d](?:[\w-]*\w)?(?:\.[\w](?:[\w-]*\w)?)*")
_LONGEST_NAME: Final = 128
_VENDORS: Final = ("com.microsoft.", "com.onmicrosoft.")
_MEMBER: Final = re.compile(r"[^\W\d]\w{0,127}")
_ANNOTATION: Final = re.compile(r"#?[\w.()]{1,64}", re.ASCII)
_FIXED: Final = frozenset({"id", "extensionname"})

Members = dict[str, Any]


def read_extensions(value: Any, name: str) -> tuple[Extension, ...]:
    """The `extensions` of a message's body, each name once."""
    found: dict[str, Extension] = {}
    for entry in read_array(value, name):
        if type(entry) is not dict:
            raise unexpected(entry, name, "StartObject")
        made = read_extension(entry)
        if made.name.lower() in found:
            raise Conflict(f"There are two extensions named '{clip(made.name)}'.", "nameAlreadyExists")
        found[made.name.lower()] = made
    return check_extensions(found.values())


def read_extension(given: Members) -> Extension:
    """One extension out of a JSON object."""
    name = name_of(given)
    if not name:
        raise BadRequest("Required property is missing., extensionName", "ErrorRequiredPropertyMissing")
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or _is_vendors(name):
        raise BadRequest(f"The extension name '{clip(name)}' is not valid.", "ErrorInvalidParameter")
    return Extension(name, json_of(members_of(given)))


def extension_value(extension: Extension) -> Members:
    """The extension as an entity."""
    data: Members = msgspec.json.decode(extension.data)
    return {"@odata.type": TYPE, "id": id_of(extension), "extensionName": extension.name, **data}


def id_of(extension: Extension) -> str:
    """The id by which answers know it."""
    return PREFIX + extension.name


def normal_id(text: str) -> str:
    """The id that a name or an id stands for."""
    return PREFIX + bare_name(text)


def bare_name(text: str) -> str:
    """The name that a name or an id stands for."""
    for prefix in _PREFIXES:
        if text.lower().startswith(prefix):
            return text[len(prefix) :]
    return text


def name_of(given: Mapping[str, Any]) -> str:
    """The name it gives itself; raises when it says that it is something else than an open extension."""
    folded = {name.lower(): value for name, value in given.items()}
    kind = read_string(folded.get("@odata.type"), "@odata.type")
    if kind and kind.lstrip("#").lower() not in _TYPES:
        raise BadRequest(
            f"A type named '{clip(kind)}' could not be resolved by the model. When a model is available, each type "
            "name must resolve to a valid type.",
            READ,
        )
    return read_string(folded.get("extensionname"), "extensionName").strip()


def members_of(given: Mapping[str, Any]) -> Members:
    """The data and the types that it says its values have; null for what is to go."""
    found: Members = {}
    for name, value in given.items():
        member, at, annotation = name.partition("@")
        if at:
            if member and annotation == "odata.type":
                found[name] = _annotation(value)
        elif name.lower() not in _FIXED:
            found[_member(name)] = _value(value, name)
    return {name: value for name, value in found.items() if name.partition("@")[0] in found}


def json_of(members: Members) -> str:
    """The data to be kept: what is null, and the types of that, are not."""
    kept = {name: value for name, value in members.items() if members.get(name.partition("@")[0]) is not None}
    return msgspec.json.encode(kept).decode()


def check_extensions(extensions: Iterable[Extension]) -> tuple[Extension, ...]:
    """A message's extensions; 400 when they are too many or too large."""
    found = tuple(extensions)
    if len(found) > MOST:
        raise BadRequest(f"A message has at most {MOST} extensions.", "ErrorInvalidRequest")
    if sum(len(each.data) for each in found) > MOST_CHARACTERS:
        raise _too_long()
    return found


def _is_vendors(name: str) -> bool:
    return f"{name.lower()}.".startswith(_VENDORS)


def _member(name: str) -> str:
    if not _MEMBER.fullmatch(name):
        raise BadRequest(f"The property name '{clip(name)}' is not valid.", READ)
    return name


def _annotation(value: Any) -> str:
    text = read_string(value, "@odata.type")
    if not _ANNOTATION.fullmatch(text):
        raise BadRequest(f"A type named '{clip(text)}' could not be resolved by the model.", READ)
    return text


def _value(value: Any, name: str) -> Any:
    if isinstance(value, LongText):
        raise _too_long()
    if isinstance(value, list):
        if any(isinstance(each, dict | list) or each is None for each in value):
            raise unexpected(value, name, "PrimitiveValue")
        return value
    if isinstance(value, dict):
        raise unexpected(value, name, "PrimitiveValue")
    return value


def _too_long() -> BadRequest:
    return BadRequest(
        f"The extensions of a message have at most {MOST_CHARACTERS} characters.", "ErrorInvalidRequest"
    )
