"""What is found out about a message that came in: SPF, DKIM and DMARC together.

Bounded in what a stranger can make big: see the modules of the three.  Questions to DNS have a budget of time and of
octets; what has no answer by then is `temperror`.  The questions of DMARC have budgets of their own: whoever forges the
author chooses what SPF and DKIM ask for, and must not be able to use up what the policy takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from graphpost.authenticity.dkim import (
    Digest,
    DkimResult,
    check_signature,
    described,
    digest_message,
)
from graphpost.authenticity.dkim_signature import DkimError, Signature
from graphpost.authenticity.dmarc import DmarcResult, check_dmarc
from graphpost.authenticity.results import results_field
from graphpost.authenticity.sparing import Sparing
from graphpost.authenticity.spf import SpfResult, check_spf
from graphpost.clock import SECOND, Clock
from graphpost.mail.address import domain_of, parse_address_list
from graphpost.transport.resolver import Records

SECONDS: Final = 20.0  # for what SPF and DKIM ask (RFC 7208, 4.6.4, wants no less), and again for DMARC
SMALL: Final = 65_536  # octets that are hashed on the spot
_LATE: Final = "no answer in time"
Found = TypeVar("Found")


class Content(Protocol):
    """A message: `size` octets, which may be read more than once."""

    @property
    def size(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is recorded (a field with its line end), and whether the author's domain wants such a message refused."""

    field: bytes
    spf: SpfResult
    signatures: tuple[DkimResult, ...]
    dmarc: DmarcResult

    @property
    def is_unwanted(self) -> bool:
        """RFC 9989: it fails, and the policy is to reject; or it has more authors than anybody looks at."""
        return self.dmarc.result in ("fail", "permerror") and self.dmarc.policy == "reject"


class Authenticator:
    """Says of messages who they are really from.  `host` is our name, by which others know the field as ours."""

    def __init__(self, records: Records, host: str, clock: Clock, seconds: float = SECONDS) -> None:
        self._records = records
        self._host = host
        self._clock = clock
        self._seconds = seconds

    async def evaluate(self, peer: str, helo: str, sender: str, data: Content) -> Verdict:
        """About a message of `sender` ('' for the null one) that `peer`, calling itself `helo`, wants to hand over.

        `data` is as it came, CRLF line ends and all.  Never raises for what is in it or in DNS.
        """
        digest, authors = _read(data) if data.size <= SMALL else await asyncio.to_thread(_read, data)
        deadline = asyncio.get_running_loop().time() + self._seconds
        now = self._clock.now() // SECOND
        spf, signatures = await asyncio.gather(
            self._spf(peer, helo, sender, deadline), self._signatures(digest, now, deadline)
        )
        dmarc = await _by(
            asyncio.get_running_loop().time() + self._seconds,
            check_dmarc(Sparing(self._records), authors, spf, signatures),
            DmarcResult("temperror", authors[0] if authors else "", reason=_LATE),
        )
        field = results_field(self._host, spf, sender, signatures, dmarc)
        return Verdict(field, spf, tuple(signatures), dmarc)

    async def _spf(self, peer: str, helo: str, sender: str, deadline: float) -> SpfResult:
        late = SpfResult("temperror", domain_of(sender or f"@{helo}"), _LATE)
        return await _by(deadline, check_spf(Sparing(self._records), peer, helo, sender), late)

    async def _signatures(self, digest: Digest, now: int, deadline: float) -> list[DkimResult]:
        records = Sparing(self._records)
        return await asyncio.gather(
            *(_signature(records, digest, each, now, deadline) for each in digest.signatures)
        )


async def _signature(
    records: Records, digest: Digest, signature: Signature | DkimError, now: int, deadline: float
) -> DkimResult:
    check = check_signature(records, digest, signature, now)
    if isinstance(signature, DkimError):
        return await check
    return await _by(deadline, check, described(signature, "temperror", _LATE))


def _read(data: Iterable[bytes]) -> tuple[Digest, list[str]]:
    digest = digest_message(data)
    return digest, author_domains(digest)


def author_domains(digest: Digest) -> list[str]:
    """The domains of all that From names, in A-labels, each once; of every From there is.

    Where it names nobody, those of Sender, which is what clients show then.
    """
    return _domains(digest, "from") or _domains(digest, "sender")


def _domains(digest: Digest, wanted: str) -> list[str]:
    values = [field.partition(b":")[2] for name, field in digest.fields if name == wanted]
    text = ",".join(value.decode("utf-8", "replace") for value in values)
    domains = (domain_of(author.address).rstrip(".") for author in parse_address_list(text))
    return list(dict.fromkeys(filter(None, domains)))


async def _by(deadline: float, work: Awaitable[Found], late: Found) -> Found:
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError:
        return late
