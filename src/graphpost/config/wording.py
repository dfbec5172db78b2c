"""What is wrong with a value, in the words of a settings file."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

_EXPECTED: Final = re.compile(r"Expected `(\w+)`, got `(\w+)`")
_NOT_ONE: Final = re.compile(r"Invalid enum value (?P<value>'.*')", re.DOTALL)
_STEP: Final = re.compile(r"(\w+)|\[\d+\]")
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list in brackets",
    "object": "a table",
    "date": "a date",
    "datetime": "a date",
    "time": "a time",
}


def reworded(problem: str, kind: Any, *, is_text: bool = False) -> str:
    """msgspec's words for a value that is not of that type; with `is_text` all there can be is text."""
    if found := _EXPECTED.fullmatch(problem):
        if found.groups() == ("array", "object") and _is_of_tables(kind):
            return "there may be several, so its heading has two brackets: [[…]]"
        wanted, given = (_WORDS.get(name, name) for name in found.groups())
        return f"must be {wanted}" if is_text else f"must be {wanted}, not {given}"
    if (found := _NOT_ONE.fullmatch(problem)) and (choices := _choices(kind)):
        return f"{found['value']} is not one of {', '.join(choices)}"
    return problem[:1].lower() + problem[1:]


def type_at(kind: Any, path: str) -> Any:
    """The type of what `path` names in a Struct, such as `routes[0].tls`; None when that is nothing."""
    for step in _STEP.finditer(path):
        if not step[1]:
            kind = next(iter(get_args(kind)), None)
        elif isinstance(kind, type) and issubclass(kind, Struct):
            kind = get_type_hints(kind).get(step[1])
        else:
            return None
    return kind


def _is_of_tables(kind: Any) -> bool:
    of = next(iter(get_args(kind)), None)
    return isinstance(of, type) and issubclass(of, Struct)


def _choices(kind: Any) -> list[str]:
    """The texts of a Literal, or of a list of them."""
    if get_origin(kind) is list:
        kind = next(iter(get_args(kind)), None)
    return [f'"{text}"' for text in get_args(kind)] if get_origin(kind) is Literal else []
