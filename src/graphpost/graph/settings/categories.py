"""`outlook/masterCategories`: names that items can be given, each with a colour.

A name is given once and for all: only the colour changes.  Items may have categories that are not in this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.bodies.values import read_line, read_word, unknown_property
from graphpost.graph.call import Call
from graphpost.graph.schema import EntityType, Kind, Property, Write, entity
from graphpost.graph.settings.kept import Get, Kept
from graphpost.ids import new_guid
from graphpost.mail.preferences import Category
from graphpost.store.mailbox import preferences
from graphpost.store.mailbox.preferences import Entry
from graphpost.store.store import Tx

NAME_LENGTH: Final = 255  # characters
MOST: Final = 1000
COLORS: Final = ("none", *(f"preset{number}" for number in range(25)))
CATEGORY: Final[EntityType] = entity(
    "microsoft.graph.outlookCategory",
    Property("id", Kind.STRING, nullable=False),
    Property("displayName", Kind.STRING, write=Write.CREATE),
    Property("color", Kind.ENUM, write=Write.ALWAYS, words=COLORS, edm="microsoft.graph.categoryColor"),
)


def _read(call: Call, members: Mapping[str, Any], old: Category | None) -> Category:
    for name in members:
        if "@" not in name and CATEGORY.find(name) is None:
            raise unknown_property(name, CATEGORY.name)
    color = read_word(members.get("color"), "color", COLORS, "microsoft.graph.categoryColor")
    given = read_line(members.get("displayname"), "displayName").strip()
    if old is not None:
        if given and given != old.name:
            raise BadRequest("Set action is invalid for property.", "ErrorInvalidPropertySet")
        return Category(old.name, color or old.color)
    if not given or len(given) > NAME_LENGTH:
        raise BadRequest(
            f"The displayName of a category has 1 to {NAME_LENGTH} characters.", "ErrorInvalidParameter"
        )
    return Category(given, color or "none")


def _shown(tx: Tx, call: Call) -> Get:
    return _value


def _value(entry: Entry, name: str) -> Any:
    category: Category = entry.value
    return {"id": entry.entry_id, "displayName": category.name, "color": category.color}[name]


CATEGORIES: Final[Kept[Category]] = Kept(
    kind=preferences.Kind.CATEGORY,
    entity=CATEGORY,
    path=("outlook", "masterCategories"),
    capture="category",
    new_id=lambda call: new_guid(),
    read=_read,
    key_of=lambda entry_id, category: category.name.casefold(),
    shown=_shown,
    check=lambda tx, call, category: None,
    order=lambda entry: entry.key,
    most=MOST,
    taken="A category with the specified name already exists.",
)
