"""What DNS says about where the mail of a domain goes, and where it comes from.

RFC 5321, 5.1; RFC 7505.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import dns.reversename
from msgspec import Struct

from graphpost.config import DnsSettings
from graphpost.errors import ConfigurationError, GraphpostError
from graphpost.transport.name_server import NameServer

CACHED: Final = 10_000  # answers
CACHED_OCTETS: Final = 2048  # of an answer that is remembered; in memory it takes sixteen times as much
Kind = Literal["A", "AAAA"]
BOTH: Final[tuple[Kind, ...]] = ("A", "AAAA")


class Exchanger(Struct, frozen=True, order=True):
    """A host that takes a domain's mail; the least preference is tried first."""

    preference: int
    host: str


class LookupFailedError(GraphpostError):
    """DNS gave no answer now; it may later."""


class NoSuchDomainError(GraphpostError):
    """DNS says for certain that there is no such name."""


class Resolver(Protocol):
    """Names are A-labels without a dot at the end.  All raise LookupFailedError and NoSuchDomainError."""

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        """The MX records; a host '' is that of a null MX.  Empty when there are none."""
        ...

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The A records, then the AAAA records; empty when there are none."""
        ...


class Records(Protocol):
    """What DNS says of a domain beside where its mail goes.  As Resolver in names and errors."""

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]: ...

    async def addresses(self, host: str, kinds: Sequence[Kind] = BOTH) -> tuple[str, ...]:
        """The addresses of these kinds, in their order."""
        ...

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """The TXT records, each with its strings put together; empty when there are none."""
        ...

    async def names(self, address: str) -> tuple[str, ...]:
        """The PTR records of an address, in lower case; empty when there are none."""
        ...

    async def alias(self, name: str) -> str:
        """What the name is a CNAME of; '' when it is none."""
        ...


class DnsResolver:
    """Asks the given servers, or those of the machine, and remembers so many answers, as long as they last."""

    def __init__(self, settings: DnsSettings, cached: int = CACHED) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not settings.servers)
        except dns.exception.DNSException as error:
            raise ConfigurationError("dns.servers", f"the machine has no DNS server: {error}") from error
        servers = settings.servers or [str(server) for server in self._resolver.nameservers]
        self._resolver.nameservers = [_server(server) for server in servers]
        self._resolver.lifetime = settings.seconds
        self._resolver.cache = _Cache(cached)

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        found = await self._ask(domain, "MX")
        return tuple(
            Exchanger(int(record.preference), record.exchange.to_text(omit_final_dot=True).lower().strip("."))
            for record in found
        )

    async def addresses(self, host: str, kinds: Sequence[Kind] = BOTH) -> tuple[str, ...]:
        failure: LookupFailedError | None = None
        found: list[str] = []
        for kind in kinds:
            try:
                found += [record.address for record in await self._ask(host, kind)]
            except LookupFailedError as error:
                failure = error
        if failure is not None and not found:
            raise failure
        return tuple(found)

    async def texts(self, name: str) -> tuple[bytes, ...]:
        return tuple(b"".join(record.strings) for record in await self._ask(name, "TXT"))

    async def names(self, address: str) -> tuple[str, ...]:
        name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        found = await self._ask(name, "PTR")
        return tuple(record.target.to_text(omit_final_dot=True).lower() for record in found)

    async def alias(self, name: str) -> str:
        for record in await self._ask(name, "CNAME"):
            return str(record.target.to_text(omit_final_dot=True).lower())
        return ""

    async def _ask(self, name: str, kind: str) -> Sequence[Any]:
        try:
            absolute = dns.name.from_text(name, origin=dns.name.root)
            answer = await self._resolver.resolve(absolute, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            raise NoSuchDomainError(f"DNS knows no {name}") from error
        except dns.exception.DNSException as error:
            raise LookupFailedError(
                f"the {kind} records of {name} were not to be had: {_words(error)}"
            ) from error
        except OSError as error:
            raise LookupFailedError(f"the {kind} records of {name} were not to be had: {error}") from error
        return list(answer.rrset or ())


class _Cache(dns.resolver.LRUCache):
    """Not for long answers: what they say is a stranger's choice."""

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        if len(value.response.wire or b"") <= CACHED_OCTETS:
            super().put(key, value)


def _words(error: dns.exception.DNSException) -> str:
    if isinstance(error, dns.exception.Timeout):
        return "no answer in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "no server answered properly"
    return type(error).__name__


def _server(text: str) -> NameServer:
    """A name server from `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`."""
    address, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    return NameServer(address.strip("[]"), int(port) if colon else 53)
