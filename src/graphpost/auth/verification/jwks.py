"""The keys of somebody else's issuer: fetched, kept, and fetched again (RFC 7517).

They are fetched every hour, and when a token names one that is not there: then at most twice a minute, whoever asks, so
that made-up names cost the issuer nothing.  When it does not answer, the keys that we have stay good for a day.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from graphpost.clock import SECOND, Clock, Instant
from graphpost.errors import GraphpostError
from graphpost.maillog import MailLog

REFRESH_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
BETWEEN_SECONDS: Final = 30.0
STALE_SECONDS: Final = 86_400.0
ANSWER_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 1_048_576
MOST_KEYS: Final = 200
RSA_BITS: Final = 2048
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
_ALGORITHMS: Final = (None, "RS256", "PS256", "ES256")

Keys = dict[str, RSAKey | ECKey]


class KeysUnavailableError(GraphpostError):
    """The keys could not be had."""


class KeyServer(Protocol):
    """Where JSON documents are fetched from."""

    async def fetch(self, uri: str) -> dict[str, Any]:
        """The object there; KeysUnavailableError when there is none to be had."""
        ...


class HttpsKeyServer:
    """HTTPS, verified, without redirects, proxies and compression; a `file:` URI is read.  `ca_file` '' trusts public authorities."""

    def __init__(self, ca_file: str = "") -> None:
        self._ca_file = ca_file

    async def fetch(self, uri: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                data = await self._read(uri)
        except TimeoutError as error:
            raise KeysUnavailableError(f"{uri}: no answer in time") from error
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise KeysUnavailableError(f"{uri}: what is there is not JSON") from error
        if not isinstance(found, dict):
            raise KeysUnavailableError(f"{uri}: what is there is no JSON object")
        return found

    async def _read(self, uri: str) -> bytes:
        if uri.startswith("file:"):
            try:
                return await asyncio.to_thread(Path(urlsplit(uri).path).read_bytes)
            except OSError as error:
                raise KeysUnavailableError(f"{uri}: {error.strerror}") from error
        import httpx2  # most servers have no foreign issuer

        data = bytearray()
        try:
            context = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file or None)
            async with (
                httpx2.AsyncClient(verify=context, trust_env=False, timeout=ANSWER_SECONDS) as client,
                client.stream("GET", uri, headers=_HEADERS) as answer,
            ):
                if answer.status_code != 200:
                    raise KeysUnavailableError(f"{uri}: the answer is {answer.status_code}")
                async for block in answer.aiter_raw():
                    data += block
                    if len(data) > ANSWER_BYTES:
                        raise KeysUnavailableError(f"{uri}: the answer is too long")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise KeysUnavailableError(f"{uri}: {error or type(error).__name__}") from error
        return bytes(data)


class RemoteKeys:
    """An issuer's keys.  `jwks_uri` '' is asked of its discovery document (OpenID Connect Discovery 1.0 §4)."""

    def __init__(self, issuer: str, jwks_uri: str, server: KeyServer, clock: Clock, log: MailLog) -> None:
        self.issuer = issuer
        self.lost: Callable[[], object] = lambda: None  # told when a key is gone, or another one
        self._uri = jwks_uri
        self._server = server
        self._clock = clock
        self._log = log
        self._keys: Keys = {}
        self._fetched_at: Instant = 0
        self._tried_at: Instant = 0
        self._turn = asyncio.Lock()

    def find_key(self, kid: str) -> RSAKey | ECKey | None:
        """The key of that id; none when what we know is too old."""
        return None if self.is_stale else self._keys.get(kid)

    @property
    def is_stale(self) -> bool:
        """Whether nothing can be said of the issuer's tokens at present."""
        return self._clock.now() - self._fetched_at > STALE_SECONDS * SECOND

    async def refresh(self) -> None:
        """Fetch them now, unless that was just done or tried; nothing is raised."""
        async with self._turn:
            now = self._clock.now()
            if 0 <= now - self._tried_at < BETWEEN_SECONDS * SECOND:
                return
            self._tried_at = now
            try:
                self._take(await self.fetch())
                self._fetched_at = now
            except KeysUnavailableError as error:
                self._log.problem("issuer", error)

    def _take(self, keys: Keys) -> None:
        before, self._keys = self._keys, keys
        if any(kid not in keys or keys[kid].as_dict() != key.as_dict() for kid, key in before.items()):
            self.lost()

    async def watch(self) -> None:
        """Keep them fresh for ever."""
        while True:
            await self.refresh()
            failed = self._fetched_at < self._tried_at
            await self._clock.sleep(RETRY_SECONDS if failed else REFRESH_SECONDS)

    async def fetch(self) -> Keys:
        """What the issuer says its keys are; KeysUnavailableError when it says none."""
        keys = read_keys(await self._server.fetch(self._uri or await self._discover()))
        if not keys:
            raise KeysUnavailableError(f"{self.issuer}: none of its keys is one that we use")
        return keys

    async def _discover(self) -> str:
        found = await self._server.fetch(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            raise KeysUnavailableError(f"{self.issuer}: its discovery document is another issuer's")
        uri = found.get("jwks_uri")
        if not isinstance(uri, str) or _scheme(uri) != _scheme(self.issuer):
            raise KeysUnavailableError(f"{self.issuer}: its discovery document names no jwks_uri")
        return uri


def _scheme(uri: str) -> str | None:
    """None when it is no URI."""
    try:
        return urlsplit(uri).scheme if uri.isascii() and uri.isprintable() else None
    except ValueError:
        return None


def read_keys(document: dict[str, Any]) -> Keys:
    """The keys of a JWK set that sign what we accept: RSA of 2,048 bits or more, and P-256; others are passed over."""
    found = document.get("keys")
    keys: Keys = {}
    for entry in found[:MOST_KEYS] if isinstance(found, list) else ():
        key = _read_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            keys[entry["kid"]] = key
    return keys


def _read_key(entry: dict[str, Any]) -> RSAKey | ECKey | None:
    kid, use, algorithm = entry.get("kid"), entry.get("use", "sig"), entry.get("alg")
    if not isinstance(kid, str) or not kid or use != "sig" or algorithm not in _ALGORITHMS:
        return None
    try:
        if entry.get("kty") == "RSA":
            if len(urlsafe_b64decode(f"{entry['n']}==").lstrip(b"\0")) * 8 < RSA_BITS:
                return None
            return RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")})
        if entry.get("kty") == "EC" and entry.get("crv") == "P-256":
            return ECKey.import_key({name: entry[name] for name in ("kty", "crv", "x", "y")})
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    return None
