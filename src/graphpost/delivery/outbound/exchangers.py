"""Couriers to mail exchangers, by name and address.

Many domains share a host, and with it its connections.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Final

from graphpost.clock import Clock
from graphpost.config import DnsSettings, RouteSettings, TlsPolicy
from graphpost.delivery.outbound.levels import Levels
from graphpost.delivery.outbound.policies import Policies
from graphpost.delivery.outbound.safety import Knowledge, RouteSafety
from graphpost.maillog import MailLog
from graphpost.store.store import Store
from graphpost.transport.courier import Courier
from graphpost.transport.mx import MxCourier
from graphpost.transport.policy_host import PolicyHost
from graphpost.transport.resolver import DnsResolver
from graphpost.transport.session import SmtpTarget
from graphpost.transport.smtp import SmtpCourier

KEPT: Final = 2000  # hosts without a connection
_Key = tuple[int, str, str, TlsPolicy]  # route, host, address


class Exchangers:
    """Finds the courier for a domain.

    `target_of` says how a route wants to reach a host at an address, and `policy_port` where MTA-STS policies are.
    """

    def __init__(
        self,
        dns: DnsSettings,
        target_of: Callable[[RouteSettings, str, str], SmtpTarget],
        own: frozenset[str],
        courier_of: Callable[[SmtpTarget], SmtpCourier],
        *,
        store: Store,
        clock: Clock,
        log: MailLog,
        policy_port: int,
    ) -> None:
        self._resolver = DnsResolver(dns)
        host = PolicyHost(self._resolver, policy_port)
        policies = Policies(store, self._resolver, host, clock, log)
        self.knowledge = Knowledge(Levels(store, clock, log), policies, clock, log)
        self._courier_of = courier_of
        self._target_of = target_of
        self._own = own
        self._random = Random()  # noqa: S311 - spreads load, keeps no secret
        self._couriers: OrderedDict[_Key, SmtpCourier] = OrderedDict()

    def courier(self, domain: str, route: RouteSettings) -> Courier:
        """To a domain's exchangers, as that route says."""
        return MxCourier(
            domain,
            self._resolver,
            partial(self._host, route),
            self._own,
            self._random,
            safety=RouteSafety(self.knowledge, route),
            allow_local=route.allow_local,
        )

    def _host(self, route: RouteSettings, host: str, address: str, tls: TlsPolicy) -> SmtpCourier:
        key = (id(route), host, address, tls)  # a route is there for as long as we are
        courier = self._couriers.get(key)
        if courier is None:
            target = replace(self._target_of(route, host, address), tls=tls, looks_at_certificate=True)
            courier = self._couriers[key] = self._courier_of(target)
            self._forget_some()
        self._couriers.move_to_end(key)
        return courier

    def _forget_some(self) -> None:
        """Let go of those that were not used for the longest time, as far as they do nothing."""
        for key in list(self._couriers)[: max(0, len(self._couriers) - KEPT)]:
            if self._couriers[key].is_idle:
                del self._couriers[key]

    async def close(self) -> None:
        await self.knowledge.close()
        await asyncio.gather(*(courier.close() for courier in self._couriers.values()))
