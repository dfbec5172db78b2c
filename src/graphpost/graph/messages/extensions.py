"""Open extensions of messages: listed, read, added, changed, deleted.

They belong to this copy of the message, sent or received or draft, and to nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from graphpost.errors import BadRequest, Conflict, NotFound
from graphpost.graph.bodies.extensions import (
    bare_name,
    check_extensions,
    extension_value,
    id_of,
    json_of,
    members_of,
    name_of,
    normal_id,
    read_extension,
)
from graphpost.graph.bodies.values import clip
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, keyed, page, user_context
from graphpost.graph.keys import folder_key, item_at, message_key
from graphpost.graph.queries.by_id import chosen_by
from graphpost.graph.queries.selection import read_options
from graphpost.graph.render import message_id, view_of
from graphpost.graph.writing import json_object, write_message
from graphpost.mail.message import Extension, Item
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx


async def list_extensions(call: Call) -> Reply:
    """GET …/messages/{message}/extensions."""
    options, item = read_options(call), await _find(call)
    found = item.message.extensions
    if options.filter is not None:
        is_chosen = chosen_by(options.filter, normal_id)
        found = tuple(each for each in found if is_chosen(id_of(each)))
    top = options.top or max(1, len(found))
    shown = [extension_value(each) for each in found[options.skip : options.skip + top]]
    return Reply(body=page(call, context(call, *_place(call, item)), shown, len(found), options, top))


async def get_extension(call: Call) -> Reply:
    """GET …/extensions/{extension}."""
    item = await _find(call)
    return _reply(call, item, _named(item, _key(call)))


async def create_extension(call: Call) -> Reply:
    """POST …/messages/{message}/extensions: 201 and the extension; 409 when there is one of that name."""
    made = read_extension(json_object(call))

    def add(tx: Tx, item: Item) -> Item:
        if any(_is_named(each, made.name) for each in item.message.extensions):
            raise Conflict(
                f"An extension named '{clip(made.name)}' already exists on the message.", "nameAlreadyExists"
            )
        return _write(tx, call, item, (*item.message.extensions, made))

    return _reply(call, await write_message(call, add), made, 201)


async def update_extension(call: Call) -> Reply:
    """PATCH …/extensions/{extension}: 200 and the extension; what is not named stays, null takes away."""
    name, given = _key(call), json_object(call)
    changed = members_of(given)
    new_name = name_of(given)
    if new_name and new_name.lower() != name.lower():
        raise BadRequest("An extension cannot be renamed.", "ErrorInvalidRequest")

    def update(tx: Tx, item: Item) -> Item:
        old = _named(item, name)
        after = Extension(old.name, json_of({**msgspec.json.decode(old.data), **changed}))
        return _write(tx, call, item, [after if each is old else each for each in item.message.extensions])

    item = await write_message(call, update)
    return _reply(call, item, _named(item, name))


async def delete_extension(call: Call) -> Reply:
    """DELETE …/extensions/{extension}: 204."""
    name = _key(call)

    def delete(tx: Tx, item: Item) -> None:
        old = _named(item, name)
        _write(tx, call, item, [each for each in item.message.extensions if each is not old])

    await write_message(call, delete)
    return Reply(204)


def _key(call: Call) -> str:
    return bare_name(call.captures["extension"])


def _named(item: Item, name: str) -> Extension:
    for each in item.message.extensions:
        if _is_named(each, name):
            return each
    raise NotFound


async def _find(call: Call) -> Item:
    key, folder = message_key(call), folder_key(call)
    return await call.services.store.read(lambda tx: item_at(tx, call.box, key, folder))


def _write(tx: Tx, call: Call, item: Item, extensions: Iterable[Extension]) -> Item:
    message = replace(item.message, extensions=check_extensions(extensions))
    return messages.change(tx, item, replace(item, message=message, modified_at=call.services.clock.now()))


def _place(call: Call, item: Item) -> tuple[str, ...]:
    return user_context(call), keyed("messages", message_id(item, view_of(call))), "extensions"


def _reply(call: Call, item: Item, extension: Extension, status: int = 200) -> Reply:
    place = _place(call, item)
    value = extension_value(extension)
    headers = {}
    if status == 201:
        headers["Location"] = f"{call.base}/{'/'.join(place[:2])}/{keyed('extensions', value['id'])}"
    body = {"@odata.context": context(call, *place, single=True), **value}
    return Reply(status, body, headers=headers)


def _is_named(extension: Extension, name: str) -> bool:
    return extension.name.lower() == name.lower()
