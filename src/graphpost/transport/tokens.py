"""Access tokens for relays (OAuth 2.0), kept for as long as they are good.

They are from a command or from a token endpoint.  A token is kept until shortly before it ends, and then another is got; many connections that want one at once wait for
the same, or for the same failure.  When a relay refuses a token that is not new, it is forgotten and another one is got.

Raises TokenError, whose text is for the log and for reports: no token, secret or output of a command is in it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from graphpost.clock import SECOND, Instant
from graphpost.errors import GraphpostError

LONGEST: Final = 8000  # characters: in base64 it must fit into one line of SMTP AUTH (RFC 4954, 4.5)
OUTPUT_LIMIT: Final = 65_536  # octets of an answer
SECONDS: Final = 30.0  # for one answer
EARLY_SECONDS: Final = 60  # before its end a token is not begun to be used
NEW_SECONDS: Final = 10  # for so long a refused token is no reason for another one
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1


class TokenError(GraphpostError):
    """There is no token now; there may be one later."""


class TokenSource(Protocol):
    """Where a relay's tokens come from."""

    async def get(self) -> str:
        """A token that is good now, as far as is known; raises TokenError."""
        ...

    def refuse(self, token: str) -> bool:
        """The relay did not take it; whether `get` gives another one that is worth trying."""
        ...


@dataclass(frozen=True, slots=True)
class Granted:
    """What a fetcher got; `seconds` is how long it lasts, 0 when nobody said."""

    token: str
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"Granted(seconds={self.seconds})"


class CachedTokens:
    """A TokenSource that asks `fetch` when it has none.  `seconds`: how long a token is used that does not say."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Granted]], seconds: float, now: Callable[[], Instant]
    ) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._now = now
        self._token = ""
        self._since: Instant = 0
        self._until: Instant = 0
        self._fetching = asyncio.Lock()
        self._fetches = 0
        self._failure = ""  # of the last fetch

    async def get(self) -> str:
        if token := self._kept():
            return token
        fetches = self._fetches
        async with self._fetching:
            if token := self._kept():
                return token
            if self._failure and fetches != self._fetches:  # while we waited
                raise TokenError(self._failure)
            return await self._renew()

    def refuse(self, token: str) -> bool:
        if token != self._token:
            return True
        if self._now() < self._since + NEW_SECONDS * SECOND:
            return False
        self._token = ""
        return True

    def _kept(self) -> str:
        return self._token if self._since <= self._now() < self._until else ""

    async def _renew(self) -> str:
        self._failure = ""
        try:
            return self._keep(await self._fetch())
        except TokenError as error:
            self._failure = str(error)
            raise
        finally:
            self._fetches += 1

    def _keep(self, granted: Granted) -> str:
        if len(granted.token) > LONGEST or not _TOKEN.fullmatch(granted.token):
            raise TokenError("what came instead of a token is none")
        lasts = granted.seconds or self._seconds
        early = min(EARLY_SECONDS, lasts / 2)
        self._since = self._now()
        self._until = self._since + int((lasts - early if granted.seconds else lasts) * SECOND)
        self._token = granted.token
        return self._token


class _Answer(msgspec.Struct):
    """RFC 6749, 5.1; some servers give the number as a text."""

    access_token: str
    expires_in: float | str = 0


def parse_grant(output: bytes) -> Granted:
    """The token in a JSON answer of RFC 6749, 5.1; TokenError when there is none."""
    try:
        answer = msgspec.json.decode(output, type=_Answer)
        seconds = float(answer.expires_in)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TokenError("the answer has no access_token") from error
    return Granted(answer.access_token, seconds if 0 < seconds < 10**9 else 0.0)
