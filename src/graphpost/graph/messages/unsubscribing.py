"""`POST …/unsubscribe` (beta): leaves the list that a message came from, by mail."""

from __future__ import annotations

import contextlib
from typing import Final

from graphpost.delivery.acceptance.submissions import Submission
from graphpost.errors import BadRequest, NotFound
from graphpost.graph.call import Call, Reply
from graphpost.graph.keys import folder_key, item_at, message_key
from graphpost.graph.messages.moving import throw_away
from graphpost.graph.sending.once import queue_id
from graphpost.graph.sending.outgoing import party_of, signed
from graphpost.graph.standing import requester_of
from graphpost.mail.message import Address, Body, Message
from graphpost.mail.text import preview
from graphpost.mail.unsubscribe import letter_of

_SUBJECT: Final = "Unsubscribe"


async def unsubscribe(call: Call) -> Reply:
    """202 once the letter to the list is durable; then the message goes to Deleted Items."""
    key, folder = message_key(call), folder_key(call)
    item = await call.services.store.read(lambda tx: item_at(tx, call.box, key, folder))
    letter = letter_of(item.message.unsubscribe)
    if letter is None:
        raise BadRequest("The message is not enabled for unsubscribe by mail.", "ErrorInvalidRequest")
    body = Body(letter.body)
    message = Message(
        subject=letter.subject or _SUBJECT, body=body, preview=preview(body), to=(Address(letter.to),)
    )
    sent = await call.services.submitter.submit(
        Submission(
            mailbox=call.box,
            message=signed(party_of(call), message),
            contents={},
            request_id=call.request_id,
            requester=requester_of(call.principal),
            actor=call.actor,
        )
    )
    with contextlib.suppress(NotFound):  # somebody else has moved it
        await throw_away(call)
    return Reply(202, headers=queue_id(sent.message_id))
