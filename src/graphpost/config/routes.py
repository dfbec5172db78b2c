"""Whether routes make sense: domains, where they lead, how they get there.

Each check raises ConfigurationError with the path of the key at fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from graphpost.config.files import existing
from graphpost.config.names import check_domain, check_ip, check_own_name
from graphpost.config.relays import check_distinct, check_target
from graphpost.config.settings import RouteSettings
from graphpost.errors import ConfigurationError


def checked_routes(routes: Sequence[RouteSettings], data: Path) -> list[RouteSettings]:
    """The same routes with the paths of named files made absolute."""
    check_distinct(routes)
    return [_checked(route, f"routes[{i}]", data) for i, route in enumerate(routes)]


def _checked(route: RouteSettings, where: str, data: Path) -> RouteSettings:
    if not route.domains:
        raise ConfigurationError(f"{where}.domains", 'needs at least one domain, or "*"')
    for j, domain in enumerate(route.domains):
        if domain != "*":
            check_domain(domain.removeprefix("*."), f"{where}.domains[{j}]")
    if route.concurrency < 0:
        raise ConfigurationError(f"{where}.concurrency", "must not be negative")
    if route.messages_per_minute < 0:
        raise ConfigurationError(f"{where}.messages_per_minute", "must not be negative")
    if route.hostname:
        check_own_name(route.hostname, f"{where}.hostname")
    if route.source:
        check_ip(route.source, f"{where}.source")
    check_target(route, where)
    _check_client_certificate(route, where)
    files = {key: getattr(route, key) for key in ("ca_file", "certificate", "key") if getattr(route, key)}
    return replace(route, **{key: existing(data, file, f"{where}.{key}") for key, file in files.items()})


def _check_client_certificate(route: RouteSettings, where: str) -> None:
    if route.key and not route.certificate:
        raise ConfigurationError(f"{where}.certificate", f"is missing: there is only its key, {where}.key")
    in_clear = route.tls == "none" and not any(host.to.startswith("smtps:") for host in route.smarthosts())
    if route.certificate and in_clear:
        raise ConfigurationError(f"{where}.certificate", 'is no use with tls = "none"')
    if route.certificate and not route.is_relay and not route.to.startswith("mx:"):
        raise ConfigurationError(f"{where}.certificate", f"is no use with {route.to}")
