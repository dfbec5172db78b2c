"""`internetMessageHeaders` of a body: at most five fields that begin with x-.

Names are RFC 5322 field names; no value ever holds CR, LF or NUL.  Fields that Exchange keeps for its own use are
dropped without a word, as Exchange does.
"""

from __future__ import annotations

import re
from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.bodies.values import clip, read_array, read_object, read_string
from graphpost.mail.compose import RESERVED
from graphpost.mail.field import is_field_name
from graphpost.mail.message import Header

_INVALID: Final = "InvalidInternetMessageHeader"
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def read_headers(value: Any, name: str, limit: int) -> tuple[Header, ...]:
    """The header fields of a collection; entries with neither name nor value are skipped."""
    headers = [
        header for entry in read_array(value, name) if (header := _read_header(entry, name)) is not None
    ]
    if len(headers) > limit:
        raise BadRequest(
            f"Maximum number of headers in one message should be less than or equal to {limit}.",
            "InvalidInternetMessageHeaderCollection",
        )
    return tuple(header for header in headers if not header.name.lower().startswith(RESERVED))


def _read_header(entry: Any, collection: str) -> Header | None:
    members = read_object(entry, collection) or {}
    name = read_string(members.get("name"), "name")
    value = read_string(members.get("value"), "value")
    if not name and not value:
        return None
    if not name or members.get("value") is None:
        raise BadRequest("An internet message header must have both a name and a value.", _INVALID)
    _check(name, value)
    return Header(name, value)


def _check(name: str, value: str) -> None:
    if name[:2] not in ("x-", "X-"):
        raise BadRequest(
            f"The internet message header name '{clip(name)}' should start with 'x-' or 'X-'.", _INVALID
        )
    if len(name) == 2 or not is_field_name(name):
        raise BadRequest(f"The internet message header name '{clip(name)}' is not valid.", _INVALID)
    if _FORBIDDEN.search(value):
        raise BadRequest(
            f"The value of the internet message header '{name}' contains characters that are not allowed.",
            _INVALID,
        )
