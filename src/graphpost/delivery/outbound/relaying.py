"""Couriers to the smarthosts of a route, with the tokens for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Final
from urllib.parse import urlsplit

from graphpost.clock import Instant
from graphpost.config import CredentialSettings, DeliverySettings, HostSettings, RouteSettings
from graphpost.config.names import a_label
from graphpost.transport.courier import Courier
from graphpost.transport.session import SmtpTarget
from graphpost.transport.smarthosts import Smarthost, SmarthostsCourier, Tell
from graphpost.transport.smtp import SmtpCourier
from graphpost.transport.token_command import TokenCommand
from graphpost.transport.tokens import CachedTokens, Granted, TokenSource

SMTP_PORT: Final = 25
SMTPS_PORT: Final = 465


class Relays:
    """Makes couriers; hosts with the same credentials have their tokens from the same place, got once."""

    def __init__(
        self,
        settings: DeliverySettings,
        hostname: str,
        now: Callable[[], Instant],
        courier_of: Callable[[SmtpTarget], SmtpCourier] = SmtpCourier,
        tell: Tell = lambda host, reason: None,
    ) -> None:
        self._settings = settings
        self._hostname = hostname
        self._now = now
        self._courier_of = courier_of
        self._tell = tell
        self._random = Random()  # noqa: S311 - spreads load, keeps no secret
        self._tokens: dict[tuple[object, ...], TokenSource] = {}

    def courier(self, route: RouteSettings) -> Courier:
        hosts = route.smarthosts()
        couriers = [self._courier_of(self.target(route, host)) for host in hosts]
        if len(hosts) == 1:
            return couriers[0]
        ranked = [
            Smarthost(courier, host.priority, host.weight, host.to)
            for host, courier in zip(hosts, couriers, strict=True)
        ]
        return SmarthostsCourier(ranked, self._now, self._random, self._tell)

    def target(self, route: RouteSettings, host: HostSettings) -> SmtpTarget:
        """A host of a route, with its tokens."""
        return target_of(route, self._settings, self._hostname, host, self._tokens_for(host))

    def _tokens_for(self, who: CredentialSettings) -> TokenSource | None:
        if not who.has_token_source:
            return None
        key = (
            tuple(who.token_command),
            who.token_url,
            who.client_id,
            who.client_secret,
            who.scope,
            who.token_seconds,
        )
        if key not in self._tokens:
            self._tokens[key] = CachedTokens(_fetcher(who), who.token_seconds, self._now)
        return self._tokens[key]


def _fetcher(who: CredentialSettings) -> Callable[[], Awaitable[Granted]]:
    if who.token_command:
        return TokenCommand(who.token_command)
    fields = {
        "grant_type": "client_credentials",
        "client_id": who.client_id,
        "client_secret": who.client_secret,
    }
    return partial(_ask, who.token_url, fields | ({"scope": who.scope} if who.scope else {}))


async def _ask(url: str, fields: dict[str, str]) -> Granted:
    from graphpost.transport.token_endpoint import fetch  # an HTTP client is memory that few need

    return await fetch(url, fields)


def connections_of(route: RouteSettings, settings: DeliverySettings) -> int:
    """The most connections that a route may have at once, to one host."""
    return route.concurrency or settings.concurrency


def target_of(
    route: RouteSettings,
    settings: DeliverySettings,
    hostname: str,
    host: HostSettings | None = None,
    tokens: TokenSource | None = None,
) -> SmtpTarget:
    """A host of a route; the only one when none is named."""
    host = host or route.smarthosts()[0]
    url = urlsplit(host.to)
    implicit = url.scheme == "smtps"
    return SmtpTarget(
        host=a_label(url.hostname or ""),
        port=url.port or (SMTPS_PORT if implicit else SMTP_PORT),
        hostname=a_label(route.hostname) or hostname,
        implicit_tls=implicit,
        tls=route.tls,
        ca_file=route.ca_file,
        username=host.username,
        password=host.password,
        auth=host.auth,
        connect_seconds=settings.connect_seconds,
        reply_seconds=settings.reply_seconds,
        messages_per_connection=settings.messages_per_connection,
        connections=connections_of(route, settings),
        source=route.source,
        pipelining=route.pipelining,
        tokens=tokens,
        certificate=route.certificate,
        key=route.key,
    )
