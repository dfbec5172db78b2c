"""The courier to the mail exchangers of one domain (RFC 5321, 5.1).

Hosts of one preference are tried in random order, each at all its addresses; no more than `ATTEMPTS` for one attempt of
a message, and of no more than `HOSTS` hosts the addresses are asked for: a domain can name hundreds that don't answer.  The next host is tried only when nothing was said about the message yet, because a host that was reached
speaks for the domain.  Where we are an exchanger ourselves, hosts that are not better than we are would send the mail
back, and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from graphpost.transport.courier import Courier, Deferred, Envelope, Failed, Outcome, Reply
from graphpost.transport.resolver import Exchanger, LookupFailedError, NoSuchDomainError, Resolver

ATTEMPTS: Final = 5
HOSTS: Final = 10


class MxCourier:
    """Delivers to one domain (an A-label).

    `hosts` gives the courier for a host's name and one of its addresses; it is shared with other domains, and not ours
    to close.  `own` are the names that are ours, in lower case.
    """

    def __init__(
        self,
        domain: str,
        resolver: Resolver,
        hosts: Callable[[str, str], Courier],
        own: frozenset[str],
        random: Random,
    ) -> None:
        self._domain = domain
        self._resolver = resolver
        self._hosts = hosts
        self._own = own
        self._random = random

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        try:
            exchangers = await self._exchangers()
        except _Hopeless as reason:
            return (reason.outcome,) * len(envelope.recipients)
        outcomes = await self._deliver(envelope, exchangers)
        if outcomes is not None:
            return outcomes
        text = f"none of the mail servers of {self._domain} has an address: {_listed(exchangers)}"
        return (_held("4.4.4", text),) * len(envelope.recipients)

    async def _deliver(
        self, envelope: Envelope, exchangers: Sequence[Exchanger]
    ) -> tuple[Outcome, ...] | None:
        """What the first host says that can be spoken to, or else the last; None when none has an address."""
        outcomes: tuple[Outcome, ...] | None = None
        left = ATTEMPTS
        for exchanger in exchangers[:HOSTS]:
            if not left:
                break
            try:
                addresses = await self._resolver.addresses(exchanger.host)
            except NoSuchDomainError:
                continue
            except LookupFailedError as error:
                outcomes = (_held("4.4.3", str(error)),) * len(envelope.recipients)
                continue
            for address in addresses[:left]:
                left -= 1
                outcomes = await self._hosts(exchanger.host, address).deliver(envelope)
                if not all(isinstance(said, Deferred) and said.whole_destination for said in outcomes):
                    return outcomes
        return outcomes

    async def _exchangers(self) -> list[Exchanger]:
        """Whom to try, in order; raises what makes it no use to try at all."""
        domain = self._domain
        try:
            found = list(await self._resolver.exchangers(domain))
            if not found and not await self._resolver.addresses(domain):
                raise _Hopeless(_failed("5.4.4", f"{domain} has no mail server"))
        except NoSuchDomainError as error:
            raise _Hopeless(_failed("5.1.2", f"there is no domain {domain}")) from error
        except LookupFailedError as error:
            raise _Hopeless(_held("4.4.3", str(error))) from error
        if not found:
            found = [Exchanger(0, domain)]
        named = [exchanger for exchanger in found if exchanger.host]
        if not named:
            raise _Hopeless(_failed("5.1.10", f"{domain} takes no mail (null MX)"))
        ours = min((each.preference for each in named if each.host in self._own), default=None)
        better = [each for each in named if ours is None or each.preference < ours]
        if not better:
            raise _Hopeless(_failed("5.4.6", f"mail for {domain} would come back: we are its mail server"))
        return sorted(better, key=lambda each: (each.preference, self._random.random()))

    async def close(self) -> None:
        """Nothing is ours."""


class _Hopeless(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def _failed(status: str, text: str) -> Failed:
    return Failed(Reply(0, status, text))


def _held(status: str, text: str) -> Deferred:
    return Deferred(Reply(0, status, text), whole_destination=True)


def _listed(exchangers: Sequence[Exchanger]) -> str:
    return ", ".join(each.host for each in exchangers[:ATTEMPTS])
