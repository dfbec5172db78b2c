"""`$skiptoken`: the place in a list behind which the next page begins.

A token holds the values that the last message of a page is sorted by.  It is no secret and gives access to nothing; one
that was not made for this list is 400.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from graphpost.errors import BadRequest
from graphpost.graph.call import Call

_LONGEST: Final = 16_384  # characters


def next_link(call: Call, changes: Mapping[str, str]) -> str:
    """The same request, but for these options: absolute, as clients follow it without looking."""
    query = {**call.query, **changes}
    text = "&".join(f"{quote(name, safe='$')}={quote(value, safe='$,:/')}" for name, value in query.items())
    return f"{call.base}/{call.path.lstrip('/')}?{text}"


def write_token(values: Sequence[Any]) -> str:
    """Texts, numbers, bytes and None as a token."""
    return urlsafe_b64encode(msgspec.msgpack.encode(tuple(values))).decode().rstrip("=")


def read_token(text: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    """The values, which have these types; 400 for anything else."""
    try:
        if len(text) > _LONGEST:
            raise ValueError(text)
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        values: tuple[Any, ...] = msgspec.msgpack.decode(data, type=tuple[tuple(kinds)])  # type: ignore[misc]
        if not all(map(_is_storable, values)):
            raise ValueError(text)
    except (ValueError, UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise BadRequest("The skip token is not valid.", "ErrorInvalidUrlQuery") from error
    return values


def _is_storable(value: Any) -> bool:
    """What the databases can compare with: PostgreSQL has no NUL in text."""
    return "\0" not in value if isinstance(value, str) else not isinstance(value, int) or abs(value) < 2**63
