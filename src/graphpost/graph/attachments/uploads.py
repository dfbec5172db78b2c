"""createUploadSession: where the bytes of a large attachment can be sent.

The URL authorises by itself: whoever has it may write this one attachment.  It has the shape clients take apart: two
segments and more in its path, and a query parameter `authtoken`, of which only a hash is kept.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from graphpost.clock import SECOND, to_text
from graphpost.errors import BadRequest, NotFound, TooManyRequests
from graphpost.graph.attachments.attaching import check_draft, check_room
from graphpost.graph.bodies.attachments import read_content_id, read_content_type
from graphpost.graph.bodies.values import (
    READ,
    cannot_convert,
    read_boolean,
    read_line,
    read_object,
    read_word,
)
from graphpost.graph.call import Call, Reply, Services
from graphpost.graph.keys import message_key
from graphpost.graph.standing import requester_of
from graphpost.graph.writing import json_members, write_message
from graphpost.ids import parse_item_id
from graphpost.mail.message import Attachment, ContentRef, Item
from graphpost.store.mailbox import uploads
from graphpost.store.mailbox.uploads import Upload
from graphpost.store.store import Tx

RETRY_SECONDS: Final = 60
_KINDS: Final = ("file", "item", "reference")
_TOKEN_BYTES: Final = 32
_PATH: Final = re.compile(
    r"/upload/v1\.0/Users\('(?P<user>[0-9A-Fa-f-]{36})'\)/Messages\('(?P<message>[\w=-]{1,512})'\)"
    r"/AttachmentSessions\('(?P<session>[0-7][0-9a-f]{15})'\)",
    re.ASCII,
)
_DIGITS: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


async def create_upload_session(call: Call) -> Reply:
    """POST …/attachments/createUploadSession: 201 and the session."""
    key, attachment = message_key(call), _read(call)
    services, token = call.services, secrets.token_urlsafe(_TOKEN_BYTES)
    upload = Upload(
        mailbox_id=call.box.mailbox_id,
        upload_id=services.numbers.next(),
        message_id=key.message_id,
        token_hash=_hash(token),
        total=attachment.size,
        expires_at=services.clock.now() + int(services.limits.upload_session_seconds * SECOND),
        attachment=attachment,
        client_id=call.principal.client_id,
        requester=requester_of(call.principal),
    )

    await services.quotas.check(call.box, attachment.size)

    def add(tx: Tx, item: Item) -> None:
        check_draft(item)
        check_room(item.message, attachment.size, services.limits)
        if not _has_room(tx, upload.mailbox_id, services):
            raise TooManyRequests(
                "Too many upload sessions are open for the mailbox. Finish or cancel some, and try again later.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        uploads.add(tx, upload)

    await write_message(call, add)
    place = Place(call.box.object_id, call.captures["message"], upload.upload_id, token)
    body = {
        "@odata.context": f"{call.base}/$metadata#microsoft.graph.uploadSession",
        "uploadUrl": place.url(call.base.rpartition("/")[0]),
        **progress(upload, 0),
    }
    return Reply(201, body)


def _has_room(tx: Tx, mailbox_id: int, services: Services) -> bool:
    """Whether the mailbox may have one more session; those whose draft is gone don't count."""
    now, most = services.clock.now(), services.limits.upload_sessions
    if uploads.count_open(tx, mailbox_id, now) < most:
        return True
    uploads.remove_ended(tx, mailbox_id, now)
    return uploads.count_open(tx, mailbox_id, now) < most


def progress(upload: Upload, received: int) -> dict[str, Any]:
    """How far an upload is.  A range has both ends: there are clients that read no other form (docs/quirks.md)."""
    left = [] if received >= upload.total else [f"{received}-{upload.total - 1}"]
    return {
        "expirationDateTime": f"{to_text(upload.expires_at).removesuffix('Z')}.0000000Z",
        "nextExpectedRanges": left,
    }


@dataclass(frozen=True, slots=True)
class Place:
    """What an upload URL names."""

    user: str  # object id
    message: str  # the id as the client wrote it
    upload_id: int
    token: str

    def url(self, origin: str) -> str:
        path = f"/upload/v1.0{self.message_path}/AttachmentSessions('{self.upload_id:016x}')"
        return f"{origin}{path}?authtoken={self.token}"

    @property
    def message_path(self) -> str:
        return f"/Users('{self.user}')/Messages('{self.message}')"

    def opens(self, upload: Upload) -> bool:
        """Whether this URL is that session's."""
        try:
            message = parse_item_id(self.message).message_id
        except ValueError:
            return False
        return message == upload.message_id and hmac.compare_digest(_hash(self.token), upload.token_hash)


def read_place(path: str, query_string: str) -> Place:
    """The place an upload URL (as received, percent-encoded) names; NotFound when it is none of ours."""
    found = _PATH.fullmatch(unquote(path)) if len(path) < 2048 and len(query_string) < 2048 else None
    try:
        tokens = parse_qs(query_string, max_num_fields=100).get("authtoken", []) if found else []
    except ValueError as error:
        raise NotFound from error
    if found is None or len(tokens) != 1:
        raise NotFound
    return Place(found["user"], found["message"], int(found["session"], 16), tokens[0])


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _read(call: Call) -> Attachment:
    """What is to be attached, by the AttachmentItem of the body."""
    item = read_object(json_members(call).get("attachmentitem"), "AttachmentItem")
    if item is None:
        raise BadRequest(
            "One or more parameters of the operation 'createUploadSession' are missing from the request payload. "
            "The missing parameters are: AttachmentItem.",
            READ,
        )
    kind = read_word(item.get("attachmenttype"), "attachmentType", _KINDS, "microsoft.graph.attachmentType")
    name = read_line(item.get("name"), "name").strip()
    for required, value in (("attachmentType", kind), ("name", name), ("size", item.get("size"))):
        if value in (None, ""):
            raise BadRequest(f"Required property is missing., {required}", "ErrorRequiredPropertyMissing")
    if kind != "file":
        raise BadRequest("Only files can be uploaded in a session.", "ErrorInvalidRequest")
    numbers = call.services.numbers
    return Attachment(
        attachment_id=numbers.next(),
        name=name,
        content_type=read_content_type(item.get("contenttype"), name),
        size=_size(item),
        is_inline=read_boolean(item.get("isinline"), "isInline") or False,
        content_id=read_content_id(item.get("contentid")),
        modified_at=call.services.clock.now(),
        content=ContentRef(numbers.next()),
    )


def _size(item: Mapping[str, Any]) -> int:
    """The size in bytes; as a string when the client writes 64-bit numbers so (IEEE754Compatible)."""
    value = item["size"]
    if type(value) is str and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int:
        raise cannot_convert(value, "Edm.Int64")
    if value <= 0:
        raise BadRequest(
            "The size of an attachment to be uploaded must be greater than 0.", "ErrorInvalidRequest"
        )
    return value
