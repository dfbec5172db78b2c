"""Where our mail comes from, and whether that looks like a mail server.

A route's `source` is known, and so is an address of this machine that is of the Internet.  Behind a translator of
addresses the one that others see is not; then what DNS says of our EHLO name stands for it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Coroutine, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from graphpost.cli.finding import Finding
from graphpost.config import Config, RouteSettings
from graphpost.delivery.outbound.outlets import host_name
from graphpost.transport.resolver import LookupFailedError, NoSuchDomainError, Records

_FAR: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class Origin(NamedTuple):
    """Where the mail of a route comes from.  `hello` is our EHLO name there, '' when a relay introduces itself."""

    route: str
    relay: str  # '' when it comes from us
    hello: str
    addresses: tuple[str, ...]  # empty: not known


async def find_origins(config: Config, records: Records) -> list[Origin]:
    """One of each route by which mail leaves, of a route with several relays one of each."""
    work: list[Coroutine[Any, Any, Origin]] = []
    for i, route in enumerate(config.routes):
        if route.is_relay:
            hosts = [urlsplit(host.to).hostname or "" for host in route.smarthosts()]
            work += [_relayed(records, f"routes[{i}]", host) for host in hosts]
        elif route.to.startswith("mx:"):
            hello = route.hostname or config.delivery.hostname or host_name()
            work.append(_direct(records, f"routes[{i}]", route, hello))
    return await asyncio.gather(*work)


async def _relayed(records: Records, name: str, host: str) -> Origin:
    return Origin(name, host, "", public(await _addresses(records, host)))


async def _direct(records: Records, name: str, route: RouteSettings, hello: str) -> Origin:
    return Origin(name, "", hello, await _own(records, route, hello))


async def _own(records: Records, route: RouteSettings, hello: str) -> tuple[str, ...]:
    known = public([route.source] if route.source else machine_addresses())
    return known or public(await _addresses(records, hello))


async def _addresses(records: Records, host: str) -> Sequence[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        return await records.addresses(host)
    except (LookupFailedError, NoSuchDomainError):
        return ()


def public(addresses: Sequence[str]) -> tuple[str, ...]:
    """Those of the Internet."""
    return tuple(each for each in addresses if ipaddress.ip_address(each).is_global)


def machine_addresses() -> list[str]:
    """The addresses that this machine would send from; nothing is sent to find out."""
    found = []
    for family, far in _FAR:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found.append(probe.getsockname()[0].partition("%")[0])
        except OSError:
            continue
    return found


async def check_origin(records: Records, origin: Origin) -> list[Finding]:
    """PTR and EHLO name of the addresses that are ours (RFC 5321, 4.1.4; what receivers ask: FCrDNS)."""
    if "." not in origin.hello or origin.hello.endswith(".localdomain"):
        text = f"we introduce ourselves as {origin.hello}: set delivery.hostname to a name that others can look up"
        return [Finding("", "FAIL", text)]
    if not origin.addresses:
        text = f"the address that others see is not known here, and {origin.hello} has none: set routes.source, or publish one"
        return [Finding("", "warn", text)]
    return [await _check_address(records, each, origin.hello) for each in origin.addresses]


async def _check_address(records: Records, address: str, hello: str) -> Finding:
    try:
        names = await records.names(address)
    except NoSuchDomainError:
        names = ()
    except LookupFailedError as error:
        return Finding("", "FAIL", str(error))
    if not names:
        pointer = ipaddress.ip_address(address).reverse_pointer
        return Finding("", "FAIL", f"{address} has no name; publish: {pointer}. PTR {hello}.")
    back = [name for name in names[:10] if address in await _addresses(records, name)]
    if not back:
        return Finding(
            "", "FAIL", f"{address} is {names[0]}, which is not {address}; let each name the other"
        )
    if hello.lower() not in back:
        text = f"{address} is {back[0]}, and we say {hello}: set delivery.hostname, or its PTR to {hello}."
        return Finding("", "warn", text)
    return Finding("", "ok", f"{address} is {hello}")
