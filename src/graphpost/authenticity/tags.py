"""Tag lists, the syntax of DKIM signatures, DKIM keys and DMARC policies.

RFC 6376, 3.2.
"""

from __future__ import annotations

import re
from typing import Final

from graphpost.errors import GraphpostError

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BLANKS: Final = re.compile(r"[ \t\r\n]+")


class TagError(GraphpostError):
    """What is no list of tags, or lacks one; says which."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags in their order, values without white space around them.  Raises TagError."""
    tags: dict[str, str] = {}
    pieces = text.split(";")
    if pieces and not pieces[-1].strip(" \t\r\n"):
        pieces.pop()
    for piece in pieces:
        name, equals, value = (part.strip(" \t\r\n") for part in piece.partition("="))
        if not equals or not _NAME.fullmatch(name):
            raise TagError("it is no list of tags")
        if name in tags:
            raise TagError(f"{name}= is there twice")
        tags[name] = value
    return tags


def without_blanks(text: str) -> str:
    """A value that may be folded anywhere, such as base64."""
    return _BLANKS.sub("", text)
