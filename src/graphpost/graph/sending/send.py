"""sendMail: a message out of JSON or MIME, its sender checked, handed to delivery."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from graphpost.delivery.acceptance.submissions import Submission
from graphpost.errors import BadRequest
from graphpost.graph.answers import message_reply
from graphpost.graph.bodies.message import is_message, read_message
from graphpost.graph.bodies.payload import LARGE, media_kind, read_json
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.recipients import check_recipients
from graphpost.graph.bodies.values import READ, fold, read_boolean, unexpected
from graphpost.graph.call import Call, Reply
from graphpost.graph.prefer import wants_representation
from graphpost.graph.sending.mime import read_mime_message
from graphpost.graph.sending.once import queue_id, sending
from graphpost.graph.sending.outgoing import check_header_size, party_of, sender_of, signed
from graphpost.graph.standing import requester_of
from graphpost.mail.message import Item


async def _send(call: Call) -> Item:
    read = read_mime_submission if _is_mime(call) else read_json_submission
    submission = await asyncio.to_thread(read, call) if len(call.body) > LARGE else read(call)
    return await call.services.submitter.submit(submission)


def _is_mime(call: Call) -> bool:
    return media_kind(call.headers.get("content-type"), call.body) == "mime"


async def _answer(call: Call, message_id: int, item: Item | None) -> Reply:
    """202; or 201 with the message, when it came as MIME and the client asks for it."""
    headers = queue_id(message_id)
    if (
        item is not None
        and "prefer" in call.headers
        and _is_mime(call)
        and wants_representation(call.headers)
    ):
        return await message_reply(
            call, item, 201, {"Preference-Applied": "return=representation", **headers}
        )
    return Reply(202, headers=headers)


async def _answer_through_device(call: Call, message_id: int, item: Item | None) -> Reply:
    """204, which is what the page of that path promises (docs/quirks.md)."""
    return Reply(204, headers=queue_id(message_id))


# `POST …/sendMail`: answered once the message is durable.
send_mail: Final = sending(_send, _answer)
send_mail_through_device: Final = sending(_send, _answer_through_device)


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
        actor=sender_of(call, message),
        once=call.once,
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
        actor=sender_of(call, message),
        once=call.once,
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
