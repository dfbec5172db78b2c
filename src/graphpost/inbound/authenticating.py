"""AUTH: who a client of the submission port is.

RFC 4954, with PLAIN (RFC 4616) and LOGIN, which old devices have; only under TLS.  Whoever gives up with `*`, or says something that is no base64, is told so and may go on.
"""

from __future__ import annotations

import binascii
from typing import Final

from graphpost.auth.signing_in import Locked
from graphpost.errors import StoreError
from graphpost.inbound.house import Talk
from graphpost.inbound.replies import Reply, refusal

_LINE: Final = 12_288  # octets (RFC 4954 §4)
_MOST: Final = 1024  # characters of a name
OK: Final = Reply(235, "2.7.0", "Authentication successful")


async def auth(talk: Talk, argument: str) -> None:
    house = talk.house
    if talk.kind != "submission" or house.signing_in is None:
        raise refusal(502, "5.5.1", "Error: no authentication here")
    if not talk.connection.is_secure:
        raise refusal(538, "5.7.11", "Encryption required: STARTTLS first", "authentication")
    if talk.user is not None or talk.transaction is not None or not talk.helo:
        raise refusal(503, "5.5.1", "Error: AUTH does not come here")
    name, _, initial = argument.partition(" ")
    if name.upper() == "PLAIN":
        username, password = _plain(await _answer(talk, initial, ""))
    elif name.upper() == "LOGIN":
        username = _text(await _answer(talk, initial, "VXNlcm5hbWU6"))
        password = _text(await _answer(talk, "", "UGFzc3dvcmQ6"))
    else:
        raise refusal(504, "5.5.4", "Error: PLAIN or LOGIN")
    try:
        talk.user = await house.signing_in.sign_in(username[:_MOST], password, talk.address)
    except Locked:
        raise refusal(454, "4.7.0", "Too many wrong passwords; try again later", "authentication") from None
    except StoreError as error:
        house.log.problem("inbound", error)
        raise refusal(454, "4.7.0", "Temporary authentication failure", "storage") from error
    if talk.user is None:
        raise refusal(535, "5.7.8", "Authentication credentials invalid", "authentication")
    talk.say(OK)


async def _answer(talk: Talk, initial: str, challenge: str) -> bytes:
    """What the client says to a challenge, or said with the command already."""
    if not initial:
        talk.say(Reply(334, "", challenge))
        initial = (await talk.connection.line(_LINE, talk.seconds())).decode("ascii", "replace")
    if initial == "*":
        raise refusal(501, "5.7.0", "Authentication cancelled", "authentication")
    try:
        return b"" if initial == "=" else binascii.a2b_base64(initial.encode(), strict_mode=True)
    except ValueError:
        raise refusal(501, "5.5.2", "Error: not base64", "authentication") from None


def _plain(said: bytes) -> tuple[str, str]:
    """Name and password of PLAIN; nobody acts for another."""
    parts = said.split(b"\0")
    if len(parts) != 3 or parts[0] not in (b"", parts[1]):
        raise refusal(501, "5.5.2", "Error: not what PLAIN has", "authentication")
    return _text(parts[1]), _text(parts[2])


def _text(said: bytes) -> str:
    try:
        return said.decode()
    except UnicodeDecodeError:
        raise refusal(501, "5.5.2", "Error: not UTF-8", "authentication") from None
