"""`$expand` on messages: attachments, extended properties, and no extensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from graphpost.errors import AccessDenied, BadRequest
from graphpost.graph.attached import ATTACHMENT, AttachmentForm, Stored
from graphpost.graph.call import Call
from graphpost.graph.extended import normalise_property_id
from graphpost.graph.render import View, extended_value, mention_value
from graphpost.graph.schema import MESSAGE
from graphpost.graph.selection import check_expand, is_basic, select_names
from graphpost.graph.streaming import Embedded
from graphpost.mail.message import ExtendedProperty, Item
from graphpost.odata.errors import ODataError
from graphpost.odata.matching import Value, matches
from graphpost.odata.query import Expand, Options
from graphpost.odata.tree import And, Comparison, Literal, Node, Not, Operand, Or, Path

_SINGLE: Final = "singleValueExtendedProperties"
_MULTI: Final = "multiValueExtendedProperties"
_ATTACHMENTS: Final = "attachments"
_EXTENSIONS: Final = "extensions"
_MENTIONS: Final = "mentions"


@dataclass(frozen=True, slots=True)
class Expansion:
    """What is put into each message: (property, the condition on it) for extended properties."""

    attachments: tuple[AttachmentForm, Options] | None
    extended: tuple[tuple[str, Node], ...]
    has_extensions: bool
    has_mentions: bool
    embedded: Embedded

    def add(self, entity: dict[str, Any], item: Item, stored: Stored) -> None:
        """Put it into a message's entity."""
        if self.attachments is not None:
            form, options = self.attachments
            entity[_ATTACHMENTS] = [form.entity(item, each, stored) for each in form.chosen(item, options)]
        for name, condition in self.extended:
            values = [
                extended_value(each) for each in item.message.extended if _is_asked(each, name, condition)
            ]
            if values:
                entity[name] = values
        if self.has_mentions:
            author = item.message.from_
            entity[_MENTIONS] = [mention_value(each, author) for each in item.message.mentions]
        if self.has_extensions:
            entity[_EXTENSIONS] = []


def read_expand(call: Call, expand: tuple[Expand, ...], view: View) -> Expansion:
    """What `$expand` asks for; 400 ExpandNotSupported for anything there is none of."""
    beta = call.version == "beta"
    check_expand(expand, _ATTACHMENTS, _EXTENSIONS, _SINGLE, _MULTI, *((_MENTIONS,) if beta else ()))
    embedded = Embedded()
    names = {MESSAGE.properties[each.path[0].lower()].name: each.options for each in expand}
    if names and is_basic(call):
        raise AccessDenied
    attachments = _attachments(names[_ATTACHMENTS], beta, view, embedded) if _ATTACHMENTS in names else None
    extended = tuple(
        (name, _property_filter(name, names[name])) for name in (_SINGLE, _MULTI) if name in names
    )
    return Expansion(attachments, extended, _EXTENSIONS in names, _MENTIONS in names, embedded)


def _attachments(
    options: Options, beta: bool, view: View, embedded: Embedded
) -> tuple[AttachmentForm, Options]:
    check_expand(options.expand)
    return AttachmentForm(view, select_names(ATTACHMENT, options.select, beta=beta), beta, embedded), options


def _property_filter(name: str, options: Options) -> Node:
    """The nested `$filter`, its ids normalised; there must be one, and it may ask for `id` alone."""
    if options.filter is None:
        raise BadRequest(f"A $filter on id is needed to expand {name}.", "ErrorInvalidUrlQueryFilter")
    try:
        node = _normalised(options.filter)
        matches(node, lambda path: _read(ExtendedProperty("", ""), path))
    except (ODataError, ValueError) as error:
        raise BadRequest(
            "The query filter contains one or more invalid nodes.", "ErrorInvalidUrlQueryFilter"
        ) from error
    return node


def _normalised(node: Node) -> Node:
    match node:
        case And():
            return And(_normalised(node.left), _normalised(node.right))
        case Or():
            return Or(_normalised(node.left), _normalised(node.right))
        case Not():
            return Not(_normalised(node.operand))
        case Comparison():
            return Comparison(node.operator, _normal_id(node.left), _normal_id(node.right))
    raise ODataError("only comparisons of id are possible")


def _normal_id(operand: Operand) -> Operand:
    if isinstance(operand, Literal) and isinstance(operand.value, str):
        return Literal(normalise_property_id(operand.value), "string")
    return operand


def _is_asked(each: ExtendedProperty, name: str, condition: Node) -> bool:
    return isinstance(each.value, str) is (name == _SINGLE) and matches(
        condition, lambda path: _read(each, path)
    )


def _read(each: ExtendedProperty, path: Path) -> Value:
    if [segment.lower() for segment in path.segments] != ["id"]:
        raise ODataError("only id can be filtered by")
    return each.property_id
