"""Reading attachments: lists, entities with their bytes, raw bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from graphpost.errors import MethodNotAllowed, NotFound
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import DEFAULT_PAGE, context, keyed, page, user_context
from graphpost.graph.keys import attachment_number, attachment_of, folder_key, item_at, message_key
from graphpost.graph.prefer import read_preferences
from graphpost.graph.render import View, message_id, time_value, view_of
from graphpost.graph.schema import EntityType, Kind, Property, entity
from graphpost.graph.selection import read_options, select_names
from graphpost.graph.streaming import Embedded, json_reply, streamed
from graphpost.ids import attachment_id_text
from graphpost.mail.encoding import decode
from graphpost.mail.message import Attachment, ContentRef, Item
from graphpost.store import contents
from graphpost.store.contents import Content
from graphpost.store.store import Tx

ATTACHMENT: Final[EntityType] = entity(
    "microsoft.graph.attachment",
    Property("id", Kind.STRING),
    Property("lastModifiedDateTime", Kind.DATETIME),
    Property("name", Kind.STRING),
    Property("contentType", Kind.STRING),
    Property("size", Kind.INT32),
    Property("isInline", Kind.BOOLEAN),
    Property("contentId", Kind.STRING),
    Property("contentLocation", Kind.STRING),
    Property("contentBytes", Kind.BINARY),
    Property("sourceUrl", Kind.STRING, beta=True),
    Property("providerType", Kind.ENUM, beta=True),
    Property("permission", Kind.ENUM, beta=True),
    Property("isFolder", Kind.BOOLEAN, beta=True),
)
_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(?:\s*;[\x20-\x7e]*)?", re.ASCII)

Read = Callable[[ContentRef], Iterator[bytes]]
Found = tuple[Item, dict[int, Content]]


@dataclass(frozen=True, slots=True)
class AttachmentForm:
    """How attachments are written in one answer: the properties (canonical names; () all), and whose contents."""

    view: View
    names: tuple[str, ...]
    beta: bool
    embedded: Embedded

    def entity(self, item: Item, attachment: Attachment, read: Read) -> dict[str, Any]:
        """One attachment; a file's bytes are in it unless `$select` leaves them out."""
        value: dict[str, Any] = {"@odata.type": f"#microsoft.graph.{attachment.kind}Attachment"}
        if attachment.kind == "file":
            value["@odata.mediaContentType"] = attachment.content_type
        members = self._members(item, attachment)
        wanted = {"id", *self.names} if self.names else members
        value.update({name: member for name, member in members.items() if name in wanted})
        if attachment.kind == "file" and (not self.names or "contentBytes" in self.names):
            value["contentBytes"] = self._bytes(attachment, read)
        return value

    def _members(self, item: Item, attachment: Attachment) -> dict[str, Any]:
        members: dict[str, Any] = {
            "id": attachment_id_text(
                self.view.mailbox, item.message_id, item.moves, attachment.attachment_id
            ),
            "lastModifiedDateTime": time_value(attachment.modified_at or item.modified_at),
            "name": attachment.name,
            "contentType": attachment.content_type if attachment.kind == "file" else None,
            "size": attachment.size,
            "isInline": attachment.is_inline,
        }
        if attachment.kind == "file":
            members["contentId"] = attachment.content_id or None
            members["contentLocation"] = attachment.content_location or None
        elif attachment.kind == "reference" and self.beta:
            members["sourceUrl"] = attachment.source_url or None
            members["providerType"] = attachment.provider_type or "other"
            members["permission"] = attachment.permission or "other"
            members["isFolder"] = attachment.is_folder
        return members

    def _bytes(self, attachment: Attachment, read: Read) -> str:
        if attachment.content is None or attachment.size == 0:
            return ""
        return self.embedded.add(partial(read, attachment.content))


def reader(call: Call, found: dict[int, Content]) -> Read:
    """Reads what a ContentRef means: its bytes with the transfer encoding undone."""
    open_ = contents.opener(call.services.blobs, found)
    return lambda ref: decode(open_(ref), ref.encoding)


async def list_attachments(call: Call) -> Reply:
    """GET …/messages/{message}/attachments."""
    options = read_options(call)
    names = select_names(ATTACHMENT, options.select, beta=call.version == "beta")
    item, found = await _find(call)
    form = _form(call, names)
    entities = [form.entity(item, each, reader(call, found)) for each in item.message.attachments]
    where = context(call, *_place(call, item, form.view), select=names)
    top = options.top or read_preferences(call.headers).page_size or max(DEFAULT_PAGE, len(entities))
    return json_reply(page(call, where, entities, options.skip, top, count=options.count), form.embedded)


async def get_attachment(call: Call) -> Reply:
    """GET …/attachments/{attachment}."""
    options = read_options(call)
    names = select_names(ATTACHMENT, options.select, beta=call.version == "beta")
    number = attachment_number(call)
    item, found = await _find(call)
    form = _form(call, names)
    entity_ = form.entity(item, attachment_of(item, number), reader(call, found))
    where = context(call, *_place(call, item, form.view), select=names, single=True)
    return json_reply({"@odata.context": where, **entity_}, form.embedded)


async def get_attachment_value(call: Call) -> Reply:
    """GET …/attachments/{attachment}/$value: a file's bytes, an attached message's MIME; a reference has none."""
    number = attachment_number(call)
    item, found = await _find(call)
    attachment = attachment_of(item, number)
    if attachment.kind == "reference":
        raise MethodNotAllowed("The OData request is not supported.", "ErrorInvalidRequest")
    if attachment.content is None:
        raise NotFound
    media = attachment.content_type if attachment.kind == "file" else "message/rfc822"
    return Reply(
        body=streamed(partial(reader(call, found), attachment.content)),
        content_type=media if _TYPE.fullmatch(media) else "application/octet-stream",
        headers={
            "Content-Disposition": _disposition(attachment.name),
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _find(call: Call) -> Found:
    """The message in the path and what it has stored."""
    key, folder = message_key(call), folder_key(call)

    def fetch(tx: Tx) -> Found:
        item = item_at(tx, call.box, key, folder)
        return item, contents.of_message(tx, item.mailbox_id, item.message_id)

    return await call.services.store.read(fetch)


def _form(call: Call, names: tuple[str, ...]) -> AttachmentForm:
    return AttachmentForm(view_of(call), names, call.version == "beta", Embedded())


def _place(call: Call, item: Item, view: View) -> tuple[str, ...]:
    return user_context(call), keyed("messages", message_id(item, view)), "attachments"


def _disposition(name: str) -> str:
    """RFC 6266; a name that is not plain ASCII is given in UTF-8."""
    if re.fullmatch(r"[\w .()+,-]{1,200}", name, re.ASCII):
        return f'attachment; filename="{name}"'
    encoded = quote(name.encode("utf-8", "replace")[:600], safe="")
    return f"attachment; filename*=UTF-8''{encoded}" if name else "attachment"
