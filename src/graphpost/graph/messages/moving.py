"""Messages that change their place: moved, copied, deleted.

A message that is deleted goes to Deleted Items, from there to the recoverable items, and from there it is gone.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from graphpost.errors import BadRequest
from graphpost.graph import receipting
from graphpost.graph.answers import message_reply
from graphpost.graph.bodies.values import READ, read_string
from graphpost.graph.call import Call, Reply
from graphpost.graph.keys import check_destination, folder_number
from graphpost.graph.writing import json_members, write_message
from graphpost.mail.deferral import is_timed
from graphpost.mail.mailbox import DELETED_ITEMS, RECOVERABLE
from graphpost.mail.message import Item
from graphpost.store import contents
from graphpost.store.mailbox import deferrals, folders, messages
from graphpost.store.mailbox.forgetting import forget
from graphpost.store.store import Tx

_BINS: Final = frozenset({DELETED_ITEMS, RECOVERABLE})


async def move_message(call: Call) -> Reply:
    """`POST …/move`: 201 with the message in its new place, under a new id."""
    destination, now = _destination(call, "move"), call.services.clock.now()

    def move(tx: Tx, item: Item) -> Item:
        check_destination(tx, call.box, destination)
        if item.folder_id == RECOVERABLE != destination:  # what is there does not count
            call.services.quotas.check_growth(tx, call.box, item.size)
        if not _BINS.isdisjoint(folders.ancestors(tx, item.mailbox_id, destination)):
            _unschedule(tx, item)
        return _placed(tx, call, item, destination, now)

    return await message_reply(call, await write_message(call, move), 201)


async def copy_message(call: Call) -> Reply:
    """`POST …/copy`: 201 with the copy."""
    destination, now = _destination(call, "copy"), call.services.clock.now()
    number = call.services.numbers.next()

    def copy(tx: Tx, item: Item) -> Item:
        check_destination(tx, call.box, destination)
        call.services.quotas.check_growth(tx, call.box, item.size)
        copied = replace(
            item,
            message=item.message.copied,
            message_id=number,
            folder_id=destination,
            moves=0,
            version=1,
            created_at=now,
            modified_at=now,
        )
        messages.add(tx, copied)
        contents.copy(tx, item.mailbox_id, item.message_id, number)
        return copied

    return await message_reply(call, await write_message(call, copy), 201)


async def delete_message(call: Call) -> Reply:
    """`DELETE …/messages/{message}`: 204."""
    await throw_away(call)
    return Reply(204)


async def throw_away(call: Call) -> None:
    """Delete the message in the path, as far as its place has it deleted."""
    now = call.services.clock.now()

    def delete(tx: Tx, item: Item) -> None:
        if item.folder_id == RECOVERABLE:
            forget(tx, item)
        else:
            _unschedule(tx, item)
            is_deleted = DELETED_ITEMS in folders.ancestors(tx, item.mailbox_id, item.folder_id)
            _placed(tx, call, item, RECOVERABLE if is_deleted else DELETED_ITEMS, now)

    await write_message(call, delete)


async def delete_for_good(call: Call) -> Reply:
    """`POST …/permanentDelete`: 204.  What is on its way to somebody still arrives."""
    now = call.services.clock.now()

    def erase(tx: Tx, item: Item) -> None:
        receipting.unread(tx, call, item, now)
        forget(tx, item)

    await write_message(call, erase)
    return Reply(204)


def _destination(call: Call, operation: str) -> int:
    """The folder that the body names by id or well-known name."""
    value = json_members(call).get("destinationid")
    text = read_string(value, "DestinationId").strip()
    if not text:
        raise BadRequest(
            f"One or more parameters of the operation '{operation}' are missing from the request payload. "
            "The missing parameters are: DestinationId.",
            READ,
        )
    return folder_number(call.box, text)


def _placed(tx: Tx, call: Call, item: Item, folder: int, now: int) -> Item:
    if folder == item.folder_id:
        return item
    after = receipting.unread(tx, call, item, now) if folder == RECOVERABLE else item
    return messages.change(tx, item, replace(after, folder_id=folder, modified_at=now))


def _unschedule(tx: Tx, item: Item) -> None:
    """Who deletes a draft that waits for its time does not want it sent."""
    if item.is_draft and is_timed(item.message):
        deferrals.remove(tx, item.mailbox_id, item.message_id)
