"""Extended properties of folders: set, expanded, and asked by `$filter`.

Some follow from the folder itself, by MS-OXPROPS names: display name, class, counts, hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.bodies.extended import normalise_property_id, read_multiple, read_single
from graphpost.graph.queries.by_id import chosen_by
from graphpost.graph.render import extended_value
from graphpost.mail.mailbox import Folder
from graphpost.mail.message import ExtendedProperty, properties_size
from graphpost.odata.matching import Value
from graphpost.odata.query import Expand
from graphpost.store.mailbox import folder_properties
from graphpost.store.store import Tx

SINGLE: Final = "singleValueExtendedProperties"
MULTI: Final = "multiValueExtendedProperties"
MOST_CHARACTERS: Final = 32_768  # of all properties of a folder, ids included
COMPUTED: Final = MappingProxyType[str, Callable[[Folder], str]](
    {
        "Boolean 0x10F4": lambda folder: str(folder.is_hidden).lower(),
        "String 0x3001": lambda folder: folder.name,
        "Integer 0x3602": lambda folder: str(folder.total_count),
        "Integer 0x3603": lambda folder: str(folder.unread_count),
        "String 0x3613": lambda folder: "IPF.Note",
    }
)

Chosen = tuple[tuple[str, Callable[[str], bool]], ...]
"""Of each collection that is expanded its name, and which ids are asked for."""


def read_chosen(expand: Iterable[Expand]) -> Chosen:
    """What `$expand` asks for of extended properties; each collection needs a `$filter` on id."""
    found = []
    for each in expand:
        name = {SINGLE.lower(): SINGLE, MULTI.lower(): MULTI}.get(each.path[0].lower(), "")
        if name and each.options.filter is None:
            raise BadRequest(f"A $filter on id is needed to expand {name}.", "ErrorInvalidUrlQueryFilter")
        if name and each.options.filter is not None:
            found.append((name, chosen_by(each.options.filter, normalise_property_id)))
    return tuple(found)


def add_properties(tx: Tx, folder: Folder, chosen: Chosen, entity: dict[str, Any]) -> None:
    """Put what is asked for into a folder's entity."""
    for name, is_chosen in chosen:
        found = _properties(tx, folder, name)
        if values := [extended_value(each) for each in found if is_chosen(each.property_id)]:
            entity[name] = values


def related_properties(tx: Tx) -> dict[str, Callable[[Folder], Value]]:
    """What a `$filter` can ask of folders' extended properties, by the collection's name in lower case."""

    def read(name: str) -> Callable[[Folder], Value]:
        return lambda folder: [extended_value(each) for each in _properties(tx, folder, name)]

    return {name.lower(): read(name) for name in (SINGLE, MULTI)}


def _properties(tx: Tx, folder: Folder, name: str) -> list[ExtendedProperty]:
    """All that a folder has in one of the two collections."""
    stored = folder_properties.get(tx, folder.mailbox_id, folder.folder_id)
    found = [each for each in stored if isinstance(each.value, str) is (name == SINGLE)]
    if name == MULTI:
        return found
    return [
        *(ExtendedProperty(each, compute(folder)) for each, compute in COMPUTED.items()),
        *(each for each in found if each.property_id not in COMPUTED),
    ]


def read_properties(members: Mapping[str, Any]) -> tuple[ExtendedProperty, ...]:
    """Those that a folded body sets."""
    return read_single(members.get(SINGLE.lower()), SINGLE) + read_multiple(members.get(MULTI.lower()), MULTI)


def set_properties(tx: Tx, folder: Folder, given: Iterable[ExtendedProperty]) -> None:
    """Set these on a folder; others stay."""
    old = folder_properties.get(tx, folder.mailbox_id, folder.folder_id)
    found = {each.property_id: each for each in (*old, *given)}
    if properties_size(found.values()) > MOST_CHARACTERS:
        raise BadRequest(
            f"The extended properties of a folder have at most {MOST_CHARACTERS} characters.",
            "ErrorInvalidRequest",
        )
    folder_properties.put(tx, folder.mailbox_id, folder.folder_id, found.values())
