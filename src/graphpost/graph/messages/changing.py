"""Changing a message: `PATCH …/messages/{message}`."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from graphpost.graph import receipting
from graphpost.graph.answers import message_reply
from graphpost.graph.bodies.payload import LARGE
from graphpost.graph.call import Call, Reply
from graphpost.graph.messages.patching import check_patch, is_rewritten, read_patch
from graphpost.graph.prefer import wants_minimal
from graphpost.graph.writing import write_message
from graphpost.mail.deferral import is_timed, send_time, settled
from graphpost.mail.message import Item
from graphpost.store.mailbox import deferrals, messages
from graphpost.store.queue import deliveries
from graphpost.store.store import Tx


async def update_message(call: Call) -> Reply:
    """200 with the message as it now is, or 204 for who wants no more (`Prefer: return=minimal`)."""
    patch = await asyncio.to_thread(read_patch, call) if len(call.body) > LARGE else read_patch(call)
    now, permissions = call.services.clock.now(), call.principal.permissions

    def update(tx: Tx, item: Item) -> Item:
        check_patch(patch, item, permissions)
        after = patch.apply(item, now)
        if after is item:
            return item
        call.services.quotas.check_growth(tx, call.box, after.size - item.size)
        if not item.is_draft:
            after = receipting.read(tx, call, item, _kept_as_sent(tx, item, after), now)
        elif after.message.extended != item.message.extended:
            after = _rescheduled(tx, after)
        return messages.change(tx, item, after)

    item = await write_message(call, update)
    if wants_minimal(call.headers):
        return Reply(204, headers={"Preference-Applied": "return=minimal"})
    return await message_reply(call, item)


def _kept_as_sent(tx: Tx, before: Item, after: Item) -> Item:
    """The changed message, with what it was before while that is still being delivered."""
    if before.message.as_sent is not None or not is_rewritten(before.message, after.message):
        return after
    queued = deliveries.get(tx, before.mailbox_id, before.message_id)
    if all(delivery.state == deliveries.DONE for delivery in queued):
        return after
    return replace(after, message=replace(after.message, as_sent=before.message))


def _rescheduled(tx: Tx, item: Item) -> Item:
    """The draft, and what it waits for, if it does, at the time that it now asks for."""
    row = deferrals.get(tx, item.mailbox_id, item.message_id) if is_timed(item.message) else None
    if row is None:
        return item
    deferrals.put(tx, replace(row, due_at=send_time(item.message, row.created_at)))
    return replace(item, message=settled(item.message, row.created_at))
