"""Messages as JSON entities: a getter per property, compiled for each `$select`.

The order of keys is that of real answers, which is the order of `schema.MESSAGE`; `@odata.etag` and `id` are always
there.  Ids depend on how they were asked for (Prefer: IdType), bodies too; both are in the `View`.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

from graphpost.clock import Instant
from graphpost.graph.call import Call
from graphpost.graph.html import body_value
from graphpost.graph.prefer import Preferences, read_preferences
from graphpost.graph.schema import MESSAGE, Property, Shown
from graphpost.graph.times import time_text
from graphpost.ids import change_key_text, conversation_id_text, folder_id_text, message_id_text
from graphpost.mail.message import Address, Body, BodyKind, ExtendedProperty, Flag, Item, ZonedTime
from graphpost.mail.quoted import unique_part

IN_THREAD: Final = 16_384  # characters of HTML in one answer: sanitising more would hold up other requests

_BODIES: Final = frozenset({"body", "uniqueBody"})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """For whom and how entities are written.  `mailbox` is the object id; `origin` is scheme and authority."""

    mailbox: str
    origin: str
    immutable: bool = False
    body_kind: BodyKind | str = ""
    unsafe_html: bool = False


def view_of(call: Call, preferences: Preferences | None = None) -> View:
    """How a call's answer is written."""
    asked = preferences or read_preferences(call.headers)
    return View(
        call.box.object_id.lower(),
        call.base.rpartition("/")[0],
        asked.immutable_ids,
        asked.body_kind,
        asked.unsafe_html,
    )


Getter = Callable[[Item, View], Any]
Fields = tuple[tuple[str, Getter], ...]


@lru_cache(maxsize=1024)
def message_fields(selected: tuple[str, ...], beta: bool, basic: bool) -> Fields:
    """The getters for these properties (canonical names; () the default ones), in order.

    `basic` leaves out what Mail.ReadBasic may not see.
    """
    wanted = {name.lower() for name in selected}
    return tuple(
        (each.name, _GETTERS[each.name])
        for each in MESSAGE.properties.values()
        if each.name in _GETTERS
        and (beta or not each.beta)
        and (each.basic or not basic)
        and _is_shown(each, wanted)
    )


def message_entity(item: Item, fields: Fields, view: View) -> dict[str, Any]:
    """The entity, without `@odata.context` and without what is expanded."""
    entity: dict[str, Any] = {"@odata.etag": etag(item.message_id, item.version)}
    for name, getter in fields:
        entity[name] = getter(item, view)
    return entity


async def rendered(items: Iterable[Item], fields: Fields, render: Callable[[], T]) -> T:
    """`render()`, in a thread when it will sanitise much HTML of these items."""
    shown = sum(name in _BODIES for name, _ in fields)
    if shown and shown * sum(_markup(item) for item in items) > IN_THREAD:
        return await asyncio.to_thread(render)
    return render()


def _markup(item: Item) -> int:
    body = item.message.body
    return len(body.content) if body.kind == "html" else 0


def etag(number: int, version: int) -> str:
    """`W/"changeKey"`."""
    return f'W/"{change_key_text(number, version)}"'


def message_id(item: Item, view: View) -> str:
    """The message's id in the form that was asked for."""
    return message_id_text(view.mailbox, item.message_id, item.moves, immutable=view.immutable)


@lru_cache(maxsize=4096)
def folder_id(mailbox: str, number: int) -> str:
    """A folder's id; folders have one form alone."""
    return folder_id_text(mailbox, number)


def recipient_value(address: Address) -> dict[str, dict[str, str]]:
    """A recipient; one without a name shows its address as name."""
    return {"emailAddress": {"name": address.name or address.address, "address": address.address}}


def time_value(instant: Instant) -> str | None:
    """The instant, or null when there is none (0)."""
    return time_text(instant) if instant else None


def extended_value(each: ExtendedProperty) -> dict[str, str | list[str]]:
    """A single-value or multi-value extended property."""
    return {"id": each.property_id, "value": each.value if isinstance(each.value, str) else list(each.value)}


def _is_shown(each: Property, wanted: set[str]) -> bool:
    if each.name == "id":
        return True
    return each.name.lower() in wanted if wanted else each.shown is Shown.DEFAULT


def _recipients(field: str) -> Getter:
    return lambda item, view: [recipient_value(each) for each in getattr(item.message, field)]


def _recipient(field: str) -> Getter:
    def get(item: Item, view: View) -> dict[str, dict[str, str]] | None:
        address = getattr(item.message, field)
        return recipient_value(address) if address else None

    return get


def _body(body: Body, view: View) -> dict[str, str]:
    return body_value(body, view.body_kind, unsafe=view.unsafe_html)


def _conversation(item: Item, view: View) -> str | None:
    return conversation_id_text(view.mailbox, item.conversation_id) if item.conversation_id else None


def _index(item: Item, view: View) -> str | None:
    return b64encode(item.message.conversation_index).decode() if item.message.conversation_index else None


def _web_link(item: Item, view: View) -> str:
    link = message_id(item, view).replace("=", "%3D")  # the rest of its alphabet needs no escape
    return f"{view.origin}/owa/?ItemID={link}&exvsurl=1&viewmodel=ReadMessageItem"


def _flag(item: Item, view: View) -> dict[str, Any]:
    flag: Flag = item.message.flag
    value: dict[str, Any] = {"flagStatus": flag.status}
    for name, time in (
        ("completedDateTime", flag.completed),
        ("dueDateTime", flag.due),
        ("startDateTime", flag.start),
    ):
        if time is not None:
            value[name] = _zoned(time)
    return value


def _zoned(time: ZonedTime) -> dict[str, str]:
    """With the seven fraction digits that Graph writes."""
    whole, _, fraction = time.date_time.partition(".")
    return {"dateTime": f"{whole}.{fraction[:7]:0<7}", "timeZone": time.time_zone}


_GETTERS: Final[dict[str, Getter]] = {
    "id": message_id,
    "createdDateTime": lambda item, view: time_value(item.created_at),
    "lastModifiedDateTime": lambda item, view: time_value(item.modified_at),
    "changeKey": lambda item, view: change_key_text(item.message_id, item.version),
    "categories": lambda item, view: list(item.message.categories),
    "receivedDateTime": lambda item, view: time_value(item.received_at),
    "sentDateTime": lambda item, view: time_value(item.sent_at),
    "hasAttachments": lambda item, view: item.message.has_attachments,
    "internetMessageId": lambda item, view: item.message.internet_message_id or None,
    "internetMessageHeaders": lambda item, view: [
        {"name": header.name, "value": header.value} for header in item.message.headers
    ],
    "subject": lambda item, view: item.message.subject,
    "bodyPreview": lambda item, view: item.message.preview,
    "importance": lambda item, view: item.message.importance,
    "parentFolderId": lambda item, view: folder_id(view.mailbox, item.folder_id),
    "conversationId": _conversation,
    "conversationIndex": _index,
    "isDeliveryReceiptRequested": lambda item, view: item.message.is_delivery_receipt_requested,
    "isReadReceiptRequested": lambda item, view: item.message.is_read_receipt_requested,
    "isRead": lambda item, view: item.is_read,
    "isDraft": lambda item, view: item.is_draft,
    "webLink": _web_link,
    "mentionsPreview": lambda item, view: None,
    "inferenceClassification": lambda item, view: item.message.inference,
    "unsubscribeData": lambda item, view: list(item.message.unsubscribe),
    "unsubscribeEnabled": lambda item, view: bool(item.message.unsubscribe),
    "body": lambda item, view: _body(item.message.body, view),
    "uniqueBody": lambda item, view: _body(unique_part(item.message.body), view),
    "sender": _recipient("sender"),
    "from": _recipient("from_"),
    "toRecipients": _recipients("to"),
    "ccRecipients": _recipients("cc"),
    "bccRecipients": _recipients("bcc"),
    "replyTo": _recipients("reply_to"),
    "flag": _flag,
}
