"""Attachments of a body: file, attached message, reference.

The type comes from `@odata.type` in any of its spellings (`#microsoft.graph.fileAttachment`,
`#Microsoft.OutlookServices.FileAttachment`); without one an entry with contentBytes is a file.  File bytes are kept
exactly; an attached message is composed once, here, and kept as MIME.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from graphpost.errors import BadRequest
from graphpost.graph.bodies.lifting import LongText
from graphpost.graph.bodies.payload import read_base64
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.values import (
    READ,
    cannot_convert,
    clip,
    read_array,
    read_boolean,
    read_line,
    read_object,
    read_string,
    read_word,
    too_large,
    type_name,
    unexpected,
)
from graphpost.ids import new_guid
from graphpost.mail.compose import compose
from graphpost.mail.message import Attachment, ContentRef, Message

Parts = dict[str, Any]
MessageReader = Callable[[Parts, Reading], Message]

NEST_LIMIT: Final = 30  # attached messages inside attached messages (§4.3)
PROVIDERS: Final = ("other", "oneDriveBusiness", "oneDriveConsumer", "dropbox")
PERMISSIONS: Final = (
    "other",
    "view",
    "edit",
    "anonymousView",
    "anonymousEdit",
    "organizationView",
    "organizationEdit",
)

_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_MEDIA_TYPE: Final = re.compile(rf'{_WORD}/{_WORD}(?:\s*;\s*{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*', re.ASCII)
_CONTENT_ID: Final = re.compile(r"[<>\s\x00-\x1f\x7f]")


def read_attachments(
    value: Any, name: str, reading: Reading, read_message: MessageReader
) -> tuple[Attachment, ...]:
    """The attachments of a collection, numbered from 1; their bytes go into `reading`."""
    found, entries = [], read_array(value, name)
    if len(entries) > reading.limits.mime_parts:
        raise too_large()
    for number, entry in enumerate(entries, 1):
        members = read_object(entry, name)
        if members is None:
            raise unexpected(entry, name, "StartObject")
        found.append(read_attachment(members, number, reading, read_message))
    return tuple(found)


def read_attachment(members: Parts, number: int, reading: Reading, read_message: MessageReader) -> Attachment:
    """One attachment; `members` are folded."""
    match type_name(members) or ("fileattachment" if "contentbytes" in members else ""):
        case "fileattachment":
            return _file(members, number, reading)
        case "itemattachment":
            return _item(members, number, reading, read_message)
        case "referenceattachment":
            return _reference(members, number, reading)
        case "":
            raise BadRequest(
                "An abstract type 'microsoft.graph.attachment' cannot be instantiated. Give its @odata.type.",
                READ,
            )
    raise BadRequest(
        f"A resource with type name '{clip(str(members['@odata.type']))}' was found, but it is not assignable to the "
        "expected type 'microsoft.graph.attachment'.",
        READ,
    )


def _file(members: Parts, number: int, reading: Reading) -> Attachment:
    data = read_content(members.get("contentbytes"))
    name = read_line(members.get("name"), "name")
    return Attachment(
        attachment_id=number,
        name=name,
        content_type=read_content_type(members.get("contenttype"), name),
        size=len(data),
        is_inline=read_boolean(members.get("isinline"), "isInline") or False,
        content_id=read_content_id(members.get("contentid")),
        content_location=read_line(members.get("contentlocation"), "contentLocation"),
        modified_at=reading.now,
        content=ContentRef(reading.keep(data)),
    )


def read_content(value: Any) -> bytes:
    """The bytes of `contentBytes`, which must be there."""
    if value is None:
        raise _missing("contentBytes")
    text = value if isinstance(value, LongText) else read_string(value, "contentBytes")
    data = read_base64(text)
    if data is None:
        raise cannot_convert(text, "Edm.Binary")
    return data


def read_content_type(value: Any, name: str) -> str:
    """A media type fit for a header: the one given, else one guessed from the file's name."""
    given = read_string(value, "contentType").strip()
    if _MEDIA_TYPE.fullmatch(given) and not given.lower().startswith("multipart/"):
        return given
    guessed, encoding = mimetypes.guess_type(name, strict=True)
    return guessed if guessed and not encoding else "application/octet-stream"


def read_content_id(value: Any) -> str:
    """A Content-ID without its angle brackets."""
    return _CONTENT_ID.sub("", read_string(value, "contentId"))


def _item(members: Parts, number: int, reading: Reading, read_message: MessageReader) -> Attachment:
    item = read_object(members.get("item"), "item")
    if item is None:
        raise _missing("item")
    if type_name(item) not in ("", "message"):
        raise BadRequest("Only a message can be attached as an item.", "ErrorInvalidRequest")
    if reading.level >= NEST_LIMIT:
        raise BadRequest(
            "The attachment nest level limit was exceeded.", "ErrorAttachmentNestLevelLimitExceeded"
        )
    inner = reading.inner()
    message = read_message(item, inner)
    data = b"".join(compose(_dated(message, reading), _opener(inner.contents), for_wire=False))
    return Attachment(
        attachment_id=number,
        kind="item",
        name=read_line(members.get("name"), "name") or message.subject,
        content_type="message/rfc822",
        size=len(data),
        is_inline=read_boolean(members.get("isinline"), "isInline") or False,
        modified_at=reading.now,
        content=ContentRef(reading.keep(data)),
    )


def _opener(contents: Mapping[int, bytes]) -> Callable[[ContentRef], Iterator[bytes]]:
    def opened(ref: ContentRef) -> Iterator[bytes]:
        end = None if ref.length < 0 else ref.offset + ref.length
        yield contents[ref.content_id][ref.offset : end]

    return opened


def _dated(message: Message, reading: Reading) -> Message:
    """The attached message with what composing is made from."""
    domain = message.from_.address.rpartition("@")[2] if message.from_ else "localhost"
    message_id = message.internet_message_id or f"<{new_guid()}@{domain}>"
    return replace(message, internet_message_id=message_id, date=message.date or reading.now)


def _reference(members: Parts, number: int, reading: Reading) -> Attachment:
    url = read_line(members.get("sourceurl"), "sourceUrl").strip()
    if not url:
        raise _missing("sourceUrl")
    return Attachment(
        attachment_id=number,
        kind="reference",
        name=read_line(members.get("name"), "name"),
        content_type=read_content_type(members.get("contenttype"), ""),
        is_inline=read_boolean(members.get("isinline"), "isInline") or False,
        modified_at=reading.now,
        source_url=url,
        provider_type=_word(
            members, "providerType", PROVIDERS, "microsoft.graph.referenceAttachmentProvider"
        ),
        permission=_word(members, "permission", PERMISSIONS, "microsoft.graph.referenceAttachmentPermission"),
        is_folder=read_boolean(members.get("isfolder"), "isFolder") or False,
    )


def _word(members: Parts, name: str, words: tuple[str, ...], edm: str) -> str:
    return read_word(members.get(name.lower()), name, words, edm) or words[0]


def _missing(name: str) -> BadRequest:
    return BadRequest(f"Required property is missing., {name}", "ErrorRequiredPropertyMissing")
