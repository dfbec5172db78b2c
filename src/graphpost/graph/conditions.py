"""Conditional requests: `If-Match` against the entity as it is (RFC 9110 §13.1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from graphpost.errors import PreconditionFailed

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


def check_match(headers: Mapping[str, str], etag: str) -> None:
    """Raise PreconditionFailed when there is an `If-Match` that names other versions only; all tags compare as weak."""
    wanted = headers.get("if-match", "").strip()
    if not wanted or wanted == "*":
        return
    # A tag without its quotes is how some clients write a changeKey.
    if etag.removeprefix("W/").strip('"') not in (_TAG.findall(wanted) or [wanted.removeprefix("W/")]):
        raise PreconditionFailed(
            "The send or update operation could not be performed because the change key passed in the request does "
            "not match the current change key for the item."
        )
