"""What DNS says, from a table: for our own evaluators, and for those that they are compared with."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from graphpost.transport.resolver import Exchanger, LookupFailedError, NoSuchDomainError

Table = dict[str, dict[str, list[str]]]
FAILS = {"FAILS": [""]}


class Zone:
    """Records from `{name: {kind: values}}`; a name with the kind FAILS gives no answer.  `asked` is what was asked."""

    def __init__(self, table: Table) -> None:
        self.table = {name.lower(): kinds for name, kinds in table.items()}
        self.asked: list[tuple[str, str]] = []

    def find(self, name: str, kind: str) -> list[str]:
        self.asked.append((name, kind))
        found = self.table.get(name.lower().rstrip("."))
        if found is None:
            raise NoSuchDomainError(f"DNS knows no {name}")
        if "FAILS" in found:
            raise LookupFailedError(f"nothing about {name}")
        return found.get(kind, [])

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        pairs = [text.split() for text in self.find(domain, "MX")]
        return tuple(Exchanger(int(number), host) for number, host in pairs)

    async def addresses(self, host: str, kinds: Sequence[str] = ("A", "AAAA")) -> tuple[str, ...]:
        return tuple(each for kind in kinds for each in self.find(host, kind))

    async def texts(self, name: str) -> tuple[bytes, ...]:
        return tuple(text.encode("utf-8", "surrogateescape") for text in self.find(name, "TXT"))

    async def names(self, address: str) -> tuple[str, ...]:
        return tuple(self.find(ipaddress.ip_address(address).reverse_pointer, "PTR"))

    async def alias(self, name: str) -> str:
        return "".join(self.find(name, "CNAME"))
