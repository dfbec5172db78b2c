"""Couriers to mail exchangers, by name and address.

Many domains share a host, and with it its connections.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from graphpost.config import DnsSettings, RouteSettings
from graphpost.transport.courier import Courier
from graphpost.transport.mx import MxCourier
from graphpost.transport.resolver import DnsResolver
from graphpost.transport.session import SmtpTarget
from graphpost.transport.smtp import SmtpCourier

KEPT: Final = 2000  # hosts without a connection


class Exchangers:
    """Finds the courier for a domain.  `target_of` says how a route wants to reach a host at an address."""

    def __init__(
        self,
        dns: DnsSettings,
        target_of: Callable[[RouteSettings, str, str], SmtpTarget],
        own: frozenset[str],
    ) -> None:
        self._resolver = DnsResolver(dns)
        self._target_of = target_of
        self._own = own
        self._random = Random()  # noqa: S311 - spreads load, keeps no secret
        self._couriers: OrderedDict[SmtpTarget, SmtpCourier] = OrderedDict()

    def courier(self, domain: str, route: RouteSettings) -> Courier:
        """To a domain's exchangers, as that route says."""
        hosts = partial(self._host, route)
        return MxCourier(
            domain, self._resolver, hosts, self._own, self._random, allow_local=route.allow_local
        )

    def _host(self, route: RouteSettings, host: str, address: str) -> Courier:
        target = self._target_of(route, host, address)
        courier = self._couriers.get(target)
        if courier is None:
            courier = self._couriers[target] = SmtpCourier(target)
            self._forget_some()
        self._couriers.move_to_end(target)
        return courier

    def _forget_some(self) -> None:
        """Let go of those that were not used for the longest time, as far as they do nothing."""
        for target in list(self._couriers)[: max(0, len(self._couriers) - KEPT)]:
            if self._couriers[target].is_idle:
                del self._couriers[target]

    async def close(self) -> None:
        for courier in self._couriers.values():
            await courier.close()
