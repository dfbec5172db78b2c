"""List-Unsubscribe (RFC 2369): the letter by which one leaves a list.

Whoever sent the message wrote the URI: of all it may ask for, one recipient, a subject and a short text are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from graphpost.mail.address import is_valid_address
from graphpost.mail.field import one_line

SUBJECT_LENGTH: Final = 255
BODY_LENGTH: Final = 4096
_URI_LENGTH: Final = 16_384
_SCHEME: Final = "mailto:"
_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")


class Letter(Struct, frozen=True):
    """What is to be sent, and to whom."""

    to: str
    subject: str = ""
    body: str = ""


def letter_of(uris: Iterable[str]) -> Letter | None:
    """The letter that the first mailto URI asks for; None when there is none that can be sent."""
    for uri in uris:
        if uri[: len(_SCHEME)].lower() == _SCHEME and len(uri) <= _URI_LENGTH:
            return _letter(uri[len(_SCHEME) :])
    return None


def _letter(rest: str) -> Letter | None:
    address, _, query = rest.partition("?")
    fields: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        fields.setdefault(unquote(name).lower(), unquote(value))  # a plus is a plus here, not a blank
    to = unquote(address or fields.get("to", "")).partition(",")[0].strip()
    if not is_valid_address(to):
        return None
    subject = one_line(fields.get("subject", ""))[:SUBJECT_LENGTH]
    return Letter(to, subject, _CONTROLS.sub(" ", fields.get("body", ""))[:BODY_LENGTH])
