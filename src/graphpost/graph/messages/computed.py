"""Extended properties that a message has by what it is, set or not.

Those that clients ask for and that cost nothing; names as MS-OXPROPS has them.  What a client sets under these ids is
kept where Graph has a property for it (In-Reply-To, References), and is of no account otherwise.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from graphpost.clock import Instant, to_text
from graphpost.mail.field import text_field
from graphpost.mail.message import ExtendedProperty, Item

_READ: Final = 0x1
_UNSENT: Final = 0x8
_HAS_ATTACHMENTS: Final = 0x10


def computed_property(item: Item, property_id: str) -> ExtendedProperty | None:
    """The property of that (normalised) id; None when the message has none, or it is not a computed one."""
    compute = COMPUTED.get(property_id)
    value = compute(item) if compute is not None else ""
    return ExtendedProperty(property_id, value) if value else None


def _flags(item: Item) -> str:
    flags = _READ if item.is_read else 0
    flags |= _UNSENT if item.is_draft else 0
    flags |= _HAS_ATTACHMENTS if item.message.has_attachments else 0
    return str(flags)


def _transport_headers(item: Item) -> str:
    """The header of a message that came as MIME, its fields in order and folded as we fold."""
    if item.message.raw is None:
        return ""
    return "".join(text_field(each.name, each.value) for each in item.message.headers)


def _time(instant: Instant) -> str:
    return to_text(instant) if instant else ""


COMPUTED: Final = MappingProxyType[str, Callable[[Item], str]](
    {
        "String 0x1A": lambda item: "IPM.Note",
        "String 0x37": lambda item: item.message.subject,
        "SystemTime 0x39": lambda item: _time(item.sent_at),
        "Binary 0x71": lambda item: b64encode(item.message.conversation_index).decode(),
        "String 0x7D": _transport_headers,
        "SystemTime 0xE06": lambda item: _time(item.received_at),
        "Integer 0xE07": _flags,
        "Integer 0xE08": lambda item: str(item.size),
        "Boolean 0xE1B": lambda item: str(item.message.has_attachments).lower(),
        "String 0x1035": lambda item: item.message.internet_message_id,
        "String 0x1039": lambda item: " ".join(item.message.references),
        "String 0x1042": lambda item: item.message.in_reply_to,
    }
)
