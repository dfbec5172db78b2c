"""Attachments as JSON entities, with their bytes or the message they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from graphpost.errors import MimeError
from graphpost.graph.queries.inmemory import matching, sorted_by
from graphpost.graph.render import View, message_entity, message_fields, time_value
from graphpost.graph.schema import MESSAGE, EntityType, Kind, Property, Shown, entity
from graphpost.graph.streaming import Embedded
from graphpost.ids import attachment_id_text
from graphpost.mail.encoding import decode
from graphpost.mail.message import Attachment, ContentRef, Item
from graphpost.mail.parse import parse
from graphpost.odata.query import Options
from graphpost.store.blobs import Blobs
from graphpost.store.contents import Content, opener

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
_NOT_ATTACHED: Final = frozenset(
    {"changeKey", "parentFolderId", "conversationId", "webLink"}
)  # it is in no mailbox
_ATTACHED: Final = tuple(
    each.name
    for each in MESSAGE.properties.values()
    if each.shown is Shown.DEFAULT and each.name not in _NOT_ATTACHED
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a message has stored."""

    blobs: Blobs
    contents: dict[int, Content]

    def read(self, ref: ContentRef) -> Iterator[bytes]:
        """The bytes meant, the transfer encoding undone.  Reads files: for a thread, unless they are at hand."""
        return decode(opener(self.blobs, self.contents)(ref), ref.encoding)

    @property
    def held(self) -> int:
        """How many bytes of them are in memory."""
        return sum(len(content.data) for content in self.contents.values() if content.data is not None)

    def is_at_hand(self, ref: ContentRef) -> bool:
        """Whether they are in memory already."""
        content = self.contents.get(ref.content_id)
        return content is not None and content.data is not None


@dataclass(frozen=True, slots=True)
class AttachmentForm:
    """How attachments are written in one answer: the properties (canonical names; () all), and whose contents."""

    view: View
    names: tuple[str, ...]
    beta: bool
    embedded: Embedded
    with_item: bool = False

    def chosen(self, item: Item, options: Options) -> list[Attachment]:
        """The message's attachments that meet the `$filter`, in the order of `$orderby`."""

        def value(attachment: Attachment, name: str) -> Any:
            if name == "lastModifiedDateTime":
                return attachment.modified_at or item.modified_at
            return self._members(item, attachment).get(name)

        found = matching(list(item.message.attachments), options, ATTACHMENT, value, beta=self.beta)
        return sorted_by(found, options, ATTACHMENT, value, beta=self.beta)

    def entity(self, item: Item, attachment: Attachment, stored: Stored) -> dict[str, Any]:
        """One attachment; a file's bytes are in it unless `$select` leaves them out."""
        value: dict[str, Any] = {"@odata.type": f"#microsoft.graph.{attachment.kind}Attachment"}
        if attachment.kind == "file":
            value["@odata.mediaContentType"] = attachment.content_type
        members = self._members(item, attachment)
        wanted = {"id", *self.names} if self.names else members
        value.update({name: member for name, member in members.items() if name in wanted})
        if attachment.kind == "file" and (not self.names or "contentBytes" in self.names):
            value["contentBytes"] = self._bytes(attachment, stored)
        if attachment.kind == "item" and self.with_item and attachment.content is not None:
            value["item"] = self._item(attachment, stored.read(attachment.content))
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

    def _bytes(self, attachment: Attachment, stored: Stored) -> str:
        if attachment.content is None:
            return ""
        return self.embedded.text(
            partial(stored.read, attachment.content), stored.is_at_hand(attachment.content)
        )

    def _item(self, attachment: Attachment, chunks: Iterable[bytes]) -> dict[str, Any] | None:
        """The attached message; null when it cannot be read as one."""
        try:
            message = parse(b"".join(chunks))
        except MimeError:
            return None
        time = message.date or attachment.modified_at
        item = Item(mailbox_id=0, message_id=0, folder_id=0, message=message, received_at=time, sent_at=time)
        entity = message_entity(item, message_fields(_ATTACHED, self.beta, False), self.view)
        del entity["@odata.etag"]
        return {"@odata.type": "#microsoft.graph.message", **entity, "id": ""}
