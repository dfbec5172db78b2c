"""Reading messages: lists, single ones, counts and MIME."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphpost.errors import BadRequest
from graphpost.graph.attachments.attached import Stored
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import DEFAULT_PAGE, collection, context, keyed, selected_names, user_context
from graphpost.graph.keys import folder_key, item_at, message_key
from graphpost.graph.messages.expansion import Expansion, read_expand
from graphpost.graph.messages.listing import count_all, find_page, read_listing
from graphpost.graph.messages.searching import find_sought
from graphpost.graph.prefer import Preferences, read_preferences
from graphpost.graph.queries.holding import Entities, Held, large_reply
from graphpost.graph.queries.selection import check_basic, is_basic, read_options, select_names
from graphpost.graph.render import Fields, View, message_entity, message_fields, rendered, view_of
from graphpost.graph.schema import MESSAGE
from graphpost.graph.streaming import json_reply, streamed
from graphpost.mail.compose import compose
from graphpost.mail.message import Item
from graphpost.odata.query import Options
from graphpost.store import contents
from graphpost.store.blobs import Blobs
from graphpost.store.store import Tx


@dataclass(frozen=True, slots=True)
class Reading:
    """What a GET wants to know of messages, and how it is to be written."""

    options: Options
    preferences: Preferences
    names: tuple[str, ...]
    fields: Fields
    view: View
    expansion: Expansion

    def entity(self, item: Item, stored: Stored) -> dict[str, Any]:
        """The message, with what is expanded in it."""
        entity = message_entity(item, self.fields, self.view)
        self.expansion.add(entity, item, stored)
        return entity

    def stored(self, tx: Tx, item: Item, blobs: Blobs) -> Stored:
        """What the answer needs of a message's contents."""
        if self.expansion.attachments is None or not item.message.attachments:
            return Stored(blobs, {})
        return Stored(blobs, contents.of_message(tx, item.mailbox_id, item.message_id))

    def context(self, call: Call, *, single: bool = False) -> str:
        """The context URL of the collection in the path, or of an entity in it."""
        folder = (
            ()
            if single or "folder" not in call.captures
            else (keyed("mailFolders", call.captures["folder"]),)
        )
        select = selected_names(self.names, self.options.expand)
        return context(call, user_context(call), *folder, "messages", select=select, single=single)


def read_messages(call: Call) -> Reading:
    """The call's query options and preferences; 400 or 403 when they ask for what cannot be had."""
    options, preferences = read_options(call, is_searched=True), read_preferences(call.headers)
    beta = call.version == "beta"
    names = select_names(MESSAGE, options.select, beta=beta)
    check_basic(names, call)
    view = view_of(call, preferences)
    fields = message_fields(names, beta, is_basic(call))
    return Reading(options, preferences, names, fields, view, read_expand(call, options.expand, view))


async def list_messages(call: Call) -> Reply:
    """GET …/messages, of a folder or of the whole mailbox."""
    reading = read_messages(call)
    options = reading.options
    top = options.top or reading.preferences.page_size or DEFAULT_PAGE
    if options.search is None:
        found = await find_page(call, read_listing(call, options, top), reading.stored)
    else:
        found = await find_sought(call, options, top, reading.stored)
    envelope = collection(call, reading.context(call), [], count=found.total, more=found.more)
    shown: Entities = [(item, partial(reading.entity, item, stored)) for item, stored in found.shown]
    found.shown.clear()  # a large page is forgotten as it is written
    return await page_reply(call, reading, envelope, shown, found.held)


async def page_reply(
    call: Call, reading: Reading, envelope: Mapping[str, Any], entities: Entities, held: Held | None
) -> Reply:
    """The envelope with these entities as its value; what a page holds is released when it is sent."""
    embedded, headers = reading.expansion.embedded, reading.preferences.applied()
    if held is not None:
        return await large_reply(call, envelope, entities, embedded, headers, held)
    items = [item for item, _ in entities if item is not None]

    def render() -> list[dict[str, Any]]:
        call.check_client()  # it may have been a while until this was its turn
        return [make() for _, make in entities]

    value = await rendered(items, reading.fields, render)
    return json_reply({**envelope, "value": value}, embedded, headers)


async def count_messages(call: Call) -> Reply:
    """GET …/messages/$count: the number as text."""
    options = read_options(call, is_searched=True)
    if options.search is not None:
        raise BadRequest("The query parameter '$search' is not supported with '$count'.", "SearchWithCount")
    total = await count_all(call, read_listing(call, options))
    return Reply(body=str(total).encode(), content_type="text/plain")


async def get_message(call: Call) -> Reply:
    """GET …/messages/{message}."""
    reading = read_messages(call)
    key, folder = message_key(call), folder_key(call)

    def fetch(tx: Tx) -> tuple[Item, Stored]:
        item = item_at(tx, call.box, key, folder)
        return item, reading.stored(tx, item, call.services.blobs)

    item, stored = await call.services.store.read(fetch)

    def render() -> dict[str, Any]:
        call.check_client()  # it may have been a while until this was its turn
        return reading.entity(item, stored)

    entity = await rendered([item], reading.fields, render)
    headers = {"ETag": entity["@odata.etag"], **reading.preferences.applied()}
    body = {"@odata.context": reading.context(call, single=True), **entity}
    return json_reply(body, reading.expansion.embedded, headers)


async def get_message_value(call: Call) -> Reply:
    """GET …/messages/{message}/$value: the MIME, Bcc and all, as it came or as it would be composed."""
    key, folder = message_key(call), folder_key(call)

    def fetch(tx: Tx) -> tuple[Item, Stored]:
        item = item_at(tx, call.box, key, folder)
        return item, Stored(call.services.blobs, contents.of_message(tx, item.mailbox_id, item.message_id))

    item, stored = await call.services.store.read(fetch)
    return Reply(
        body=await streamed(lambda: mime(item, stored)),
        content_type="text/plain",
        headers={"X-Content-Type-Options": "nosniff"},
    )


def mime(item: Item, stored: Stored) -> Iterable[bytes]:
    """A stored message's MIME bytes: the very ones that came, or composed of its properties."""
    open_ = contents.opener(stored.blobs, stored.contents)
    if item.message.raw is not None:
        return open_(item.message.raw)
    return compose(item.message, open_, for_wire=False)
