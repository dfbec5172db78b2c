"""Sync tokens: how far a client has come in a round of delta requests.

A token holds the options that the round began with, and is opaque to clients: base64url of MessagePack and a checksum.
It opens nothing.  What may be read is decided by the request that brings it, so whoever makes up a token gets no more
than without one; it is bound to its mailbox and folder so that a mistake does not go unnoticed.  It holds numbers of
transactions (`store/databases/numbering.py`) and nothing of the process that made it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from graphpost.errors import BadRequest, Gone
from graphpost.graph.call import Call

_VERSION: Final = b"\x01"
_CHECK: Final = 6  # bytes
_MOST: Final = 65_536  # characters; no request is longer
_OPTIONS: Final = ("$select", "$expand", "$filter", "$orderby", "$top", "changetype", "includehiddenfolders")
Number = Annotated[int, Meta(ge=-(2**62), le=2**63 - 1)]


class SyncState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where the next page begins.

    A round tells of what changed after the number `since` and up to `until` (0: the round has not begun).  `at` is the
    place behind the last entry: (received_at, message id) while the folder is enumerated, which is before the first
    round, else (number, message or folder id).
    """

    collection: str  # "messages" | "folders"
    mailbox: str  # object id, lower case
    folder: Number
    since: Number
    until: Number
    is_enumerating: bool
    at: tuple[Number, Number]
    query: dict[str, str]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(SyncState).decode


def read_token(call: Call, collection: str, folder: int) -> SyncState | None:
    """The state that a request goes on from; None when it begins anew.

    400 when its token is none of ours, 410 when it is for something else, or of another version of Graphpost.
    """
    text = call.query.get("$skiptoken", call.query.get("$deltatoken"))
    if text is None:
        return None
    state = parse_token(text)
    if (state.collection, state.mailbox, state.folder) != (collection, call.box.object_id.lower(), folder):
        raise Gone
    return state


def parse_token(text: str) -> SyncState:
    """The state that a token holds; 400 when it is none, 410 when another version of Graphpost made it."""
    try:
        if len(text) > _MOST:
            raise ValueError("too long")
        raw = text.encode("ascii")
        data = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
        if urlsafe_b64encode(data).rstrip(b"=") != raw or data[:_CHECK] != _check(data[_CHECK:]):
            raise ValueError("spoilt")
        if data[_CHECK : _CHECK + 1] != _VERSION:
            raise Gone
        return _decode(data[_CHECK + 1 :])
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRequest("The sync token is badly formed.") from error


def token_text(state: SyncState) -> str:
    """The token that holds this state."""
    data = _VERSION + _encode(state)
    return urlsafe_b64encode(_check(data) + data).rstrip(b"=").decode()


def remembered(query: Mapping[str, str]) -> dict[str, str]:
    """The options that hold for all rounds."""
    return {name: query[name] for name in _OPTIONS if name in query}


def link(call: Call, state: SyncState, *, is_last: bool) -> dict[str, str]:
    """The member that leads to the next page, or after the last page to the next round."""
    name, option = ("@odata.deltaLink", "$deltatoken") if is_last else ("@odata.nextLink", "$skiptoken")
    return {name: f"{call.base}/{call.path.lstrip('/')}?{option}={token_text(state)}"}


def _check(data: bytes) -> bytes:
    return sha256(data).digest()[:_CHECK]
