"""sendMail: a message out of JSON or MIME, its sender checked, handed to delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from graphpost.auth.access import check_sender
from graphpost.delivery.submit import Submission
from graphpost.errors import BadRequest
from graphpost.graph.bodies import is_message, read_message
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, keyed, user_context
from graphpost.graph.mime_in import read_mime_message
from graphpost.graph.payload import LARGE, media_kind, read_json
from graphpost.graph.prefer import wants_representation
from graphpost.graph.reading import Reading
from graphpost.graph.recipients import check_recipients
from graphpost.graph.render import message_entity, message_fields, view_of
from graphpost.graph.values import READ, fold, read_boolean, too_large, unexpected
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Item, Message

QUEUE_ID: Final = (
    "x-graphpost-message-id"  # what `graphpost queue` calls the message; Graph has no such header
)


async def send_mail(call: Call) -> Reply:
    """`POST …/sendMail`: 202 once the message is durable."""
    is_mime = media_kind(call.headers.get("content-type"), call.body) == "mime"
    item = await _submit(call, read_mime_submission if is_mime else read_json_submission)
    if is_mime and wants_representation(call.headers):
        return _created(call, item)
    return Reply(202, headers=_queue_id(item))


async def send_mail_through_device(call: Call) -> Reply:
    """The same under managedDevices, whose page promises 204 (docs/quirks.md)."""
    reply = await send_mail(call)
    return Reply(204, headers={QUEUE_ID: reply.headers[QUEUE_ID]})


async def _submit(call: Call, read: Callable[[Call], Submission]) -> Item:
    submission = await asyncio.to_thread(read, call) if len(call.body) > LARGE else read(call)
    return await call.services.submitter.submit(submission)


def _queue_id(item: Item) -> dict[str, str]:
    return {QUEUE_ID: f"{item.message_id:016x}"}


def _created(call: Call, item: Item) -> Reply:
    """The answer one page prints for MIME: the message as an entity.  Only for who asks (docs/quirks.md)."""
    entity = message_entity(item, message_fields((), call.version == "beta", False), view_of(call))
    where = context(call, user_context(call), "messages", single=True)
    location = f"{call.base}/{user_context(call)}/{keyed('messages', entity['id'])}"
    headers = {"Preference-Applied": "return=representation", "Location": location, **_queue_id(item)}
    return Reply(201, {"@odata.context": where, **entity}, headers=headers)


def read_json_submission(call: Call) -> Submission:
    """What a JSON body asks to be sent; every fault of it is raised here."""
    services, limits = call.services, call.services.limits
    parameters = fold(read_json(call.body, limits.json_depth))
    saves = read_boolean(parameters.get("savetosentitems"), "SaveToSentItems")
    reading = Reading(limits, services.numbers, services.clock.now())
    message = read_message(_message_members(parameters), reading)
    check_recipients(message, limits.recipients)
    if len(call.body) > limits.header_bytes:
        _check_header_size(message, limits.header_bytes)
    message = _signed(call, message)
    return Submission(
        mailbox=call.box,
        message=message,
        contents=reading.contents,
        save=saves is not False,
        request_id=call.request_id,
    )


def read_mime_submission(call: Call) -> Submission:
    """What a MIME body asks to be sent; it always leaves a copy in Sent Items (§3.2)."""
    message, contents = read_mime_message(call)
    return Submission(
        mailbox=call.box, message=message, contents=contents, save=True, request_id=call.request_id
    )


def _message_members(parameters: dict[str, Any]) -> dict[str, Any]:
    """The message among the parameters; or the parameters themselves when they are one (§1.2 example 5)."""
    message = parameters.get("message")
    if type(message) is dict:
        return fold(message)
    if message is not None:
        raise unexpected(message, "Message", "StartObject")
    if "message" not in parameters and is_message(parameters):
        return parameters
    raise BadRequest(
        "One or more parameters of the operation 'sendMail' are missing from the request payload. "
        "The missing parameters are: Message.",
        READ,
    )


def _check_header_size(message: Message, limit: int) -> None:
    """Raise when what stands in the header is longer than a header may be (§11), in characters."""
    texts = [message.subject, *(part for header in message.headers for part in (header.name, header.value))]
    texts += [
        part for person in message.recipients + message.reply_to for part in (person.address, person.name)
    ]
    texts += [
        text
        for row in message.extended
        for text in ([row.value] if isinstance(row.value, str) else row.value)
    ]
    if sum(map(len, texts)) > limit:
        raise too_large()


def _signed(call: Call, message: Message) -> Message:
    """The message with its from and sender, which the principal must be allowed to use."""
    mailbox = call.box
    for given in (message.from_, message.sender):
        if given is not None:
            check_sender(call.principal, mailbox, given.address)
    if message.from_ is None and message.sender is None:
        own = own_address(mailbox)
        return replace(message, from_=own, sender=own)
    author = message.from_ or message.sender
    assert author is not None
    # Exchange shows the mailbox's name whatever name the client gives an own address.
    author = Address(author.address, mailbox.name or author.name)
    return replace(message, from_=author, sender=author)


def own_address(mailbox: Mailbox) -> Address:
    """The mailbox as the author of a message."""
    return Address(mailbox.address, mailbox.name)
