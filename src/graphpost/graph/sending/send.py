"""sendMail: a message out of JSON or MIME, its sender checked, handed to delivery."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from graphpost.delivery.submit import Submission
from graphpost.errors import BadRequest
from graphpost.graph.answers import message_reply
from graphpost.graph.bodies.message import is_message, read_message
from graphpost.graph.bodies.payload import LARGE, media_kind, read_json
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.recipients import check_recipients
from graphpost.graph.bodies.values import READ, fold, read_boolean, unexpected
from graphpost.graph.call import Call, Reply
from graphpost.graph.prefer import wants_representation
from graphpost.graph.sending.due import requester_of
from graphpost.graph.sending.mime import read_mime_message
from graphpost.graph.sending.outgoing import check_header_size, party_of, signed
from graphpost.mail.message import Item

QUEUE_ID: Final = (
    "x-graphpost-message-id"  # what `graphpost queue` calls the message; Graph has no such header
)


async def send_mail(call: Call) -> Reply:
    """`POST …/sendMail`: 202 once the message is durable."""
    is_mime = media_kind(call.headers.get("content-type"), call.body) == "mime"
    read = read_mime_submission if is_mime else read_json_submission
    submission = await asyncio.to_thread(read, call) if len(call.body) > LARGE else read(call)
    item = await call.services.submitter.submit(submission)
    if is_mime and wants_representation(call.headers):
        headers = {"Preference-Applied": "return=representation", **queue_id(item)}
        return await message_reply(call, item, 201, headers)
    return Reply(202, headers=queue_id(item))


async def send_mail_through_device(call: Call) -> Reply:
    """The same under managedDevices, whose page promises 204 (docs/quirks.md)."""
    reply = await send_mail(call)
    return Reply(204, headers={QUEUE_ID: reply.headers[QUEUE_ID]})


def queue_id(item: Item) -> dict[str, str]:
    """The header that names the message in the queue."""
    return {QUEUE_ID: f"{item.message_id:016x}"}


def read_json_submission(call: Call) -> Submission:
    """What a JSON body asks to be sent; every fault of it is raised here."""
    services, limits = call.services, call.services.limits
    parameters = fold(read_json(call.body, limits.json_depth))
    saves = read_boolean(parameters.get("savetosentitems"), "SaveToSentItems")
    reading = Reading(limits, services.numbers, services.clock.now())
    message = read_message(_message_members(parameters), reading)
    check_recipients(message, limits.recipients)
    if len(call.body) > limits.header_bytes:
        check_header_size(message, limits.header_bytes)
    message = signed(party_of(call), message)
    return Submission(
        mailbox=call.box,
        message=message,
        contents=reading.contents,
        save=saves is not False,
        request_id=call.request_id,
        requester=requester_of(call.principal),
    )


def read_mime_submission(call: Call) -> Submission:
    """What a MIME body asks to be sent; it always leaves a copy in Sent Items (§3.2)."""
    message, contents = read_mime_message(call)
    return Submission(
        mailbox=call.box,
        message=message,
        contents=contents,
        save=True,
        request_id=call.request_id,
        requester=requester_of(call.principal),
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
