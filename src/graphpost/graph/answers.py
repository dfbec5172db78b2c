"""Answers of requests that write a message: the entity as it now is, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from graphpost.graph.bodies.extensions import extension_value
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, keyed, user_context
from graphpost.graph.prefer import read_preferences
from graphpost.graph.render import message_entity, message_fields, rendered, view_of
from graphpost.mail.message import Item

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


async def message_reply(
    call: Call, item: Item, status: int = 200, headers: Mapping[str, str] = _NONE
) -> Reply:
    """The message as an entity; one that was just made (201) with its extensions and its Location."""
    preferences = read_preferences(call.headers)
    fields, view = message_fields((), call.version == "beta", False), view_of(call, preferences)
    entity = await rendered([item], fields, lambda: message_entity(item, fields, view))
    if status == 201 and item.message.extensions:
        entity["extensions"] = [extension_value(each) for each in item.message.extensions]
    found = {"ETag": entity["@odata.etag"], **preferences.applied(), **headers}
    if status == 201:
        found["Location"] = f"{call.base}/{user_context(call)}/{keyed('messages', entity['id'])}"
    where = context(call, user_context(call), "messages", single=True)
    return Reply(status, {"@odata.context": where, **entity}, headers=found)
