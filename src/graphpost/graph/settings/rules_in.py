"""A `messageRule` out of a body: every part checked, over the old rule.

`conditions`, `exceptions` and `actions` are replaced as a whole.  What the body says of `hasError` and `isReadOnly` is
ours to say, and ignored; so are annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from graphpost.errors import BadRequest
from graphpost.graph.bodies.recipients import read_recipients
from graphpost.graph.bodies.values import (
    cannot_convert,
    clip,
    read_array,
    read_boolean,
    read_line,
    read_object,
    read_string,
    read_word,
    unknown_property,
)
from graphpost.graph.call import Call
from graphpost.graph.keys import folder_number
from graphpost.graph.schema import EntityType, Kind, Property
from graphpost.graph.settings.rule_schema import ACTIONS, PREDICATES, RULE
from graphpost.mail.rules import Actions, Predicates, Rule, SizeRange

NAME_LENGTH: Final = 256  # characters
TEXT_LENGTH: Final = 512  # characters of a text that is looked for
MOST_ENTRIES: Final = 200  # of a list
_LARGEST: Final = 2**31 - 1
_PATTERNS: Final = frozenset({"headerContains", "bodyContains", "bodyOrSubjectContains", "subjectContains"})
T = TypeVar("T", Predicates, Actions)


def read_rule(call: Call, members: Mapping[str, Any], old: Rule | None) -> Rule:
    """The rule that a folded object describes; BadRequest for what a rule cannot have."""
    for name in members:
        if "@" not in name and RULE.find(name) is None:
            raise unknown_property(name, RULE.name)
    rule = old or Rule(name="", sequence=0)
    if "displayname" in members:
        rule = replace(rule, name=read_line(members["displayname"], "displayName").strip())
    if "sequence" in members:
        rule = replace(rule, sequence=_number(members["sequence"]) or 0)
    if (is_enabled := read_boolean(members.get("isenabled"), "isEnabled")) is not None:
        rule = replace(rule, is_enabled=is_enabled)
    for name in ("conditions", "exceptions"):
        if name in members:
            given = _part(call, members[name], name, PREDICATES, Predicates)
            rule = replace(rule, **{name: None if given == Predicates() else given})
    if "actions" in members:
        rule = replace(
            rule, actions=_part(call, members["actions"], "actions", ACTIONS, Actions) or Actions()
        )
    _check(rule)
    return rule


def invalid(
    field: str, value: object, code: str = "InvalidValue", said: str = "The value isn't valid."
) -> BadRequest:
    """The refusal of a rule in the words that Graph has for it: dense, with the field at fault."""
    return BadRequest(
        f"MessageRuleValidationError: ErrorCode: '{code}', Message: '{said}', Field: '{field}', "
        f"Value: '{clip(str(value))}'.",
        "ErrorInvalidValue",
    )


def _check(rule: Rule) -> None:
    if not rule.name or len(rule.name) > NAME_LENGTH:
        raise invalid("DisplayName", rule.name)
    if not 0 < rule.sequence <= _LARGEST:
        raise invalid("Sequence", rule.sequence)
    if not _does_something(rule.actions):
        raise invalid("Actions", "", "MissingAction", "The rule has no action.")


def _does_something(actions: Actions) -> bool:
    values = (getattr(actions, name) for name in Actions.__struct_fields__)
    return any(value not in (None, False, ()) for value in values)


def _part(call: Call, value: Any, name: str, table: EntityType, type_: type[T]) -> T | None:
    members = read_object(value, name)
    if members is None:
        return None
    fields: dict[str, Any] = {}
    for given, inner in members.items():
        if "@" in given:
            continue
        row = table.find(given)
        if row is None:
            raise unknown_property(given, table.name)
        if inner is not None:
            fields[row.field] = _value(call, row, inner)
    return type_(**fields)


def _value(call: Call, row: Property, value: Any) -> Any:
    match row.kind, row.collection:
        case Kind.BOOLEAN, _:
            return read_boolean(value, row.name)
        case Kind.ENUM, _:
            return read_word(value, row.name, row.words, row.edm)
        case Kind.RECIPIENT, _:
            return _people(call, row.name, value)
        case Kind.STRING, True:
            return _texts(row.name, value)
        case Kind.STRING, False:
            text = read_string(value, row.name).strip()
            return folder_number(call.box, text) if text else None
    return _range(value, row.name)


def _people(call: Call, name: str, value: Any) -> tuple[Any, ...]:
    limits = call.services.limits
    found = read_recipients(value, name, limits.address_length)
    if len(found) > min(MOST_ENTRIES, limits.recipients):
        raise invalid(name[0].upper() + name[1:], len(found))
    return found


def _texts(name: str, value: Any) -> tuple[str, ...]:
    found = [read_string(each, name) for each in read_array(value, name)]
    texts = tuple(dict.fromkeys(text for text in found if text.strip()))
    field = name[0].upper() + name[1:]
    if len(texts) > MOST_ENTRIES:
        raise invalid(field, len(texts))
    for text in texts:
        if len(text) > TEXT_LENGTH:
            raise invalid(field, text)
    return texts


def _range(value: Any, name: str) -> SizeRange | None:
    members = read_object(value, name)
    if not members:
        return None
    least, most = _number(members.get("minimumsize")), _number(members.get("maximumsize"))
    for number in (least, most):
        if number is not None and not 0 <= number <= _LARGEST:
            raise invalid("WithinSizeRange", number)
    if least is not None and most is not None and least > most:
        raise invalid("WithinSizeRange", f"{least}-{most}")
    return None if least is None and most is None else SizeRange(least, most)


def _number(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int:
        raise cannot_convert(value, "Edm.Int32")
    return value
