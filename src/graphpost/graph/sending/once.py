"""Sending once: the same request again is answered as the first, and not sent.

Graph has nothing like it: whoever repeats a sendMail whose answer was lost may send it twice.  Here a client asks for it
with `Prefer: idempotent`, or the setting `idempotency.always` does for all, and says with `client-request-id` which
requests are one.  What makes two requests the same is all of it: who asks, the id, the path and the body; so a client
that has one id for everything loses no message, and only what is the same to the last octet is sent once.

The requests of a batch that give no id have the batch's, and are told apart by their own in it.  Only what was sent is
remembered.  A refused request can be repeated, and is looked at anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from graphpost.clock import SECOND
from graphpost.config import IdempotencySettings
from graphpost.errors import GraphError
from graphpost.graph.bodies.payload import LARGE
from graphpost.graph.call import PART, Call, Reply
from graphpost.mail.mailbox import NO_FOLDER, RECOVERABLE
from graphpost.mail.message import Item
from graphpost.store import repeats
from graphpost.store.mailbox import messages
from graphpost.store.repeats import DoneBefore, Once
from graphpost.store.store import Tx

Handler = Callable[[Call], Awaitable[Reply]]
Send = Callable[[Call], Awaitable[Item]]  # makes it durable
Answer = Callable[
    [Call, int, Item | None], Awaitable[Reply]
]  # the message's number; the message, unless it is gone

QUEUE_ID: Final = (
    "x-graphpost-message-id"  # what `graphpost queue` calls the message; Graph has no such header
)
REPEATED: Final = "x-graphpost-repeated"
PREFERENCE: Final = "idempotent"
_GONE: Final = (NO_FOLDER, RECOVERABLE)
_ASKED: Final = re.compile(rf"(?:^|[,;])\s*{PREFERENCE}\s*(?:$|[,;])", re.IGNORECASE)


def queue_id(message_id: int) -> dict[str, str]:
    """The header that names the message in the queue."""
    return {QUEUE_ID: f"{message_id:016x}"}


async def accepted(call: Call, message_id: int, item: Item | None) -> Reply:
    """Graph's answer to what sends: nothing but 202."""
    return Reply(202, headers=queue_id(message_id))


def sending(send: Send, answer: Answer = accepted) -> Handler:
    """A handler that sends, and answers; it does the first once when the client asks for that."""

    async def handle(call: Call) -> Reply:
        if call.headers.get("client-request-id") and _is_asked(call.headers, call.services.idempotency):
            return await _once(send, answer, call)
        item = await send(call)
        return await answer(call, item.message_id, item)

    return handle


def _is_asked(headers: Mapping[str, str], settings: IdempotencySettings) -> bool:
    return settings.always or ("prefer" in headers and _ASKED.search(headers["prefer"]) is not None)


async def _once(send: Send, answer: Answer, call: Call) -> Reply:
    services = call.services
    since = services.clock.now() - int(services.idempotency.seconds * SECOND)
    digest = await asyncio.to_thread(_digest, call) if len(call.body) > LARGE else _digest(call)
    call = replace(call, once=Once(digest, since))
    found = await _find(call)
    if found is None:
        try:
            item = await send(call)
            return _applied(await answer(call, item.message_id, item))
        except (DoneBefore, GraphError):  # GraphError: who was quicker has taken the draft away
            found = await _find(call)
            if found is None:
                raise
    return _applied(await answer(call, *found), {REPEATED: "true"})


async def _find(call: Call) -> tuple[int, Item | None] | None:
    """What the same request became: the message's number, and the message while it is there."""

    def find(tx: Tx) -> tuple[int, Item | None] | None:
        assert call.once is not None
        number = repeats.find(tx, call.box.mailbox_id, call.once)
        if number is None:
            return None
        item = messages.get(tx, call.box.mailbox_id, number)
        return number, None if item is None or item.folder_id in _GONE else item

    return await call.services.store.read(find)


def _applied(reply: Reply, more: Mapping[str, str] = MappingProxyType({})) -> Reply:
    """The reply, which says that what was asked for was done."""
    others = reply.headers.get("Preference-Applied")
    applied = f"{others}, {PREFERENCE}" if others else PREFERENCE
    return replace(reply, headers={**reply.headers, **more, "Preference-Applied": applied})


def _digest(call: Call) -> bytes:
    """Of all that makes two requests the same; each part with its length, so that none can pass for another's end."""
    principal, headers = call.principal, call.headers
    digest = hashlib.sha256()
    for part in (
        principal.client_id,
        principal.object_id,
        headers["client-request-id"],
        headers.get(PART, ""),
        f"{call.version}{call.path}",
        headers.get("content-type", ""),
    ):
        data = part.encode("utf-8", "surrogateescape")
        digest.update(b"%d:%b" % (len(data), data))
    digest.update(call.body)
    return digest.digest()
