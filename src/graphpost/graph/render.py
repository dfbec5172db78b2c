"""Messages as JSON entities: a getter per property, compiled for each `$select`.

The order of keys is that of real answers, which is the order of `schema.MESSAGE`; `@odata.etag` and `id` are always
there.  Ids depend on how they were asked for (Prefer: IdType), bodies too; both are in the `View`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeVar

from graphpost.clock import Instant, to_text
from graphpost.graph.bodies.zones import zone_named
from graphpost.graph.call import Call
from graphpost.graph.converting import converted
from graphpost.graph.html import body_value
from graphpost.graph.prefer import Preferences, read_preferences
from graphpost.graph.schema import MESSAGE, Kind, Property, Shown
from graphpost.ids import change_key_text, conversation_id_text, folder_id_text, message_id_text
from graphpost.mail.message import (
    Address,
    Body,
    BodyKind,
    ExtendedProperty,
    Flag,
    Item,
    Mention,
    ZonedTime,
)
from graphpost.mail.quoted import unique_part

IN_THREAD: Final = 16_384  # characters of HTML in one answer: sanitising more would hold up other requests

_BODIES: Final = frozenset({"body", "uniqueBody"})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """For whom and how entities are written.

    `mailbox` is the object id; `origin` is scheme and authority; local times are in `zone`, when it is one.
    """

    mailbox: str
    origin: str
    immutable: bool = False
    body_kind: BodyKind | str = ""
    unsafe_html: bool = False
    zone: str = ""


def view_of(call: Call, preferences: Preferences | None = None) -> View:
    """How a call's answer is written."""
    asked = preferences or read_preferences(call.headers)
    return View(
        call.box.object_id.lower(),
        call.base.rpartition("/")[0],
        asked.immutable_ids,
        asked.body_kind,
        asked.unsafe_html,
        asked.time_zone,
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
        if each.shown is not Shown.EXPAND
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
    if shown and (size := shown * sum(_markup(item) for item in items)) > IN_THREAD:
        return await converted(render, size)
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
    return to_text(instant) if instant else None


def extended_value(each: ExtendedProperty) -> dict[str, str | list[str]]:
    """A single-value or multi-value extended property."""
    return {"id": each.property_id, "value": each.value if isinstance(each.value, str) else list(each.value)}


def mention_value(mention: Mention, author: Address | None) -> dict[str, Any]:
    """A `mention` of a message that this author wrote."""
    by, at = mention.created_by or author, time_value(mention.created_at)
    return {
        "id": mention.mention_id,
        "application": mention.application or None,
        "clientReference": mention.client_reference or None,
        "createdBy": recipient_value(by)["emailAddress"] if by is not None else None,
        "createdDateTime": at,
        "deepLink": mention.deep_link or None,
        "mentioned": recipient_value(mention.mentioned)["emailAddress"],
        "mentionText": mention.text or None,
        "serverCreatedDateTime": at,
    }


def _is_shown(each: Property, wanted: set[str]) -> bool:
    if each.name == "id":
        return True
    return each.name.lower() in wanted if wanted else each.shown is Shown.DEFAULT


def _body(body: Body, view: View) -> dict[str, str]:
    return body_value(body, view.body_kind, unsafe=view.unsafe_html)


def _conversation(item: Item, view: View) -> str | None:
    return conversation_id_text(view.mailbox, item.conversation_id) if item.conversation_id else None


def _web_link(item: Item, view: View) -> str:
    link = message_id(item, view).replace("=", "%3D")  # the rest of its alphabet needs no escape
    return f"{view.origin}/owa/?ItemID={link}&exvsurl=1&viewmodel=ReadMessageItem"


def _flag_value(flag: Flag, zone: str) -> dict[str, Any]:
    value: dict[str, Any] = {"flagStatus": flag.status}
    for name, time in (
        ("completedDateTime", flag.completed),
        ("dueDateTime", flag.due),
        ("startDateTime", flag.start),
    ):
        if time is not None:
            value[name] = zoned_value(in_zone(time, zone) if zone else time)
    return value


def in_zone(time: ZonedTime, zone: str) -> ZonedTime:
    """The same time as clocks of another zone show it; unchanged when it, or a zone, is not known there."""
    source, target = zone_named(time.time_zone), zone_named(zone)
    if source is None or target is None:
        return time
    whole, point, fraction = time.date_time.partition(".")
    try:
        shown = datetime.fromisoformat(whole).replace(tzinfo=source).astimezone(target)
    except (OverflowError, ValueError):  # the first and the last day there is
        return time
    return ZonedTime(shown.replace(tzinfo=None).isoformat() + point + fraction, zone)


def zoned_value(time: ZonedTime) -> dict[str, str]:
    """A `dateTimeTimeZone`, with the seven fraction digits that Graph writes."""
    whole, _, fraction = time.date_time.partition(".")
    return {"dateTime": f"{whole}.{fraction[:7]:0<7}", "timeZone": time.time_zone}


def _getter(row: Property) -> Getter:
    """How a property is read: as its kind is written, from the field that the table names."""
    if not row.field or row.name in _COMPUTED:
        return _COMPUTED[row.name]
    read = attrgetter(row.field if row.field in Item.__struct_fields__ else f"message.{row.field}")
    match row.kind, row.collection:
        case Kind.DATETIME, False:
            return lambda item, view: time_value(read(item))
        case Kind.BINARY, False:
            return lambda item, view: b64encode(value).decode() if (value := read(item)) else None
        case Kind.RECIPIENT, False:
            return lambda item, view: recipient_value(address) if (address := read(item)) else None
        case Kind.RECIPIENT, True:
            return lambda item, view: [recipient_value(each) for each in read(item)]
        case Kind.HEADER, True:
            return lambda item, view: [{"name": each.name, "value": each.value} for each in read(item)]
        case Kind.BODY, False:
            return lambda item, view: _body(read(item), view)
        case Kind.FLAG, False:
            return lambda item, view: _flag_value(read(item), view.zone)
        case Kind.STRING, True:
            return lambda item, view: list(read(item))
        case ((Kind.STRING | Kind.BOOLEAN | Kind.ENUM), False):
            return lambda item, view: read(item)
    raise AssertionError(f"no getter for {row.name}")


_COMPUTED: Final[dict[str, Getter]] = {
    "id": message_id,
    "changeKey": lambda item, view: change_key_text(item.message_id, item.version),
    "hasAttachments": lambda item, view: item.message.has_attachments,
    "internetMessageId": lambda item, view: item.message.internet_message_id or None,
    "parentFolderId": lambda item, view: folder_id(view.mailbox, item.folder_id),
    "conversationId": _conversation,
    "webLink": _web_link,
    "mentionsPreview": lambda item, view: {"isMentioned": item.message.is_mentioned},
    "unsubscribeEnabled": lambda item, view: bool(item.message.unsubscribe),
    "uniqueBody": lambda item, view: _body(unique_part(item.message.body), view),
}
_GETTERS: Final = {
    row.name: _getter(row) for row in MESSAGE.properties.values() if row.shown is not Shown.EXPAND
}
