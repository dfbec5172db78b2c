"""Replies and forwards, kept as drafts (createReply and its kin) or sent at once.

The body names a comment, a message whose properties count before those an answer has by itself, or is the whole answer
in MIME.  A body of the message's own takes the place of comment and quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from graphpost.delivery.acceptance.accepting import Source
from graphpost.delivery.acceptance.submissions import Draft, Submission
from graphpost.errors import BadRequest
from graphpost.graph.answers import message_reply
from graphpost.graph.bodies.message import read_fields, thread_fields
from graphpost.graph.bodies.payload import LARGE, media_kind, read_json
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.recipients import check_recipients, read_recipients
from graphpost.graph.bodies.values import fold, read_object, read_string, too_large
from graphpost.graph.call import Call, Reply
from graphpost.graph.converting import converted
from graphpost.graph.keys import folder_key, item_at, message_key
from graphpost.graph.prefer import time_zone_asked
from graphpost.graph.render import IN_THREAD
from graphpost.graph.sending.answering import (
    FORWARD,
    REPLY,
    REPLY_ALL,
    Manner,
    amended,
    begun,
    completed,
    quote,
    source_of,
)
from graphpost.graph.sending.mime import read_mime_draft, read_mime_message
from graphpost.graph.sending.once import Send, sending
from graphpost.graph.sending.outgoing import check_header_size, party_of, sender_of, signed
from graphpost.graph.standing import requester_of
from graphpost.mail.mailbox import DRAFTS
from graphpost.mail.message import Item, Message
from graphpost.mail.thread import conversation_of

_NOTHING: Final = frozenset({b"", b"null"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be kept or sent."""

    message: Message
    contents: dict[int, bytes]
    source: Source | None = None
    is_read: bool = True


async def create_reply(call: Call) -> Reply:
    """`POST …/createReply`: 201 with the draft of an answer to the author."""
    return await _create(call, REPLY)


async def create_reply_all(call: Call) -> Reply:
    """`POST …/createReplyAll`: 201 with the draft of an answer to everybody."""
    return await _create(call, REPLY_ALL)


async def create_forward(call: Call) -> Reply:
    """`POST …/createForward`: 201 with a draft that passes the message on."""
    return await _create(call, FORWARD)


async def _create(call: Call, manner: Manner) -> Reply:
    answer = await _answer(call, manner, sends=False)
    draft = Draft(
        mailbox=call.box,
        message=answer.message,
        contents=answer.contents,
        folder_id=DRAFTS,
        is_read=answer.is_read,
        source=answer.source,
    )
    item = await call.services.submitter.keep(draft)
    return await message_reply(call, item, 201)


def _send(manner: Manner) -> Send:
    async def send(call: Call) -> Item:
        answer = await _answer(call, manner, sends=True)
        submission = Submission(
            mailbox=call.box,
            message=answer.message,
            contents=answer.contents,
            request_id=call.request_id,
            source=answer.source,
            requester=requester_of(call.principal),
            actor=sender_of(call, answer.message),
            once=call.once,
        )
        return await call.services.submitter.submit(submission)

    return send


# `POST …/reply`, `…/replyAll` and `…/forward`: 202 once what is sent is durable.
reply: Final = sending(_send(REPLY))
reply_all: Final = sending(_send(REPLY_ALL))
forward: Final = sending(_send(FORWARD))


async def _answer(call: Call, manner: Manner, *, sends: bool) -> Answer:
    """What the call asks for; every fault of it is raised here."""
    key, folder = message_key(call), folder_key(call)
    item = await call.services.store.read(lambda tx: item_at(tx, call.box, key, folder))
    read = partial(_from_mime if _is_mime(call) else _from_json, call, manner, item, sends=sends)
    quoted = len(item.message.body.content)
    if len(call.body) > LARGE or quoted > IN_THREAD:
        return await converted(read, len(call.body) + quoted)
    return read()


def _is_mime(call: Call) -> bool:
    return (
        call.body.strip() not in _NOTHING
        and media_kind(call.headers.get("content-type"), call.body) == "mime"
    )


def _from_mime(call: Call, manner: Manner, item: Item, *, sends: bool) -> Answer:
    answer = begun(manner, call.box, item, call.services.clock.now())
    read = read_mime_message if sends else read_mime_draft
    message, contents = read(call, partial(amended, answer))
    message = replace(message, answers=answer.answers)
    if conversation_of(message.conversation_index) != conversation_of(answer.conversation_index):
        message = replace(message, conversation_index=answer.conversation_index)
    return Answer(message, contents)


def _from_json(call: Call, manner: Manner, item: Item, *, sends: bool) -> Answer:
    services, limits = call.services, call.services.limits
    reading = Reading(limits, services.numbers, services.clock.now())
    fields, comment = _read_parameters(call, manner, reading, needs_recipients=sends)
    is_read = fields.pop("is_read", True)
    body = fields.get("body") or quote(item, comment, time_zone_asked(call.headers))
    answer = begun(manner, call.box, item, reading.now)
    message = completed(manner, answer, item.message, fields, body)
    if len(message.attachments) > limits.mime_parts:
        raise too_large()
    if sends:
        check_recipients(message, limits.recipients)
        message = signed(party_of(call), message)
    check_header_size(message, limits.header_bytes)
    return Answer(message, reading.contents, source_of(item, message.attachments), is_read)


def _read_parameters(
    call: Call, manner: Manner, reading: Reading, *, needs_recipients: bool
) -> tuple[dict[str, Any], str]:
    """The properties of `message` by field, and the comment; null is as if it were not there."""
    parameters = _parameters(call)
    comment = read_string(parameters.get("comment"), "Comment")
    members = read_object(parameters.get("message"), "Message") or {}
    if not _has_content(members.get("body")):
        members.pop("body", None)
    elif comment:
        raise BadRequest(
            "Specify either the comment parameter or the body property of the message parameter, not both.",
            "ErrorInvalidRequest",
        )
    fields = read_fields({name: value for name, value in members.items() if value is not None}, reading)
    if "extended" in fields:
        fields.update(thread_fields(fields["extended"]))
    if not fields.get("to"):
        fields.pop("to", None)
    if manner.forwards:
        to = read_recipients(parameters.get("torecipients"), "ToRecipients", reading.limits.address_length)
        _check_forward(fields, to, needs_recipients=needs_recipients)
        if to:
            fields["to"] = to
    return fields, comment


def _parameters(call: Call) -> dict[str, Any]:
    if call.body.strip() in _NOTHING:
        return {}
    return fold(read_json(call.body, call.services.limits.json_depth))


def _has_content(body: Any) -> bool:
    return (read_object(body, "body") or {}).get("content") is not None


def _check_forward(fields: dict[str, Any], to: tuple[Any, ...], *, needs_recipients: bool) -> None:
    if to and "to" in fields:
        raise BadRequest(
            "Specify either the toRecipients parameter or the toRecipients property of the message parameter, "
            "not both.",
            "ErrorInvalidRequest",
        )
    if needs_recipients and not to and "to" not in fields:
        raise BadRequest(
            "At least one recipient is not valid., A message can't be sent because it contains no recipients.",
            "ErrorInvalidRecipients",
        )
