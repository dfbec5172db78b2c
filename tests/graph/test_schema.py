"""The property table is the one source: what it names exists, and what it has is written."""

import pytest
from msgspec.structs import fields

from graphpost.graph.attachments.attached import ATTACHMENT
from graphpost.graph.folders.reading import FOLDER
from graphpost.graph.render import View, message_entity, message_fields
from graphpost.graph.schema import MESSAGE, EntityType, Property, Shown
from graphpost.graph.users.reading import USER
from graphpost.mail.message import Item, Message
from graphpost.store.mailbox.rows import COLUMNS

ROWS = pytest.mark.parametrize("row", MESSAGE.properties.values(), ids=lambda row: row.name)
ITEM = Item(mailbox_id=1, message_id=1, folder_id=6, message=Message())


@ROWS
def test_a_field_is_an_attribute_of_the_message_or_of_its_item(row: Property) -> None:
    known = {field.name for kind in (Message, Item) for field in fields(kind)}
    assert row.field in known | {""}


@ROWS
def test_a_column_is_one_of_the_store(row: Property) -> None:
    named = [row.column] if row.column else []
    assert {*named, *(column for _, column in row.parts)} <= set(COLUMNS)


@ROWS
def test_what_is_not_expanded_can_be_selected(row: Property) -> None:
    entity = message_entity(ITEM, message_fields((row.name,), True, False), View("m", "https://localhost"))
    assert (row.name in entity) is (row.shown is not Shown.EXPAND)


def test_the_default_properties_come_in_the_order_of_the_table() -> None:
    entity = message_entity(ITEM, message_fields((), True, False), View("m", "https://localhost"))
    shown = [row.name for row in MESSAGE.properties.values() if row.shown is Shown.DEFAULT]
    assert list(entity) == ["@odata.etag", *shown]


@pytest.mark.parametrize("kind", [MESSAGE, ATTACHMENT, FOLDER, USER], ids=lambda kind: kind.name)
def test_a_property_is_found_in_any_letter_case(kind: EntityType) -> None:
    for row in kind.properties.values():
        assert kind.find(row.name.upper()) is kind.find(row.name.lower()) is row
