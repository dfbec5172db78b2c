"""`updateAllMessagesReadState` (beta): messages of a folder read, or unread.

In steps, one bounded transaction after the other: a folder may be large.  What arrives meanwhile may come too late.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from graphpost.errors import BadRequest
from graphpost.graph import receipting
from graphpost.graph.bodies.values import READ, read_boolean
from graphpost.graph.call import Call, Reply
from graphpost.graph.keys import folder_at, folder_key
from graphpost.graph.writing import json_members
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx

_STEP: Final = 200  # messages


async def update_read_state(call: Call) -> Reply:
    """204 when there is none left that is not so."""
    members, number = json_members(call), folder_key(call)
    assert number is not None
    wanted = read_boolean(members.get("isread"), "isRead")
    is_silent = read_boolean(members.get("suppressreceipts"), "suppressReceipts")
    if wanted is None:
        raise BadRequest(
            "One or more parameters of the operation 'updateAllMessagesReadState' are missing from the request "
            "payload. The missing parameters are: isRead.",
            READ,
        )
    box, now = call.box.mailbox_id, call.services.clock.now()

    def step(tx: Tx) -> bool:
        folder_at(tx, call.box, number)
        found = messages.find(tx, box, folder_id=number, where=("is_read = ?", (int(not wanted),)), top=_STEP)
        for each in found:
            item = messages.get(tx, box, each.message_id)  # from here on nobody else changes it
            if item is not None and item.folder_id == number and item.is_read is not wanted:
                after = replace(item, is_read=wanted, modified_at=now)
                if is_silent and wanted:
                    after = receipting.silent(after)
                messages.change(tx, item, receipting.read(tx, call, item, after, now))
        return not found

    while not await call.services.store.write(step):
        pass
    return Reply(204)
