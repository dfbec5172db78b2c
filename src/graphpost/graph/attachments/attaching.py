"""Adding attachments to drafts, and deleting them.

Each is one transaction that reads the draft and writes it: of two at the same time both are there afterwards.  A draft that
came as MIME is no longer those bytes then, and is composed anew when it is sent.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.config import LimitSettings
from graphpost.errors import BadRequest, TooLarge
from graphpost.graph.attachments.attached import AttachmentForm, Stored
from graphpost.graph.bodies.attachments import read_attachment
from graphpost.graph.bodies.message import read_message
from graphpost.graph.bodies.payload import LARGE
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.values import too_large
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, keyed, user_context
from graphpost.graph.keys import attachment_number, attachment_of, folder_key, item_at, message_key
from graphpost.graph.render import message_id, view_of
from graphpost.graph.streaming import Embedded, json_reply
from graphpost.graph.writing import json_members, write_message
from graphpost.mail.compose import anew
from graphpost.mail.message import Attachment, Item, Message
from graphpost.store import contents
from graphpost.store.contents import Content
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx


async def add_attachment(call: Call) -> Reply:
    """POST …/messages/{message}/attachments: 201 and the attachment."""
    services, key, folder = call.services, message_key(call), folder_key(call)
    await services.store.read(lambda tx: check_draft(item_at(tx, call.box, key, folder)))
    is_large = len(call.body) > LARGE
    attachment, kept = await asyncio.to_thread(_read, call) if is_large else _read(call)

    def add(tx: Tx, item: Item) -> Item:
        check_draft(item)
        check_room(item.message, attachment.size, services.limits)
        services.quotas.check_growth(tx, call.box, attachment.size)
        return attach(tx, item, attachment, kept, services.clock.now())

    item = await write_message(call, add)
    form = AttachmentForm(view_of(call), (), call.version == "beta", Embedded())
    stored = Stored(services.blobs, {content.content_id: content for content in kept})
    entity = form.entity(item, attachment, stored)
    place = (user_context(call), keyed("messages", message_id(item, form.view)), "attachments")
    location = f"{call.base}/{'/'.join(place[:2])}/{keyed('attachments', entity['id'])}"
    body = {"@odata.context": context(call, *place, single=True), **entity}
    return json_reply(body, form.embedded, {"Location": location}, status=201)


async def delete_attachment(call: Call) -> Reply:
    """DELETE …/attachments/{attachment}: 204."""
    number = attachment_number(call)

    def delete(tx: Tx, item: Item) -> None:
        check_draft(item)
        gone = attachment_of(item, number)
        left = tuple(each for each in item.message.attachments if each is not gone)
        _write(tx, item, left, -gone.size, call.services.clock.now())

    await write_message(call, delete)
    return Reply(204)


def check_draft(item: Item) -> None:
    """Raise when the attachments of a message cannot be changed any more."""
    if not item.is_draft:
        raise BadRequest("Attachments can be changed in drafts only.", "ErrorInvalidRequest")


def check_room(message: Message, size: int, limits: LimitSettings) -> None:
    """Raise when an attachment of that size would make the message larger than a message may be."""
    if size + sum(each.size for each in message.attachments) > limits.message_bytes:
        raise TooLarge("The message exceeds the maximum supported size.", "ErrorMessageSizeExceeded")
    if len(message.attachments) >= limits.mime_parts:
        raise too_large()


def attach(tx: Tx, item: Item, attachment: Attachment, kept: list[Content], now: Instant) -> Item:
    """The item with one attachment more, whose bytes are `kept`; the ids in it are new ones."""
    contents.add(tx, item.mailbox_id, item.message_id, kept)
    return _write(tx, item, (*item.message.attachments, attachment), attachment.size, now)


def _read(call: Call) -> tuple[Attachment, list[Content]]:
    services = call.services
    reading = Reading(services.limits, services.numbers, services.clock.now())
    # Numbers are never used again, so that the id of a deleted attachment does not come to name another one.
    attachment = read_attachment(json_members(call), services.numbers.next(), reading, read_message)
    return attachment, [
        contents.prepare(services.blobs, content_id, data, services.inline_limit)
        for content_id, data in reading.contents.items()
    ]


def _write(tx: Tx, item: Item, attachments: tuple[Attachment, ...], more: int, now: Instant) -> Item:
    before = item.message
    message = replace(before if before.raw is None else anew(before), attachments=attachments)
    unused = _content_ids(before) - _content_ids(message)
    contents.remove_some(tx, item.mailbox_id, item.message_id, sorted(unused))
    changed = replace(item, message=message, modified_at=now, size=max(0, item.size + more))
    return messages.change(tx, item, changed)


def _content_ids(message: Message) -> set[int]:
    refs = [each.content for each in message.attachments] + [message.raw]
    return {ref.content_id for ref in refs if ref is not None}
