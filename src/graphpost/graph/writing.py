"""Writing to a message: found, compared and changed in one transaction.

Nobody else changes the message in between, so that writes which come together come one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from graphpost.errors import GraphError, UnsupportedMedia
from graphpost.graph.bodies.payload import media_kind, read_json
from graphpost.graph.bodies.values import READ, clip, fold
from graphpost.graph.call import Call
from graphpost.graph.conditions import check_match
from graphpost.graph.keys import folder_key, item_at, message_key
from graphpost.mail.message import Item
from graphpost.store.store import Tx

T = TypeVar("T")


async def write_message(call: Call, fn: Callable[[Tx, Item], T]) -> T:
    """What `fn` makes of the message in the path; GraphErrors are raised to the caller.

    `fn` raises before it writes, or not at all: the transaction is not undone for its errors, because an error costs
    everybody who shares the commit.
    """
    key, folder = message_key(call), folder_key(call)

    def run(tx: Tx) -> T | GraphError:
        try:
            item = item_at(tx, call.box, key, folder)
            check_match(call, item)
            return fn(tx, item)
        except GraphError as error:
            return error

    result = await call.services.store.write(run)
    if isinstance(result, GraphError):
        raise result
    return result


def json_members(call: Call) -> dict[str, Any]:
    """The members of the JSON object that the body is, names folded."""
    return fold(json_object(call))


def json_object(call: Call) -> dict[str, Any]:
    """The JSON object that the body is."""
    content_type = call.headers.get("content-type")
    if media_kind(content_type, call.body) != "json":
        raise UnsupportedMedia(
            "A supported MIME type could not be found that matches the content type of the response. None of the "
            f"supported type(s) 'application/json' matches the content type '{clip(content_type or '')}'.",
            READ,
        )
    return read_json(call.body, call.services.limits.json_depth)
