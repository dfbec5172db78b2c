"""A message out of a JSON body, by readers made from the property table.

Lenient as clients need it (§1.6): names in any letter case, read-only and unknown properties ignored, placeholders and
empty objects as if they were not there.  Whatever ends in a header is on one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from graphpost.graph.bodies.attachments import read_attachments
from graphpost.graph.bodies.custom_headers import read_headers
from graphpost.graph.bodies.extended import IN_REPLY_TO, REFERENCES, read_multiple, read_single
from graphpost.graph.bodies.extensions import read_extensions
from graphpost.graph.bodies.flags import read_flag
from graphpost.graph.bodies.mentions import read_mentions
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.recipients import read_recipient, read_recipients
from graphpost.graph.bodies.values import (
    flatten,
    read_array,
    read_boolean,
    read_line,
    read_object,
    read_string,
    read_word,
)
from graphpost.graph.schema import BODY_KIND, MESSAGE, Kind, Property, Write
from graphpost.mail.message import Body, ExtendedProperty, Message
from graphpost.mail.text import preview

Reader = Callable[[Any, Reading], Any]

NO_BODY: Final = Body()
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]+@[!-;=?A-~]+>")  # printable ASCII; one @ ends the left part
_MESSAGE_ID_LENGTH: Final = 900  # octets; with the field's name a line of less than 998 (RFC 5322 §2.1.1)


def is_message(members: dict[str, Any]) -> bool:
    """Whether a folded object looks like a message: it has a property of one."""
    return not MESSAGE.properties.keys().isdisjoint(members)


def read_message(members: dict[str, Any], reading: Reading) -> Message:
    """The message a folded object describes, complete but for Message-ID, date and conversation, and who wrote it when
    the object does not say.  Who is given as `from` alone is the sender too."""
    return read_draft(members, reading)[0]


def read_draft(members: dict[str, Any], reading: Reading) -> tuple[Message, bool]:
    """The same, and whether it is to count as read, which an item is and no message."""
    fields = read_fields(members, reading)
    if "from_" in fields:
        fields.setdefault("sender", fields["from_"])
    fields.setdefault("is_delivery_receipt_requested", False)  # null is what came as MIME
    is_read = fields.pop("is_read", True)
    body = fields.get("body")
    if body is not None:
        fields["preview"] = preview(body)
    if "extended" in fields:
        fields.update(thread_fields(fields["extended"]))
    return Message(**fields), is_read


def read_fields(members: dict[str, Any], reading: Reading) -> dict[str, Any]:
    """The writable properties of a folded object, by field of Message (`is_read`: of Item)."""
    fields: dict[str, Any] = {}
    for name, value in members.items():
        row = _READERS.get(name)
        if row is None:
            continue
        field, reader = row
        read = reader(value, reading)
        if read is None:
            continue
        # Two properties share the field of extended properties; no other field is met twice.
        fields[field] = fields[field] + read if field in fields else read
    return fields


def read_property(row: Property, value: Any, reading: Reading) -> Any:
    """The value of one writable property; None when it says nothing."""
    return _READERS[row.name.lower()][1](value, reading)


def thread_fields(extended: Iterable[ExtendedProperty]) -> dict[str, Any]:
    """In-Reply-To and References, which the JSON form has as extended properties only."""
    fields: dict[str, Any] = {}
    for property_ in extended:
        text = property_.value if isinstance(property_.value, str) else " ".join(property_.value)
        if property_.property_id == IN_REPLY_TO:
            fields["in_reply_to"] = flatten(text).strip()
        elif property_.property_id == REFERENCES:
            fields["references"] = tuple(flatten(text).split())
    return fields


def _body(value: Any, reading: Reading) -> Body:
    members = read_object(value, "body")
    if not members:
        return NO_BODY
    kind = read_word(members.get("contenttype"), "contentType", BODY_KIND, "microsoft.graph.bodyType")
    content = members.get("content")
    if type(content) is not str:
        content = read_string(content, "content")
    return Body(content, "html" if kind == "html" else "text")


def _message_id(value: Any, reading: Reading) -> str | None:
    """A usable Message-ID; anything else is as if it were not given."""
    text = read_string(value, "internetMessageId").strip()
    return text if len(text) <= _MESSAGE_ID_LENGTH and _MESSAGE_ID.fullmatch(text) else None


def _strings(name: str) -> Reader:
    def read(value: Any, reading: Reading) -> tuple[str, ...]:
        return tuple(line for entry in read_array(value, name) if (line := read_line(entry, name).strip()))

    return read


def _string(name: str) -> Reader:
    def read(value: Any, reading: Reading) -> str:
        return value if type(value) is str and value.isprintable() else read_line(value, name)

    return read


def _boolean(name: str) -> Reader:
    return lambda value, reading: read_boolean(value, name)


def _word(name: str, words: tuple[str, ...], edm: str) -> Reader:
    return lambda value, reading: read_word(value, name, words, edm)


def _recipient(name: str) -> Reader:
    return lambda value, reading: read_recipient(value, name, reading.limits.address_length)


def _recipients(name: str) -> Reader:
    return lambda value, reading: read_recipients(value, name, reading.limits.address_length)


def _reader(row: Property) -> Reader:
    match row.kind, row.name:
        case _, "internetMessageId":
            return _message_id
        case _, "singleValueExtendedProperties":
            return lambda value, reading: read_single(value, row.name)
        case _, "multiValueExtendedProperties":
            return lambda value, reading: read_multiple(value, row.name)
        case Kind.STRING, _:
            return _strings(row.name) if row.collection else _string(row.name)
        case Kind.BOOLEAN, _:
            return _boolean(row.name)
        case Kind.ENUM, _:
            return _word(row.name, row.words, row.edm)
        case Kind.RECIPIENT, _:
            return _recipients(row.name) if row.collection else _recipient(row.name)
        case Kind.BODY, _:
            return _body
        case Kind.FLAG, _:
            return lambda value, reading: read_flag(value, row.name)
        case Kind.EXTENSION, _:
            return lambda value, reading: read_extensions(value, row.name)
        case Kind.HEADER, _:
            return lambda value, reading: read_headers(value, row.name, reading.limits.custom_headers)
        case Kind.MENTION, _:
            return read_mentions
        case Kind.ATTACHMENT, _:
            return lambda value, reading: read_attachments(value, row.name, reading, read_message)
    raise AssertionError(f"no reader for {row.name}")


_READERS: Final[dict[str, tuple[str, Reader]]] = {
    name: (row.field, _reader(row))
    for name, row in MESSAGE.properties.items()
    if row.write is not Write.NEVER
}
