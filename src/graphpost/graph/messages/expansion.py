"""`$expand` on messages: attachments, extended properties, and open extensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from graphpost.errors import AccessDenied, BadRequest
from graphpost.graph.attachments.attached import ATTACHMENT, AttachmentForm, Stored
from graphpost.graph.bodies.extended import normalise_property_id
from graphpost.graph.bodies.extensions import extension_value, id_of, normal_id
from graphpost.graph.call import Call
from graphpost.graph.messages.computed import COMPUTED, computed_property
from graphpost.graph.queries.by_id import chosen_by
from graphpost.graph.queries.selection import check_expand, is_basic, select_names
from graphpost.graph.render import View, extended_value, mention_value
from graphpost.graph.schema import MESSAGE
from graphpost.graph.streaming import Embedded
from graphpost.mail.message import Item
from graphpost.odata.query import Expand, Options

_SINGLE: Final = "singleValueExtendedProperties"
_MULTI: Final = "multiValueExtendedProperties"
_ATTACHMENTS: Final = "attachments"
_EXTENSIONS: Final = "extensions"
_MENTIONS: Final = "mentions"


@dataclass(frozen=True, slots=True)
class Expansion:
    """What is put into each message: of extended properties and extensions, which ids are asked for."""

    attachments: tuple[AttachmentForm, Options] | None
    extended: tuple[tuple[str, Callable[[str], bool]], ...]
    extensions: Callable[[str], bool] | None
    has_mentions: bool
    embedded: Embedded

    def add(self, entity: dict[str, Any], item: Item, stored: Stored) -> None:
        """Put it into a message's entity."""
        if self.attachments is not None:
            form, options = self.attachments
            entity[_ATTACHMENTS] = [form.entity(item, each, stored) for each in form.chosen(item, options)]
        for name, is_chosen in self.extended:
            if values := _values(item, name, is_chosen):
                entity[name] = values
        if self.has_mentions:
            author = item.message.from_
            entity[_MENTIONS] = [mention_value(each, author) for each in item.message.mentions]
        if self.extensions is not None:
            entity[_EXTENSIONS] = [
                extension_value(each) for each in item.message.extensions if self.extensions(id_of(each))
            ]


def read_expand(call: Call, expand: tuple[Expand, ...], view: View) -> Expansion:
    """What `$expand` asks for; 400 ExpandNotSupported for anything there is none of."""
    beta = call.version == "beta"
    check_expand(expand, _ATTACHMENTS, _EXTENSIONS, _SINGLE, _MULTI, *((_MENTIONS,) if beta else ()))
    embedded = Embedded()
    names = {MESSAGE.properties[each.path[0].lower()].name: each.options for each in expand}
    if names and is_basic(call):
        raise AccessDenied
    attachments = _attachments(names[_ATTACHMENTS], beta, view, embedded) if _ATTACHMENTS in names else None
    extended = tuple((name, _chosen(name, names[name])) for name in (_SINGLE, _MULTI) if name in names)
    extensions = _extensions(names[_EXTENSIONS]) if _EXTENSIONS in names else None
    return Expansion(attachments, extended, extensions, _MENTIONS in names, embedded)


def _attachments(
    options: Options, beta: bool, view: View, embedded: Embedded
) -> tuple[AttachmentForm, Options]:
    check_expand(options.expand)
    return AttachmentForm(view, select_names(ATTACHMENT, options.select, beta=beta), beta, embedded), options


def _chosen(name: str, options: Options) -> Callable[[str], bool]:
    """Which ids the nested `$filter` asks for; there must be one."""
    if options.filter is None:
        raise BadRequest(f"A $filter on id is needed to expand {name}.", "ErrorInvalidUrlQueryFilter")
    return chosen_by(options.filter, normalise_property_id)


def _extensions(options: Options) -> Callable[[str], bool]:
    return (lambda shown: True) if options.filter is None else chosen_by(options.filter, normal_id)


def _values(item: Item, name: str, is_chosen: Callable[[str], bool]) -> list[dict[str, Any]]:
    """The extended properties of one collection that are asked for, those that are computed first."""
    is_single = name == _SINGLE
    found = [computed_property(item, each) for each in COMPUTED if is_chosen(each)] if is_single else []
    found += [
        each
        for each in item.message.extended
        if isinstance(each.value, str) is is_single
        and is_chosen(each.property_id)
        and each.property_id not in COMPUTED
    ]
    return [extended_value(each) for each in found if each is not None]
