"""The courier to the mail exchangers of one domain (RFC 5321, 5.1).

Hosts of one preference are tried in random order, each at all its addresses; no more than `ATTEMPTS` for one attempt of
a message, and of no more than `HOSTS` hosts the addresses are asked for: a domain can name hundreds that don't answer.  The next host is tried only when nothing was said about the message yet, because a host that was reached
speaks for the domain.  Addresses at which this machine would talk to itself or its link are not connected to: what DNS
says is anybody's word (as with Exim's ignore_target_hosts).  Where we are an exchanger ourselves, hosts that are not better than we are would send the mail
back, and are left out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Protocol

from msgspec import Struct

from graphpost.addresses import embedded
from graphpost.config import TlsPolicy
from graphpost.transport.courier import Courier, Deferred, Envelope, Failed, Outcome, Reply, is_unsaid
from graphpost.transport.mta_sts import Policy
from graphpost.transport.resolver import Exchanger, LookupFailedError, NoSuchDomainError, Resolver
from graphpost.transport.security import Security

ATTEMPTS: Final = 5
HOSTS: Final = 10
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")


class Demand(Struct, frozen=True):
    """How safely mail for a domain has to travel; `why` it is more than the route asks for ('' when it is not)."""

    tls: TlsPolicy
    policy: Policy | None = None
    why: str = ""

    def admits(self, host: str) -> bool:
        """Whether mail may go by that host at all."""
        return self.policy is None or self.policy.mode != "enforce" or self.policy.matches(host)


class Safety(Protocol):
    """What is known of how domains take mail."""

    async def demand(self, domain: str) -> Demand: ...

    def reached(self, domain: str, host: str, demand: Demand, security: Security) -> None:
        """A host talked about a message over such a connection."""
        ...

    def refused(self, domain: str, host: str, reason: str) -> None:
        """A host was not safe enough."""
        ...

    def passed_over(self, domain: str, host: str, reason: str) -> None:
        """A host did not work, and the next one is tried."""
        ...


class HostCourier(Courier, Protocol):
    """To one host at one address."""

    @property
    def security(self) -> Security:
        """That of the connection opened last."""
        ...


class MxCourier:
    """Delivers to one domain (an A-label).

    `hosts` gives the courier for a host's name, one of its addresses and a TLS policy; it is shared with other domains, and
    not ours to close.  `own` are the names that are ours, in lower case.  `allow_local`: to loopback and link-local addresses too.
    """

    def __init__(
        self,
        domain: str,
        resolver: Resolver,
        hosts: Callable[[str, str, TlsPolicy], HostCourier],
        own: frozenset[str],
        random: Random,
        *,
        safety: Safety,
        allow_local: bool = False,
    ) -> None:
        self._domain = domain
        self._resolver = resolver
        self._hosts = hosts
        self._own = own
        self._random = random
        self._safety = safety
        self._allow_local = allow_local

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        try:
            exchangers = await self._exchangers()
        except _Hopeless as reason:
            return (reason.outcome,) * len(envelope.recipients)
        demand = await self._safety.demand(self._domain)
        admitted = [each for each in exchangers if self._is_admitted(each.host, demand)]
        if not admitted:
            text = (
                f"the MTA-STS policy of {self._domain} names none of its mail servers: {_listed(exchangers)}"
            )
            return (_held("4.7.5", text),) * len(envelope.recipients)
        outcomes = await self._deliver(envelope, admitted, demand)
        if outcomes is not None:
            return outcomes
        text = f"none of the mail servers of {self._domain} has an address: {_listed(exchangers)}"
        return (_held("4.4.4", text),) * len(envelope.recipients)

    async def _deliver(
        self, envelope: Envelope, exchangers: Sequence[Exchanger], demand: Demand
    ) -> tuple[Outcome, ...] | None:
        """What the first host says that can be spoken to, or else the last; None when none has an address.

        That a host was not safe enough is said before anything else that was wrong with others.
        """
        outcomes: tuple[Outcome, ...] | None = None
        refused = unsafe = ""
        failed: tuple[str, str] | None = None
        left = ATTEMPTS
        everybody = len(envelope.recipients)
        for exchanger in exchangers[:HOSTS]:
            if not left:
                break
            try:
                addresses = await self._resolver.addresses(exchanger.host)
            except NoSuchDomainError:
                continue
            except LookupFailedError as error:
                outcomes = (_held("4.4.3", str(error)),) * everybody
                continue
            for address in addresses:
                if not left:
                    break
                if why := refusal(address, allow_local=self._allow_local):
                    refused = (
                        refused
                        or f"{exchanger.host} has the address {address}, and mail is not sent to {why}"
                    )
                    continue
                left -= 1
                if failed:
                    self._safety.passed_over(self._domain, *failed)
                host = self._hosts(exchanger.host, address, demand.tls)
                outcomes = await host.deliver(envelope)
                if not all(map(is_unsaid, outcomes)):
                    self._safety.reached(self._domain, exchanger.host, demand, host.security)
                    return outcomes
                failed = exchanger.host, outcomes[0].reply.words
                unsafe = self._note_unsafe(exchanger.host, outcomes[0], demand) or unsafe
        if unsafe:
            return (_held("4.7.5", unsafe),) * everybody
        if outcomes is None and refused:
            return (_failed("5.4.4", refused),) * everybody
        return outcomes

    def _is_admitted(self, host: str, demand: Demand) -> bool:
        if not demand.admits(host):
            self._safety.refused(self._domain, host, "the domain's MTA-STS policy does not name this host")
            return False
        return True

    def _note_unsafe(self, host: str, outcome: Outcome, demand: Demand) -> str:
        """Why mail was not given to a host, when it was for lack of TLS that we insist on; else ''."""
        if not (demand.why and isinstance(outcome, Deferred) and outcome.lacks_tls):
            return ""
        reply = outcome.reply
        said = f"{host} answered STARTTLS with {reply.code} {reply.text}" if reply.code else reply.text
        reason = f"{said}; {demand.why}"
        self._safety.refused(self._domain, host, reason)
        return reason

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


def refusal(address: str, *, allow_local: bool) -> str:
    """What kind of address it is that mail is not sent to; '' for one it is."""
    real = embedded(ipaddress.ip_address(address))
    if real.is_multicast:
        return "multicast addresses"
    if allow_local:
        return ""
    if real.is_loopback:
        return "loopback addresses"
    if real.is_link_local:
        return "link-local addresses"
    if real.is_unspecified or real in _THIS_NETWORK:
        return "addresses of no host"
    return ""


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
