"""JSON values as plain values, or RequestBodyRead in Graph's words.

Lenient where real clients need it: names in any letter case (the last of equal ones counts), booleans as strings,
enum words in any case, the documentation's placeholder `String` for "not given".  Strict about everything else.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from graphpost.errors import BadRequest

READ: Final = "RequestBodyRead"
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_BOOLEANS: Final = {"true": True, "false": False}


def fold(value: dict[str, Any]) -> dict[str, Any]:
    """The object with lower-case names; of names that differ by case only, the last one counts."""
    return {name.lower(): member for name, member in value.items()}


def read_object(value: Any, name: str) -> dict[str, Any] | None:
    """The object with folded names, or None for null."""
    if type(value) is dict:
        return fold(value)
    if value is None:
        return None
    raise unexpected(value, name, "StartObject")


def read_array(value: Any, name: str) -> list[Any]:
    """The array; null counts as an empty one."""
    if type(value) is list:
        return value
    if value is None:
        return []
    raise unexpected(value, name, "StartArray")


def read_string(value: Any, name: str) -> str:
    """The text; null counts as ''."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        raise unexpected(value, name, "PrimitiveValue")
    raise cannot_convert(value, "Edm.String")


def read_line(value: Any, name: str) -> str:
    """A text that will stand in a header: line breaks and other controls become one space each run."""
    text = read_string(value, name)
    return text if text.isprintable() else flatten(text)


def flatten(text: str) -> str:
    """The text on one line."""
    return _CONTROLS.sub(" ", text)


def read_boolean(value: Any, name: str) -> bool | None:
    """true, false, or those words as a string; None for null."""
    if value is None or type(value) is bool:
        return value
    if type(value) is str and (word := value.strip().lower()) in _BOOLEANS:
        return _BOOLEANS[word]
    if isinstance(value, (dict, list)):
        raise unexpected(value, name, "PrimitiveValue")
    raise cannot_convert(value, "Edm.Boolean")


def read_word(value: Any, name: str, words: tuple[str, ...], edm: str) -> str | None:
    """One of the words of an enum, in any case; None for null, '' and the placeholder `String`."""
    if type(value) is str:
        wanted = value.lower()
        word = _by_lower(words).get(wanted)
        if word is not None or wanted in ("", "string"):
            return word
    elif value is None:
        return None
    elif isinstance(value, (dict, list)):
        raise unexpected(value, name, "PrimitiveValue")
    raise cannot_convert(value, edm)


@cache
def _by_lower(words: tuple[str, ...]) -> dict[str, str]:
    return {word.lower(): word for word in words}


def type_name(members: dict[str, Any]) -> str:
    """The `@odata.type` of a folded object: lower case, without `#` and namespace; '' when there is none."""
    text = members.get("@odata.type")
    return text.strip().removeprefix("#").rpartition(".")[2].lower() if type(text) is str else ""


def unexpected(value: Any, name: str, wanted: str) -> BadRequest:
    """The error for a JSON value of the wrong shape."""
    found = (
        "StartObject"
        if isinstance(value, dict)
        else "StartArray"
        if isinstance(value, list)
        else "PrimitiveValue"
    )
    return BadRequest(
        f"An unexpected '{found}' node was found for property named '{clip(name)}' when reading from the JSON reader. "
        f"A '{wanted}' node was expected.",
        READ,
    )


def cannot_convert(value: Any, edm: str) -> BadRequest:
    """The error for a value that its type does not have."""
    literal = str(value).lower() if isinstance(value, bool) else str(value)
    return BadRequest(f"Cannot convert the literal '{clip(literal)}' to the expected type '{edm}'.", READ)


def unknown_property(name: str, type_: str) -> BadRequest:
    """The error for a property that a type does not have."""
    return BadRequest(
        f"The property '{clip(name)}' does not exist on type '{type_}'. Make sure to only use property names that are "
        "defined by the type.",
        READ,
    )


def too_large() -> BadRequest:
    """The error for a message with more in it than a message may have."""
    return BadRequest("The message exceeds the maximum supported size.", "ErrorMessageSizeExceeded")


def clip(text: str, limit: int = 128) -> str:
    """A client's own text as an error message may repeat it."""
    return flatten(text if len(text) <= limit else text[:limit] + "…")
