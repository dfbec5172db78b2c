"""`mentions` of a message (beta): who is mentioned in it, told when it is made.

Mailboxes of this server, and others of its kind, learn of them by a field of the header (`mail.compose`).
"""

from __future__ import annotations

from msgspec.structs import replace

from graphpost.delivery.items import is_mentioned
from graphpost.errors import NotFound
from graphpost.graph.bodies.mentions import MOST_MENTIONS
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, keyed, page, user_context
from graphpost.graph.keys import folder_key, item_at, message_key
from graphpost.graph.queries.selection import check_expand, read_options
from graphpost.graph.render import mention_value, message_id, view_of
from graphpost.graph.writing import write_message
from graphpost.mail.message import Item, Mention
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx


async def list_mentions(call: Call) -> Reply:
    """GET …/messages/{message}/mentions."""
    options, item = read_options(call), await _item(call)
    check_expand(options.expand)
    found, top = (
        [mention_value(each, item.message.from_) for each in item.message.mentions],
        options.top or MOST_MENTIONS,
    )
    shown = found[options.skip : options.skip + top]
    return Reply(body=page(call, context(call, *_place(call, item)), shown, len(found), options, top))


async def get_mention(call: Call) -> Reply:
    """GET …/mentions/{mention}."""
    item = await _item(call)
    where = context(call, *_place(call, item), single=True)
    return Reply(body={"@odata.context": where, **mention_value(_named(item, call), item.message.from_)})


async def delete_mention(call: Call) -> Reply:
    """DELETE …/mentions/{mention}: 204."""
    now, box = call.services.clock.now(), call.box

    def delete(tx: Tx, item: Item) -> None:
        gone = _named(item, call)
        left = tuple(each for each in item.message.mentions if each != gone)
        message = replace(item.message, mentions=left, is_mentioned=is_mentioned(box, left))
        messages.change(tx, item, replace(item, message=message, modified_at=now))

    await write_message(call, delete)
    return Reply(204)


async def _item(call: Call) -> Item:
    key, folder = message_key(call), folder_key(call)
    return await call.services.store.read(lambda tx: item_at(tx, call.box, key, folder))


def _named(item: Item, call: Call) -> Mention:
    for each in item.message.mentions:
        if each.mention_id == call.captures["mention"].lower():
            return each
    raise NotFound


def _place(call: Call, item: Item) -> tuple[str, ...]:
    return user_context(call), keyed("messages", message_id(item, view_of(call))), "mentions"
