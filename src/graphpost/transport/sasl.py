"""SASL over SMTP: who we are, in lines of AUTH (RFC 4954).

PLAIN (RFC 4616), LOGIN, XOAUTH2 as Google and Microsoft describe it, and OAUTHBEARER (RFC 7628).
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from graphpost.config import Mechanism

BY_PASSWORD: Final[tuple[Mechanism, ...]] = ("plain", "login")
BY_TOKEN: Final[tuple[Mechanism, ...]] = ("oauthbearer", "xoauth2")
# What a client says to the challenge in which a server hides an error; the verdict comes after it.
_CONCESSIONS: Final[dict[Mechanism, bytes]] = {"oauthbearer": b64encode(b"\x01")}


def choose(wanted: Mechanism, offered: frozenset[str], candidates: tuple[Mechanism, ...]) -> Mechanism | None:
    """The mechanism to use: the one that is wanted, or the first candidate; None when it is not offered."""
    return next((each for each in ((wanted,) if wanted else candidates) if each.upper() in offered), None)


def auth_lines(mechanism: Mechanism, username: str, secret: str, host: str, port: int) -> list[bytes]:
    """The client's lines, one per reply; all base64, so nothing in a secret can end a line."""
    if mechanism == "login":
        return [b"AUTH LOGIN\r\n", _encoded(username), _encoded(secret)]
    if mechanism == "xoauth2":
        return [b"AUTH XOAUTH2 " + _encoded(f"user={username}\x01auth=Bearer {secret}\x01\x01")]
    if mechanism == "oauthbearer":
        name = username.replace("=", "=3D").replace(",", "=2C")
        fields = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {secret}\x01\x01"
        return [b"AUTH OAUTHBEARER " + _encoded(fields)]
    return [b"AUTH PLAIN " + _encoded(f"\0{username}\0{secret}")]


def concession(mechanism: Mechanism) -> bytes:
    """The line that gets the verdict after an error was told in a challenge."""
    return _CONCESSIONS.get(mechanism, b"") + b"\r\n"


def _encoded(text: str) -> bytes:
    return b64encode(text.encode()) + b"\r\n"
