"""SPF: whether an address may send mail in the name of a domain (RFC 7208).

Never raises: what DNS doesn't answer is `temperror`, what nobody can make sense of is `permerror`.  Bounded as the RFC
has it: ten terms that ask DNS, two that find nothing, ten hosts of an MX or PTR term.  How long it all may take is for
the caller to say.  Explanations (`exp=`) are not fetched: they are words of a stranger.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import quote

from graphpost.authenticity.spf_record import (
    Macro,
    Mechanism,
    Result,
    Spec,
    SpfSyntaxError,
    parse_record,
    spf_texts,
)
from graphpost.mail.address import domain_of
from graphpost.transport.resolver import Kind, LookupFailedError, NoSuchDomainError, Records

LOOKUPS: Final = 10  # terms of a check that ask DNS
VOID: Final = 2  # of those that find nothing
HOSTS: Final = 10  # of one term
_LABEL: Final = re.compile(r"[!-\-/-\[\]-~]{1,63}")  # what is printable, but the dot and the backslash
_NAME_BYTES: Final = 253
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What came of it, for which domain; why when it went wrong; how many terms were looked up for it."""

    result: Result
    domain: str
    reason: str = ""
    lookups: int = 0


class _Permanent(Exception):
    """Ends the check with permerror."""


async def check_spf(records: Records, peer: str, helo: str, sender: str) -> SpfResult:
    """Whether `peer` may send as `sender`; of the null sender, whether it may call itself `helo` (RFC 7208, 2.4)."""
    local = sender.rpartition("@")[0] or "postmaster"
    domain = domain_of(sender or f"@{helo}").rstrip(".")
    address = _address(peer)
    if address is None or not is_askable(domain) or "." not in domain:
        return SpfResult("none", domain)
    check = _Check(records, address, helo, local, domain)
    result: Result
    try:
        result, reason = await check.host(domain), ""
    except (_Permanent, SpfSyntaxError) as error:
        result, reason = "permerror", str(error)
    except LookupFailedError as error:
        result, reason = "temperror", str(error)
    return SpfResult(result, domain, reason, check.lookups)


def is_askable(name: str) -> bool:
    """Whether DNS can be asked for the name: labels of a length that may be, nothing that would be read as an escape."""
    return len(name) <= _NAME_BYTES and all(map(_LABEL.fullmatch, name.split(".")))


def _address(peer: str) -> Address | None:
    """None when there is none, as over a Unix socket."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


class _Check:
    """One check, with what it has used up of its bounds."""

    def __init__(self, records: Records, peer: Address, helo: str, local: str, domain: str) -> None:
        self._records = records
        self._peer = peer
        self._kinds: Sequence[Kind] = ("A",) if peer.version == 4 else ("AAAA",)
        self._helo = helo
        self._local = local
        self._sender_domain = domain
        self.lookups = 0
        self._void = 0
        self._names: list[str] | None = None

    async def host(self, domain: str) -> Result:
        """check_host() of the RFC, for a domain that can be asked for."""
        try:
            texts = spf_texts(await self._records.texts(domain))
        except NoSuchDomainError:
            return "none"
        if not texts:
            return "none"
        if len(texts) > 1:
            raise _Permanent(f"{domain} has {len(texts)} SPF records")
        record = parse_record(texts[0])
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                return mechanism.result
        if record.redirect and not any(each.name == "all" for each in record.mechanisms):
            return await self._redirected(record.redirect, domain)
        return "neutral"

    async def _redirected(self, spec: Spec, domain: str) -> Result:
        self._count_lookup()
        target = await self._expanded(spec, domain)
        result = await self.host(target) if is_askable(target) else "none"
        if result == "none":
            raise _Permanent(f"{domain} redirects to {target}, which has no SPF record")
        return result

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.asks:
            self._count_lookup()
        target = await self._expanded(mechanism.spec, domain) if mechanism.spec else domain
        if mechanism.name == "include":
            return await self._included(target, domain)
        if not is_askable(target):
            return False
        match mechanism.name:
            case "all":
                return True
            case "ip4" | "ip6":
                network = mechanism.network
                return network is not None and self._peer.version == network.version and self._peer in network
            case "a":
                return self._is_among(await self._addresses(target, counted=True), mechanism)
            case "mx":
                return await self._is_exchanger(target, mechanism)
            case "ptr":
                return any(_is_within(name, target) for name in await self._validated_names())
            case _:
                return bool(await self._addresses(target, ("A",), counted=True))

    async def _included(self, target: str, domain: str) -> bool:
        result = await self.host(target) if is_askable(target) else "none"
        if result == "none":
            raise _Permanent(f"{domain} includes {target}, which has no SPF record")
        return result == "pass"

    async def _is_exchanger(self, target: str, mechanism: Mechanism) -> bool:
        try:
            found = await self._records.exchangers(target)
        except NoSuchDomainError:
            found = ()
        self._count_void(not found)
        if len(found) > HOSTS:
            raise _Permanent(f"{target} has {len(found)} mail exchangers")
        for exchanger in found:
            if is_askable(exchanger.host) and self._is_among(
                await self._addresses(exchanger.host), mechanism
            ):
                return True
        return False

    async def _addresses(
        self, host: str, kinds: Sequence[Kind] = (), *, counted: bool = False
    ) -> tuple[str, ...]:
        try:
            found = await self._records.addresses(host, kinds or self._kinds)
        except NoSuchDomainError:
            found = ()
        if counted:
            self._count_void(not found)
        return found

    def _is_among(self, addresses: Sequence[str], mechanism: Mechanism) -> bool:
        length = mechanism.four if self._peer.version == 4 else mechanism.six
        return any(self._peer in ip_network(f"{each}/{length}", strict=False) for each in addresses)

    async def _validated_names(self) -> list[str]:
        """The peer's names that have its address (5.5); what DNS doesn't answer is no name."""
        if self._names is None:
            self._names = await self._find_names()
        return self._names

    async def _find_names(self) -> list[str]:
        try:
            names = await self._records.names(str(self._peer))
        except (LookupFailedError, NoSuchDomainError):
            names = ()
        self._count_void(not names)
        return [name for name in names[:HOSTS] if is_askable(name) and await self._is_ours(name)]

    async def _is_ours(self, name: str) -> bool:
        try:
            return str(self._peer) in await self._addresses(name)
        except LookupFailedError:
            return False

    def _count_lookup(self) -> None:
        self.lookups += 1
        if self.lookups > LOOKUPS:
            raise _Permanent(f"it takes more than {LOOKUPS} lookups")

    def _count_void(self, is_void: bool) -> None:
        self._void += is_void
        if self._void > VOID:
            raise _Permanent(f"more than {VOID} lookups find nothing")

    async def _expanded(self, spec: Spec, domain: str) -> str:
        """The domain that a domain-spec stands for, cut from the left to what a name may be (7.3)."""
        parts = [part if isinstance(part, str) else await self._value(part, domain) for part in spec]
        name = "".join(parts).rstrip(".").lower()
        if len(name) > _NAME_BYTES:
            name = name[name.find(".", len(name) - _NAME_BYTES - 1) + 1 :]
        return name

    async def _value(self, macro: Macro, domain: str) -> str:
        labels = re.split(
            f"[{re.escape(macro.delimiters)}]", await self._letter(macro.letter.lower(), domain)
        )
        if macro.is_reversed:
            labels.reverse()
        text = ".".join(labels[-macro.keep :])
        return quote(text, safe="-._~") if macro.letter.isupper() else text

    async def _letter(self, letter: str, domain: str) -> str:
        match letter:
            case "s":
                return f"{self._local}@{self._sender_domain}"
            case "l":
                return self._local
            case "o":
                return self._sender_domain
            case "d":
                return domain
            case "h":
                return self._helo
            case "v":
                return "in-addr" if self._peer.version == 4 else "ip6"
            case "p":
                return await self._name(domain)
            case _:
                if self._peer.version == 4:
                    return str(self._peer)
                return ".".join(self._peer.exploded.replace(":", ""))

    async def _name(self, domain: str) -> str:
        """The `p` macro: a name of the peer, that within the domain first; `unknown` when it has none."""
        names = await self._validated_names()
        return next((name for name in names if _is_within(name, domain)), names[0] if names else "unknown")


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")
