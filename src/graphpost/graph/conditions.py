"""If-Match: a write that is only wanted on the version that the client has seen.

RFC 9110 §13.1.1.  Entity tags are `W/"changeKey"`, as answers show them; a bare changeKey is understood too.
"""

from __future__ import annotations

import re
from typing import Final

from graphpost.errors import PreconditionFailed
from graphpost.graph.call import Call
from graphpost.ids import change_key_text
from graphpost.mail.message import Item

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')


def check_match(call: Call, item: Item) -> None:
    """Raise PreconditionFailed unless the item is the version that the request names, if it names one."""
    check_version(call, item.message_id, item.version)


def check_version(call: Call, number: int, version: int) -> None:
    """The same for any entity, by its number and version."""
    text = call.headers.get("if-match", "").strip()
    if not text or text == "*":
        return
    key = change_key_text(number, version)
    if all(key != (quoted or bare) for quoted, bare in _TAG.findall(text)):
        raise changed()


def changed() -> PreconditionFailed:
    """The error for an item that is not the version asked for."""
    return PreconditionFailed(
        "The send or update operation could not be performed because the change key passed in the request does not "
        "match the current change key for the item."
    )
