"""Reading attachments: lists, single ones, raw bytes."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from graphpost.errors import MethodNotAllowed, NotFound
from graphpost.graph.attachments.attached import ATTACHMENT, AttachmentForm, Stored
from graphpost.graph.call import Call, Reply
from graphpost.graph.converting import converted
from graphpost.graph.envelope import context, keyed, page, user_context
from graphpost.graph.keys import attachment_number, attachment_of, folder_key, item_at, message_key
from graphpost.graph.prefer import read_preferences
from graphpost.graph.queries.selection import check_expand, read_options, select_names
from graphpost.graph.render import View, message_id, view_of
from graphpost.graph.streaming import Embedded, json_reply, streamed
from graphpost.mail.message import Attachment, Item
from graphpost.odata.query import Options
from graphpost.store import contents
from graphpost.store.store import Tx

_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(?:\s*;[\x20-\x7e]*)?", re.ASCII)
_ITEM: Final = "microsoft.graph.itemAttachment/item"


async def list_attachments(call: Call) -> Reply:
    """GET …/messages/{message}/attachments."""
    options = read_options(call)
    form = _form(call, options)
    item, stored = await _find(call)
    found = form.chosen(item, options)
    top = options.top or read_preferences(call.headers).page_size or max(1, len(found))
    entities = await _entities(form, item, found[options.skip : options.skip + top], stored)
    where = context(call, *_place(call, item, form.view), select=form.names)
    return json_reply(page(call, where, entities, len(found), options, top), form.embedded)


async def get_attachment(call: Call) -> Reply:
    """GET …/attachments/{attachment}."""
    form, number = _form(call, read_options(call)), attachment_number(call)
    item, stored = await _find(call)
    (entity,) = await _entities(form, item, [attachment_of(item, number)], stored)
    where = context(call, *_place(call, item, form.view), select=form.names, single=True)
    return json_reply({"@odata.context": where, **entity}, form.embedded)


async def get_attachment_value(call: Call) -> Reply:
    """GET …/attachments/{attachment}/$value: a file's bytes, an attached message's MIME; a reference has none."""
    number = attachment_number(call)
    item, stored = await _find(call)
    attachment = attachment_of(item, number)
    if attachment.kind == "reference":
        raise MethodNotAllowed("The OData request is not supported.", "ErrorInvalidRequest")
    if attachment.content is None:
        raise NotFound
    media = attachment.content_type if attachment.kind == "file" else "message/rfc822"
    return Reply(
        body=await streamed(partial(stored.read, attachment.content)),
        content_type=media if _TYPE.fullmatch(media) else "application/octet-stream",
        headers={
            "Content-Disposition": _disposition(attachment.name),
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _find(call: Call) -> tuple[Item, Stored]:
    """The message in the path and what it has stored."""
    key, folder = message_key(call), folder_key(call)

    def fetch(tx: Tx) -> tuple[Item, Stored]:
        item = item_at(tx, call.box, key, folder)
        found = contents.of_message(tx, item.mailbox_id, item.message_id)
        return item, Stored(call.services.blobs, found)

    return await call.services.store.read(fetch)


async def _entities(
    form: AttachmentForm, item: Item, chosen: list[Attachment], stored: Stored
) -> list[dict[str, Any]]:
    """In a thread when attached messages have to be read."""

    def write() -> list[dict[str, Any]]:
        return [form.entity(item, each, stored) for each in chosen]

    return await converted(write, sum(each.size for each in chosen)) if form.with_item else write()


def _form(call: Call, options: Options) -> AttachmentForm:
    beta = call.version == "beta"
    check_expand(options.expand, _ITEM)
    names = select_names(ATTACHMENT, options.select, beta=beta)
    return AttachmentForm(view_of(call), names, beta, Embedded(), with_item=bool(options.expand))


def _place(call: Call, item: Item, view: View) -> tuple[str, ...]:
    return user_context(call), keyed("messages", message_id(item, view)), "attachments"


def _disposition(name: str) -> str:
    """RFC 6266; a name that is not plain ASCII is given in UTF-8."""
    if re.fullmatch(r"[\w .()+,-]{1,200}", name, re.ASCII):
        return f'attachment; filename="{name}"'
    encoded = quote(name.encode("utf-8", "replace")[:600], safe="")
    return f"attachment; filename*=UTF-8''{encoded}" if name else "attachment"
