"""Entity types as tables of properties: name, type, field, column, access.

One table drives reading bodies, writing entities, `$select`, `$filter` and `$orderby`.  Source: the v1.0 CSDL of
Microsoft Graph.  Wire names live in this package and nowhere below.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, get_args

from graphpost.mail.message import BodyKind, FlagStatus, Importance, Inference


class Kind(Enum):
    """Edm primitive, or the complex type by its role."""

    STRING = auto()
    BOOLEAN = auto()
    INT32 = auto()
    DATETIME = auto()  # Edm.DateTimeOffset, an instant inside
    BINARY = auto()
    ENUM = auto()
    RECIPIENT = auto()
    BODY = auto()
    FLAG = auto()
    HEADER = auto()
    ATTACHMENT = auto()
    EXTENDED = auto()
    MENTION = auto()
    EXTENSION = auto()
    COMPLEX = auto()  # known, read-only, not looked into


class Write(Enum):
    NEVER = auto()  # accepted and ignored on create
    CREATE = auto()
    DRAFT = auto()  # on create, and by PATCH while it is a draft
    ALWAYS = auto()


class Shown(Enum):
    DEFAULT = auto()
    SELECT = auto()  # only when $select names it
    EXPAND = auto()  # navigation: only when $expand names it
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an entity.

    `field` is the Python attribute (of Message, else of Item), '' when it is computed by `render`.  `column` is the name
    that `store.mailbox.where` knows for filtering and ordering, '' when Graph has no filter on it; `parts` are the columns of
    what is in a complex property, by path.  `basic`: visible with Mail.ReadBasic.  `beta`: only on /beta.
    """

    name: str
    kind: Kind
    field: str = ""
    column: str = ""
    write: Write = Write.NEVER
    shown: Shown = Shown.DEFAULT
    collection: bool = False
    nullable: bool = True
    words: tuple[str, ...] = ()  # of an enum, in the order of their values
    basic: bool = True
    beta: bool = False
    edm: str = ""  # type name in error texts
    parts: tuple[tuple[str, str], ...] = ()

    def find_column(self, path: str) -> str:
        """The column of the property ('') or of a part of it, letter case ignored; '' when there is none."""
        found = {name.lower(): column for name, column in self.parts}
        return found.get(path.lower(), "") if path else self.column


@dataclass(frozen=True, slots=True)
class EntityType:
    """A named table; `find` ignores letter case, as clients require of every name."""

    name: str  # microsoft.graph.message
    properties: MappingProxyType[str, Property]  # by lower-case name, in the order of real answers

    def find(self, name: str) -> Property | None:
        return self.properties.get(name.lower())


def entity(name: str, *properties: Property) -> EntityType:
    return EntityType(name, MappingProxyType({p.name.lower(): p for p in properties}))


IMPORTANCE: Final[tuple[str, ...]] = get_args(Importance)
INFERENCE: Final[tuple[str, ...]] = get_args(Inference)
FLAG_STATUS: Final[tuple[str, ...]] = get_args(FlagStatus)
BODY_KIND: Final[tuple[str, ...]] = get_args(BodyKind)

_RECIPIENT: Final = "microsoft.graph.recipient"

MESSAGE: Final = entity(
    "microsoft.graph.message",
    Property("id", Kind.STRING, nullable=False, edm="Edm.String"),
    Property("createdDateTime", Kind.DATETIME, "created_at", "created_at", edm="Edm.DateTimeOffset"),
    Property("lastModifiedDateTime", Kind.DATETIME, "modified_at", "modified_at", edm="Edm.DateTimeOffset"),
    Property("changeKey", Kind.STRING, edm="Edm.String"),
    Property(
        "categories", Kind.STRING, "categories", "categories", Write.ALWAYS, collection=True, edm="Edm.String"
    ),
    Property("receivedDateTime", Kind.DATETIME, "received_at", "received_at", edm="Edm.DateTimeOffset"),
    Property("sentDateTime", Kind.DATETIME, "sent_at", "sent_at", edm="Edm.DateTimeOffset"),
    Property("hasAttachments", Kind.BOOLEAN, "", "has_attachments", edm="Edm.Boolean"),
    Property(
        "internetMessageId",
        Kind.STRING,
        "internet_message_id",
        "internet_message_id",
        Write.DRAFT,
        edm="Edm.String",
    ),
    Property(
        "internetMessageHeaders",
        Kind.HEADER,
        "headers",
        write=Write.CREATE,
        shown=Shown.SELECT,
        collection=True,
        edm="microsoft.graph.internetMessageHeader",
    ),
    Property("subject", Kind.STRING, "subject", "subject", Write.DRAFT, edm="Edm.String"),
    Property("bodyPreview", Kind.STRING, "preview", basic=False, edm="Edm.String"),
    Property(
        "importance",
        Kind.ENUM,
        "importance",
        "importance",
        Write.ALWAYS,
        words=IMPORTANCE,
        edm="microsoft.graph.importance",
    ),
    Property("parentFolderId", Kind.STRING, "", "folder_id", edm="Edm.String"),
    Property("conversationId", Kind.STRING, "", "conversation_id", edm="Edm.String"),
    Property("conversationIndex", Kind.BINARY, "conversation_index", edm="Edm.Binary"),
    Property(
        "isDeliveryReceiptRequested",
        Kind.BOOLEAN,
        "is_delivery_receipt_requested",
        write=Write.ALWAYS,
        edm="Edm.Boolean",
    ),
    Property(
        "isReadReceiptRequested",
        Kind.BOOLEAN,
        "is_read_receipt_requested",
        write=Write.ALWAYS,
        edm="Edm.Boolean",
    ),
    Property("isRead", Kind.BOOLEAN, "is_read", "is_read", Write.ALWAYS, edm="Edm.Boolean"),
    Property("isDraft", Kind.BOOLEAN, "is_draft", "is_draft", edm="Edm.Boolean"),
    Property("webLink", Kind.STRING, edm="Edm.String"),
    Property(
        "mentionsPreview",
        Kind.COMPLEX,
        beta=True,
        edm="microsoft.graph.mentionsPreview",
        parts=(("isMentioned", "is_mentioned"),),
    ),
    Property(
        "inferenceClassification",
        Kind.ENUM,
        "inference",
        "inference",
        Write.ALWAYS,
        words=INFERENCE,
        edm="microsoft.graph.inferenceClassificationType",
    ),
    Property("unsubscribeData", Kind.STRING, "unsubscribe", collection=True, beta=True, edm="Edm.String"),
    Property("unsubscribeEnabled", Kind.BOOLEAN, beta=True, edm="Edm.Boolean"),
    Property("body", Kind.BODY, "body", "", Write.DRAFT, basic=False, edm="microsoft.graph.itemBody"),
    Property("uniqueBody", Kind.BODY, shown=Shown.SELECT, basic=False, edm="microsoft.graph.itemBody"),
    Property(
        "sender",
        Kind.RECIPIENT,
        "sender",
        write=Write.DRAFT,
        edm=_RECIPIENT,
        parts=(("emailAddress/address", "sender_address"),),
    ),
    Property(
        "from",
        Kind.RECIPIENT,
        "from_",
        write=Write.DRAFT,
        edm=_RECIPIENT,
        parts=(("emailAddress/address", "from_address"), ("emailAddress/name", "from_name")),
    ),
    Property("toRecipients", Kind.RECIPIENT, "to", "", Write.DRAFT, collection=True, edm=_RECIPIENT),
    Property("ccRecipients", Kind.RECIPIENT, "cc", "", Write.DRAFT, collection=True, edm=_RECIPIENT),
    Property("bccRecipients", Kind.RECIPIENT, "bcc", "", Write.DRAFT, collection=True, edm=_RECIPIENT),
    Property("replyTo", Kind.RECIPIENT, "reply_to", "", Write.DRAFT, collection=True, edm=_RECIPIENT),
    Property(
        "flag",
        Kind.FLAG,
        "flag",
        write=Write.ALWAYS,
        edm="microsoft.graph.followupFlag",
        parts=(("flagStatus", "flag_status"),),
    ),
    Property(
        "attachments",
        Kind.ATTACHMENT,
        "attachments",
        write=Write.CREATE,
        shown=Shown.EXPAND,
        collection=True,
        basic=False,
        edm="microsoft.graph.attachment",
    ),
    Property(
        "mentions",
        Kind.MENTION,
        "mentions",
        write=Write.CREATE,
        shown=Shown.EXPAND,
        collection=True,
        basic=False,
        beta=True,
        edm="microsoft.graph.mention",
    ),
    Property(
        "extensions",
        Kind.EXTENSION,
        "extensions",
        write=Write.CREATE,
        shown=Shown.EXPAND,
        collection=True,
        basic=False,
        edm="microsoft.graph.extension",
    ),
    Property(
        "singleValueExtendedProperties",
        Kind.EXTENDED,
        "extended",
        write=Write.ALWAYS,
        shown=Shown.EXPAND,
        collection=True,
        basic=False,
        edm="microsoft.graph.singleValueLegacyExtendedProperty",
    ),
    Property(
        "multiValueExtendedProperties",
        Kind.EXTENDED,
        "extended",
        write=Write.ALWAYS,
        shown=Shown.EXPAND,
        collection=True,
        basic=False,
        edm="microsoft.graph.multiValueLegacyExtendedProperty",
    ),
)
