"""A courier that signs what it hands to another (DKIM).

The domain that signs is that of the author (From), or the nearest one above it that has keys: both are aligned with it,
which is what DMARC asks (RFC 7489, 3.1.1).  Mail of other domains goes out as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from graphpost.clock import Clock
from graphpost.mail.address import domain_of, parse_address_list
from graphpost.transport.courier import Courier, Data, Envelope, Outcome
from graphpost.transport.dkim import Signer, read_fields, split


class Prefixed:
    """A message with more fields at its beginning."""

    def __init__(self, prefix: bytes, data: Data) -> None:
        self._prefix = prefix
        self._data = data

    @property
    def size(self) -> int:
        return len(self._prefix) + self._data.size

    @property
    def is_8bit(self) -> bool:
        return self._data.is_8bit

    def __iter__(self) -> Iterator[bytes]:
        first = True
        for chunk in self._data:
            yield self._prefix + chunk if first else chunk
            first = False


class SigningCourier:
    """Signs each message anew whenever it is tried, with the time of that."""

    def __init__(self, courier: Courier, signers: Mapping[str, Signer], clock: Clock) -> None:
        self._courier: Final = courier
        self._signers = signers
        self._clock = clock

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        if envelope.is_foreign:  # its From is a claim that a signature of ours would make true
            return await self._courier.deliver(envelope)
        # The whole message is read, and OpenSSL works without the interpreter lock
        signed = await asyncio.to_thread(self._signed, envelope.data)
        return await self._courier.deliver(replace(envelope, data=signed))

    def _signed(self, data: Data) -> Data:
        signer = self.find(author_domain(data))
        return data if signer is None else Prefixed(signer.sign(data, self._clock.now()), data)

    def find(self, domain: str) -> Signer | None:
        """Who signs for a domain (an A-label in lower case)."""
        while domain:
            if signer := self._signers.get(domain):
                return signer
            domain = domain.partition(".")[2]
        return None

    async def close(self) -> None:
        await self._courier.close()


def author_domain(data: Data) -> str:
    """The domain of the message's only author; '' when there is none, or several that do not agree."""
    header, _ = split(iter(data))
    values = [field.partition(b":")[2] for name, field in read_fields(header) if name == "from"]
    domains = {
        domain_of(author.address)
        for value in values
        for author in parse_address_list(value.decode("utf-8", "replace"))
    }
    return domains.pop() if len(domains) == 1 else ""
