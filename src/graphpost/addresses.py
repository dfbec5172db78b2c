"""IP addresses: which are of the Internet at large, and which stand for others."""

from __future__ import annotations

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")  # all that IANA gives out
_DOCUMENTATION: Final = ipaddress.IPv6Network("3fff::/20")
_PROTOCOLS: Final = ipaddress.IPv4Network("192.0.0.0/24")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


def is_public(address: Address) -> bool:
    """Whether an address is of the Internet at large."""
    if address.version == 6 and (address not in _UNICAST or address in _DOCUMENTATION):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address in _PROTOCOLS)


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, translated, tunnelled); else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
