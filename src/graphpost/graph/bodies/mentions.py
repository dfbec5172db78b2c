"""`mentions` of a body (beta): who is mentioned in a message that is made."""

from __future__ import annotations

from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.recipients import read_recipient, unresolved
from graphpost.graph.bodies.values import read_array, read_line, read_object
from graphpost.ids import new_guid
from graphpost.mail.message import Mention

MOST_MENTIONS: Final = 100
TEXT_LENGTH: Final = 1024


def read_mentions(value: Any, reading: Reading) -> tuple[Mention, ...]:
    """The mentions of a body; each names somebody."""
    found = read_array(value, "mentions")
    if len(found) > MOST_MENTIONS:
        raise BadRequest(f"A message has at most {MOST_MENTIONS} mentions.", "ErrorInvalidParameter")
    return tuple(_mention(read_object(each, "mentions") or {}, reading) for each in found)


def _mention(members: dict[str, Any], reading: Reading) -> Mention:
    limit = reading.limits.address_length
    mentioned = read_recipient({"emailaddress": members.get("mentioned")}, "mentioned", limit)
    if mentioned is None:
        raise unresolved("")
    texts = {
        field: read_line(members.get(name.lower()), name)[:TEXT_LENGTH]
        for field, name in (
            ("text", "mentionText"),
            ("client_reference", "clientReference"),
            ("application", "application"),
            ("deep_link", "deepLink"),
        )
    }
    by = read_recipient({"emailaddress": members.get("createdby")}, "createdBy", limit)
    return Mention(mention_id=new_guid(), mentioned=mentioned, created_by=by, created_at=reading.now, **texts)
