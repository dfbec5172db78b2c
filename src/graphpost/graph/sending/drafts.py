"""Drafts: made out of JSON or MIME, and sent."""

from __future__ import annotations

import asyncio
from typing import Final

from graphpost.delivery.acceptance.submissions import Draft
from graphpost.errors import NotFound, PreconditionFailed
from graphpost.graph.answers import message_reply
from graphpost.graph.attachments.attached import Stored
from graphpost.graph.bodies.message import read_draft
from graphpost.graph.bodies.payload import LARGE, media_kind, read_json
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.values import fold
from graphpost.graph.call import Call, Reply
from graphpost.graph.conditions import changed, check_match
from graphpost.graph.keys import folder_key, item_at, message_key
from graphpost.graph.sending.mime import read_mime_draft
from graphpost.graph.sending.once import sending
from graphpost.graph.sending.outgoing import check_draft, check_header_size, party_of, sender_of
from graphpost.graph.standing import requester_of
from graphpost.mail.mailbox import DRAFTS, NO_FOLDER
from graphpost.mail.message import Item
from graphpost.mail.relay import read_header
from graphpost.store import contents
from graphpost.store.store import Tx

_ATTEMPTS: Final = 10  # to send what is being changed


async def create_message(call: Call) -> Reply:
    """`POST …/messages`: 201 with the draft, in Drafts or in the folder of the path."""
    folder = folder_key(call)
    if folder == NO_FOLDER:
        raise NotFound
    is_mime = media_kind(call.headers.get("content-type"), call.body) == "mime"
    read = _read_mime if is_mime else _read_json
    place = DRAFTS if folder is None else folder
    draft = await asyncio.to_thread(read, call, place) if len(call.body) > LARGE else read(call, place)
    item = await call.services.submitter.keep(draft)
    return await message_reply(call, item, 201)


def _read_json(call: Call, folder: int) -> Draft:
    services, limits = call.services, call.services.limits
    reading = Reading(limits, services.numbers, services.clock.now())
    message, is_read = read_draft(fold(read_json(call.body, limits.json_depth)), reading)
    if len(call.body) > limits.header_bytes:
        check_header_size(message, limits.header_bytes)
    return Draft(
        mailbox=call.box, message=message, contents=reading.contents, folder_id=folder, is_read=is_read
    )


def _read_mime(call: Call, folder: int) -> Draft:
    message, held = read_mime_draft(call)
    return Draft(mailbox=call.box, message=message, contents=held, folder_id=folder)


async def _send(call: Call) -> Item:
    """`POST …/messages/{message}/send`: 202 once the draft is in Sent Items and in the queue.  A body says nothing.

    One that asks for a later time stays where it is, and waits.

    Whatever is done to the draft meanwhile: it is sent once, as one of its versions, or not at all.
    """
    key, folder = message_key(call), folder_key(call)
    for _ in range(_ATTEMPTS):
        item, stored = await call.services.store.read(
            lambda tx: _stored(tx, call, item_at(tx, call.box, key, folder))
        )
        check_match(call, item)
        if not item.is_draft:
            raise NotFound("The specified object was not found in the store., The message is not a draft.")
        message = check_draft(party_of(call), item.message, await _header(item, stored))
        try:
            return await call.services.submitter.submit_draft(
                call.box,
                item,
                message,
                call.request_id,
                requester_of(call.principal),
                call.once,
                sender_of(call, message),
            )
        except PreconditionFailed:
            continue
    raise changed()


send_draft: Final = sending(_send)


def _stored(tx: Tx, call: Call, item: Item) -> tuple[Item, Stored]:
    """The item, and its contents when it came as MIME."""
    held = {} if item.message.raw is None else contents.of_message(tx, item.mailbox_id, item.message_id)
    return item, Stored(call.services.blobs, held)


async def _header(item: Item, stored: Stored) -> bytes:
    raw = item.message.raw
    if raw is None:
        return b""
    if stored.is_at_hand(raw):
        return read_header(stored.read(raw))
    return await asyncio.to_thread(lambda: read_header(stored.read(raw)))
