"""Fetching MTA-STS policies: HTTPS from `mta-sts.DOMAIN` (RFC 8461 §3.3).

The certificate is verified for that name; no redirect is followed, no proxy or cookie taken from anywhere, and of an
answer no more is read than a policy may have.  Names are resolved here, and only addresses of the Internet are connected
to, because whom we fetch from is any domain's word.  Whatever goes wrong is a PolicyError.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from graphpost.addresses import embedded, is_public
from graphpost.errors import GraphpostError
from graphpost.transport.mta_sts import POLICY_BYTES, Policy, PolicyError, parse_policy
from graphpost.transport.resolver import Resolver

if TYPE_CHECKING:
    import httpcore2

FETCH_SECONDS: Final = 30.0
_ADDRESSES: Final = 4  # of a host that are tried
_PATH: Final = "/.well-known/mta-sts.txt"


class PolicyHost:
    """Fetches; `port` is where policies are served."""

    def __init__(self, resolver: Resolver, port: int, seconds: float = FETCH_SECONDS) -> None:
        self._resolver = resolver
        self._port = port
        self._seconds = seconds

    async def fetch(self, domain: str, *, ca_file: str, allow_local: bool) -> tuple[Policy, str]:
        """A domain's policy and its text; `allow_local`: from any address."""
        host = f"mta-sts.{domain}"
        try:
            async with asyncio.timeout(self._seconds):
                addresses = await self._addresses(host, allow_local=allow_local)
                text = await _get(host, self._port, addresses, ca_file)
        except TimeoutError as error:
            raise PolicyError(f"{host}: no answer in time") from error
        except (GraphpostError, OSError, ValueError) as error:
            raise PolicyError(f"{host}: {error}") from error
        return parse_policy(text), text

    async def _addresses(self, host: str, *, allow_local: bool) -> list[str]:
        found = await self._resolver.addresses(host)
        fit = [address for address in found if _is_fit(address, allow_local=allow_local)]
        if not fit:
            raise PolicyError(f"its address {found[0]} is not a public one" if found else "it has no address")
        return fit[:_ADDRESSES]


def _is_fit(address: str, *, allow_local: bool) -> bool:
    real = embedded(ipaddress.ip_address(address))
    return is_public(real) or (allow_local and not real.is_multicast and not real.is_unspecified)


async def _get(host: str, port: int, addresses: Iterable[str], ca_file: str) -> str:
    """The body of the policy file; the HTTP client is imported when it is needed first, in a thread."""
    context = await asyncio.to_thread(_prepared, ca_file)
    import httpcore2

    from graphpost.transport.pinning import pool

    headers = [("User-Agent", "Graphpost"), ("Accept", "text/plain"), ("Accept-Encoding", "identity")]
    where = httpcore2.URL(scheme="https", host=host, port=port, target=_PATH)
    try:
        async with (
            pool(addresses, context) as connections,
            connections.stream("GET", where, headers=[("Host", host), *headers]) as answer,
        ):
            _check(answer)
            body = bytearray()
            async for part in answer.aiter_stream():
                body += part
                if len(body) > POLICY_BYTES:
                    raise PolicyError(f"the policy is longer than {POLICY_BYTES} octets")
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
        raise PolicyError(str(error) or type(error).__name__) from error
    return body.decode()


def _check(answer: httpcore2.Response) -> None:
    if answer.status != 200:
        raise PolicyError(f"the answer is {answer.status}")
    kinds = [value for name, value in answer.headers if name.lower() == b"content-type"]
    if b"".join(kinds[:1]).partition(b";")[0].strip().lower() != b"text/plain":
        raise PolicyError("what is there is not text/plain")


@lru_cache(maxsize=16)
def _prepared(ca_file: str) -> ssl.SSLContext:
    """As for mail servers, but the name has to be among the certificate's alternative names (§3.3)."""
    import graphpost.transport.pinning  # noqa: F401

    context = ssl.create_default_context(cafile=ca_file or None)
    context.hostname_checks_common_name = False
    return context
