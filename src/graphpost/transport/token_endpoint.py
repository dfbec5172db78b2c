"""Tokens from a token endpoint, by the client credentials grant (RFC 6749, 4.4).

TLS is verified; no redirect is followed, no proxy or cookie taken from anywhere, and no long answer read.
Imported when the first token is asked for: most servers never ask.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Final

import httpx2
import msgspec

from graphpost.transport.tokens import OUTPUT_LIMIT, SECONDS, Granted, TokenError, parse_grant

_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
_ERROR: Final = re.compile(r"[a-z_]{1,60}")


async def fetch(url: str, fields: dict[str, str], seconds: float = SECONDS) -> Granted:
    """Ask for a token; raises TokenError."""
    host = httpx2.URL(url).host
    try:
        async with asyncio.timeout(seconds):
            status, body = await _post(url, fields, seconds)
    except (TimeoutError, httpx2.TimeoutException) as error:
        raise TokenError(f"{host} gave no token in time") from error
    except (httpx2.HTTPError, OSError) as error:
        raise TokenError(f"no token from {host}: {type(error).__name__}") from error
    if status != 200:
        raise TokenError(f"no token from {host}: {status} {_error(body)}".rstrip())
    return parse_grant(body)


async def _post(url: str, fields: dict[str, str], seconds: float) -> tuple[int, bytes]:
    context = await asyncio.to_thread(ssl.create_default_context)
    body = bytearray()
    async with (
        httpx2.AsyncClient(verify=context, trust_env=False, timeout=seconds) as client,
        client.stream("POST", url, data=fields, headers=_HEADERS) as answer,
    ):
        async for block in answer.aiter_raw():
            body += block
            if len(body) > OUTPUT_LIMIT:
                raise TokenError(f"{answer.url.host} answers too much")
        return answer.status_code, bytes(body)


class _Refusal(msgspec.Struct):
    error: str = ""


def _error(body: bytes) -> str:
    """The code of a refusal (RFC 6749, 5.2); '' when there is none."""
    try:
        code = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return code if _ERROR.fullmatch(code) else ""
