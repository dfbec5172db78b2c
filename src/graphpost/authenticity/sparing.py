"""DNS for one question about one message, with a bound on what is answered.

The standards bound how many questions there are, not how long the answers may be: a hundred answers of hundreds of
records each would take seconds of our time for a message of a few octets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from graphpost.transport.resolver import BOTH, Exchanger, Kind, LookupFailedError, Records

OCTETS: Final = 131_072
RECORD_OCTETS: Final = 64  # what a record counts as, beside its text
Found = TypeVar("Found")


class Sparing:
    """A Records that raises LookupFailedError when too much was answered already."""

    def __init__(self, records: Records, octets: int = OCTETS) -> None:
        self._records = records
        self._left = octets

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        self._check(domain)
        return self._counted(await self._records.exchangers(domain))

    async def addresses(self, host: str, kinds: Sequence[Kind] = BOTH) -> tuple[str, ...]:
        self._check(host)
        return self._counted(await self._records.addresses(host, kinds))

    async def texts(self, name: str) -> tuple[bytes, ...]:
        self._check(name)
        found = self._counted(await self._records.texts(name))
        self._left -= sum(map(len, found))
        return found

    async def names(self, address: str) -> tuple[str, ...]:
        self._check(address)
        return self._counted(await self._records.names(address))

    async def alias(self, name: str) -> str:
        self._check(name)
        return await self._records.alias(name)

    def _check(self, name: str) -> None:
        if self._left <= 0:
            raise LookupFailedError(f"{name} was not looked up: the answers before were too long")

    def _counted(self, found: tuple[Found, ...]) -> tuple[Found, ...]:
        self._left -= RECORD_OCTETS * len(found)
        return found
