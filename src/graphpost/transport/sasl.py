"""SASL over SMTP: who we are, in lines of AUTH (RFC 4954).

PLAIN (RFC 4616), LOGIN, XOAUTH2 as Google and Microsoft describe it, and OAUTHBEARER (RFC 7628).
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from graphpost.config import Mechanism

COMMAND_LINE: Final = 512  # octets (RFC 5321, 4.5.3.1.4)
BY_PASSWORD: Final[tuple[Mechanism, ...]] = ("plain", "login")
BY_TOKEN: Final[tuple[Mechanism, ...]] = ("oauthbearer", "xoauth2")
# What a client says to the challenge in which a server hides an error; the verdict comes after it.
_CONCESSIONS: Final[dict[Mechanism, bytes]] = {"oauthbearer": b64encode(b"\x01")}


def choose(wanted: Mechanism, offered: frozenset[str], candidates: tuple[Mechanism, ...]) -> Mechanism | None:
    """The mechanism to use: the one that is wanted, or the first candidate; None when it is not offered."""
    return next((each for each in ((wanted,) if wanted else candidates) if each.upper() in offered), None)


def auth_lines(mechanism: Mechanism, username: str, secret: str, host: str, port: int) -> list[bytes]:
    """The client's lines, one per reply; all base64, so nothing in a secret can end a line.

    What is too long for a command line, as tokens often are, waits for the server's go-ahead (RFC 4954, 4).
    """
    begun = f"AUTH {mechanism.upper()}".encode()
    if mechanism == "login":
        return [begun + b"\r\n", _encoded(username), _encoded(secret)]
    response = _encoded(_response(mechanism, username, secret, host, port))
    together = begun + b" " + response
    return [together] if len(together) <= COMMAND_LINE else [begun + b"\r\n", response]


def _response(mechanism: Mechanism, username: str, secret: str, host: str, port: int) -> str:
    if mechanism == "xoauth2":
        return f"user={username}\x01auth=Bearer {secret}\x01\x01"
    if mechanism == "oauthbearer":
        name = username.replace("=", "=3D").replace(",", "=2C")
        return f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {secret}\x01\x01"
    return f"\0{username}\0{secret}"


def concession(mechanism: Mechanism) -> bytes:
    """The line that gets the verdict after an error was told in a challenge."""
    return _CONCESSIONS.get(mechanism, b"") + b"\r\n"


def _encoded(text: str) -> bytes:
    return b64encode(text.encode()) + b"\r\n"
