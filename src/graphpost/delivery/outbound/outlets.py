"""The outlets: a courier for every destination key that the settings lead to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import structs

from graphpost.clock import Clock
from graphpost.config import DeliverySettings, DnsSettings, RouteSettings
from graphpost.config.names import a_label
from graphpost.delivery.outbound.relaying import SMTP_PORT, Relays, connections_of, target_of
from graphpost.delivery.outbound.suppressing import SuppressedCourier
from graphpost.delivery.queue.lane import Limits
from graphpost.delivery.routing import (
    CAPTURE,
    EXCEEDED,
    MX,
    REJECT,
    SUPPRESSED,
    UNKNOWN,
    Router,
    destination_key,
)
from graphpost.errors import ConfigurationError
from graphpost.maillog import MailLog
from graphpost.store.queue.interventions import CANCELLED
from graphpost.store.store import Store
from graphpost.transport.capture import CaptureCourier
from graphpost.transport.courier import Courier, Failed, Reply
from graphpost.transport.idling import IdleConnections
from graphpost.transport.reject import RejectCourier, refusal
from graphpost.transport.security import Security, TlsLevel, client_context
from graphpost.transport.session import SmtpTarget
from graphpost.transport.smarthosts import Smarthost
from graphpost.transport.smtp import SmtpCourier

if TYPE_CHECKING:
    from graphpost.delivery.outbound.exchangers import Exchangers

HTTPS_PORT: Final = 443
DELIVERIES_PER_CONNECTION: Final = 2
_EXCEEDED: Final = "The mailbox has reached its limit of recipients; the message was not sent"


class Outlets:
    """Made once from the routes; `find` knows every key that `Router` can give but `local`.

    `names` are ours beside `hostname` and those of routes: a mail exchanger of such a name is us.  `signed` is put around
    every courier by which mail leaves.
    """

    def __init__(
        self,
        routes: Sequence[RouteSettings],
        settings: DeliverySettings,
        hostname: str,
        *,
        router: Router,
        dns: DnsSettings,
        store: Store,
        clock: Clock,
        log: MailLog,
        policy_port: int = HTTPS_PORT,
        signed: Callable[[Courier], Courier] = lambda courier: courier,
        names: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._hostname = hostname
        self._router = router
        self._signed = signed
        ours = (hostname, *names, *(route.hostname for route in routes))
        self._own = frozenset(a_label(name).lower() for name in ours if name)
        self._courier_of = partial(
            SmtpCourier,
            when_secured=said_of_tls(log),
            idling=IdleConnections(settings.connections),
        )
        for i, route in enumerate(routes):
            check_files(route, f"routes[{i}]")
        self._exchangers: Exchangers | None = None
        if any(destination_key(route) == MX for route in routes):
            self._exchangers = self._asking(dns, store, clock, log, policy_port)
        self._limits: dict[str, Limits] = {}
        unknown = Failed(Reply(550, "5.1.1", "Recipient address rejected: no such mailbox here", hostname))
        cancelled = Failed(Reply(554, "5.7.0", "delivery was cancelled by an administrator", hostname))
        self._couriers: dict[str, Courier] = {
            CAPTURE: CaptureCourier(),
            REJECT: RejectCourier(),
            UNKNOWN: RejectCourier(unknown),
            EXCEEDED: RejectCourier(Failed(Reply(550, "5.1.90", _EXCEEDED, hostname))),
            CANCELLED: RejectCourier(cancelled),
            SUPPRESSED: SuppressedCourier(store, hostname),
        }
        relays = Relays(settings, hostname, clock.now, self._courier_of, said_of_smarthosts(log))
        for route in routes:
            key = destination_key(route)
            if key in self._couriers:
                continue
            if "://" in key:
                self._couriers[key] = signed(relays.courier(route))
                self._limits[key] = self._limits_of(route, most_connections(route, settings))
            elif key.startswith(REJECT):
                self._couriers[key] = RejectCourier(refusal(key.partition(":")[2]))

    def _asking(
        self, dns: DnsSettings, store: Store, clock: Clock, log: MailLog, policy_port: int
    ) -> Exchangers:
        from graphpost.delivery.outbound.exchangers import (
            Exchangers,  # DNS takes time and memory that not everybody needs
        )

        def target(route: RouteSettings, host: str, address: str) -> SmtpTarget:
            return exchanger_target(route, self._settings, self._hostname, host, address)

        return Exchangers(
            dns,
            target,
            self._own,
            self._courier_of,
            store=store,
            clock=clock,
            log=log,
            policy_port=policy_port,
        )

    def find(self, destination: str) -> Courier | None:
        if not destination.startswith(MX):
            return self._couriers.get(destination)
        domain = destination.removeprefix(MX)
        route = self._router.mx_route(domain)
        if route is None or self._exchangers is None:
            return None
        return self._signed(self._exchangers.courier(domain, route))

    def limits(self, destination: str) -> Limits:
        """How many deliveries to a destination may be under way at once; without a host, as many from the beginning."""
        if destination.startswith(MX) and (route := self._router.mx_route(destination.removeprefix(MX))):
            return self._limits_of(route, connections_of(route, self._settings))
        most = self._settings.concurrency
        return self._limits.get(destination) or Limits(most, initial=most, is_remote=False)

    def _limits_of(self, route: RouteSettings, connections: int) -> Limits:
        """Over SMTP there are twice as many deliveries under way as connections: the courier sends the commands of
        the next message together with the content of the one before."""
        return Limits(
            DELIVERIES_PER_CONNECTION * connections,
            initial=self._settings.initial_concurrency,
            failed_cohorts=self._settings.failed_cohorts,
            per_minute=route.messages_per_minute or self._settings.messages_per_minute,
        )

    async def run(self) -> None:
        """Keep up to date what is known of domains; for ever."""
        if self._exchangers is not None:
            await self._exchangers.knowledge.policies.run(self._router.mx_route)

    def forget(self, domain: str) -> None:
        """Read from the store again what is known of a domain."""
        if self._exchangers is not None:
            self._exchangers.knowledge.forget(domain)

    async def close(self) -> None:
        await asyncio.gather(*(courier.close() for courier in self._couriers.values()))
        if self._exchangers is not None:
            await self._exchangers.close()


def check_files(route: RouteSettings, where: str) -> None:
    """Raise ConfigurationError unless there can be TLS with the files that the route names."""
    if not route.ca_file and not route.certificate:
        return
    try:
        client_context(is_verifying=True, ca_file=route.ca_file, certificate=route.certificate, key=route.key)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}.{error.key}", error.problem) from error


def said_of_tls(log: MailLog) -> Callable[[SmtpTarget, Security], None]:
    """Puts each connection under TLS into the log."""

    def say(target: SmtpTarget, security: Security) -> None:
        flaw = None if security.level is TlsLevel.VERIFIED else security.flaw
        log.secured(target.host, target.address, security.protocol, security.cipher, flaw)

    return say


def said_of_smarthosts(log: MailLog) -> Callable[[Smarthost, str], None]:
    """Puts it into the log when one of several hosts ceases to work, and when it works again."""

    def say(host: Smarthost, reason: str) -> None:
        log.smarthost(host.name, host.avoided_until, reason)

    return say


def most_connections(route: RouteSettings, settings: DeliverySettings) -> int:
    """How many connections a route has when all its hosts work: those of the best priority share its mail."""
    priorities = [host.priority for host in route.smarthosts()]
    return connections_of(route, settings) * priorities.count(min(priorities))


def exchanger_target(
    route: RouteSettings, settings: DeliverySettings, hostname: str, host: str, address: str
) -> SmtpTarget:
    """A mail exchanger at one of its addresses, to be reached as a route for `mx:` says."""
    port = route.to.partition(":")[2]
    target = target_of(structs.replace(route, to=f"smtp://{host}"), settings, hostname)
    return replace(target, address=address, port=int(port) if port else SMTP_PORT)


def host_name() -> str:
    """This machine's name for EHLO and reports; a name without a dot is no use there."""
    name = socket.getfqdn()
    return name if "." in name and name.isascii() else "localhost.localdomain"
