"""The outlets: a courier for every destination key that the settings lead to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import structs

from graphpost.config import DeliverySettings, DnsSettings, RouteSettings
from graphpost.delivery.routing import CAPTURE, EXCEEDED, MX, REJECT, UNKNOWN, Router, destination_key
from graphpost.transport.capture import CaptureCourier
from graphpost.transport.courier import Courier, Failed, Reply
from graphpost.transport.reject import RejectCourier
from graphpost.transport.session import SmtpTarget
from graphpost.transport.smtp import SmtpCourier

if TYPE_CHECKING:
    from graphpost.delivery.exchangers import Exchangers

SMTP_PORT: Final = 25
SMTPS_PORT: Final = 465
DELIVERIES_PER_CONNECTION: Final = 2
_EXCEEDED: Final = "The mailbox has reached its limit of recipients; the message was not sent"


class Outlets:
    """Made once from the routes; `find` knows every key that `Router` can give but `local`.

    `signed` is put around every courier by which mail leaves.
    """

    def __init__(
        self,
        routes: Sequence[RouteSettings],
        settings: DeliverySettings,
        hostname: str,
        *,
        router: Router,
        dns: DnsSettings,
        signed: Callable[[Courier], Courier] = lambda courier: courier,
    ) -> None:
        self._settings = settings
        self._hostname = hostname
        self._router = router
        self._signed = signed
        self._exchangers = self._asking(dns) if any(destination_key(r) == MX for r in routes) else None
        self._limits: dict[str, int] = {}
        unknown = Failed(Reply(550, "5.1.1", "Recipient address rejected: no such mailbox here", hostname))
        self._couriers: dict[str, Courier] = {
            CAPTURE: CaptureCourier(),
            REJECT: RejectCourier(),
            UNKNOWN: RejectCourier(unknown),
            EXCEEDED: RejectCourier(Failed(Reply(550, "5.1.90", _EXCEEDED, hostname))),
        }
        for route in routes:
            key = destination_key(route)
            if "://" in key and key not in self._couriers:
                self._couriers[key] = signed(SmtpCourier(target_of(route, settings, hostname)))
                self._limits[key] = DELIVERIES_PER_CONNECTION * connections_of(route, settings)

    def _asking(self, dns: DnsSettings) -> Exchangers:
        from graphpost.delivery.exchangers import (
            Exchangers,  # DNS takes time and memory that not everybody needs
        )

        def target(route: RouteSettings, host: str, address: str) -> SmtpTarget:
            return exchanger_target(route, self._settings, self._hostname, host, address)

        return Exchangers(dns, target, frozenset({self._hostname.lower()}))

    def find(self, destination: str) -> Courier | None:
        if not destination.startswith(MX):
            return self._couriers.get(destination)
        domain = destination.removeprefix(MX)
        route = self._router.mx_route(domain)
        if route is None or self._exchangers is None:
            return None
        return self._signed(self._exchangers.courier(domain, route))

    def limit(self, destination: str) -> int:
        """How many deliveries to a destination may be under way at once.

        Over SMTP that is twice as many as connections: the courier sends the commands of the next message together
        with the content of the one before.
        """
        if destination.startswith(MX) and (route := self._router.mx_route(destination.removeprefix(MX))):
            return DELIVERIES_PER_CONNECTION * connections_of(route, self._settings)
        return self._limits.get(destination) or self._settings.concurrency

    async def close(self) -> None:
        for courier in self._couriers.values():
            await courier.close()
        if self._exchangers is not None:
            await self._exchangers.close()


def connections_of(route: RouteSettings, settings: DeliverySettings) -> int:
    """The most connections that a route may have at once."""
    return route.concurrency or settings.concurrency


def target_of(route: RouteSettings, settings: DeliverySettings, hostname: str) -> SmtpTarget:
    """The SMTP host of a route."""
    url = urlsplit(route.to)
    implicit = url.scheme == "smtps"
    return SmtpTarget(
        host=url.hostname or "",
        port=url.port or (SMTPS_PORT if implicit else SMTP_PORT),
        hostname=route.hostname or hostname,
        implicit_tls=implicit,
        tls=route.tls,
        ca_file=route.ca_file,
        username=route.username,
        password=route.password,
        auth=route.auth,
        connect_seconds=settings.connect_seconds,
        reply_seconds=settings.reply_seconds,
        messages_per_connection=settings.messages_per_connection,
        connections=connections_of(route, settings),
        source=route.source,
        pipelining=route.pipelining,
    )


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
