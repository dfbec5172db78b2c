"""Whether settings make sense: numbers, URLs, addresses, files, combinations.

Each check raises ConfigurationError with the path of the key at fault.  Files are looked for under the data directory.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import asdict, replace

from graphpost.config.issuers import check_client_id, checked_issuers
from graphpost.config.names import check_domain, check_host, check_own_name, is_loopback
from graphpost.config.people import (
    check_address,
    check_groups,
    check_guid,
    check_mailboxes,
    check_one_line,
)
from graphpost.config.permissions import find_fault
from graphpost.config.relays import check_distinct, check_target
from graphpost.config.rights import check_entry, check_rights
from graphpost.config.settings import (
    ApplicationSettings,
    AuditSettings,
    Config,
    DkimSettings,
    InboundSettings,
    NotificationSettings,
    RouteSettings,
    ServerSettings,
    ThrottlingSettings,
)
from graphpost.errors import ConfigurationError

_DELIMITER: Final = re.compile(r"[!#$%&'*+/=?^_`{|}~-]?")
_SELECTOR: Final = re.compile(r"(?=.{1,63}$)[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*", re.ASCII)
_HARD: Final = re.compile(r"5\.[0-9]{1,3}\.[0-9]{1,3}")
_LONGEST: Final = 10_000_000_000.0  # seconds; centuries, which an instant still holds
_MOST: Final = 2**53
WILDCARDS: Final = ("0.0.0.0", "::", "[::]")  # noqa: S104 - names of listeners, not a listener
_COUNTED: Final = (
    "requests",
    "concurrency",
    "upload_bytes",
    "application_requests",
    "messages",
    "recipients",
)
_ZERO_ALLOWED: Final = {
    "accounts.deleted_seconds",
    "accounts.quota_bytes",
    "server.port",
    "metrics.port",
    "metrics.destinations",
    "inbound.port",
    "inbound.lmtp_port",
    "inbound.submission_port",
    "inbound.greet_seconds",
    "inbound.free_bytes",
    "delivery.retry_jitter",
    "delivery.delay_warning_seconds",
    "delivery.messages_per_minute",
    "delivery.queue_deliveries",
    "delivery.free_bytes",
    "store.inline_limit",
    "limits.custom_headers",
    *(f"throttling.{name}" for name in _COUNTED),
}


def check(config: Config) -> Config:
    """The same settings with the paths of named files made absolute; ConfigurationError when one makes no sense."""
    _check_numbers(config)
    _check_store(config)
    _check_tenant(config)
    for i, server in enumerate(config.dns.servers):
        _check_server(server, f"dns.servers[{i}]")
    for i, status in enumerate(config.suppression.statuses):
        if not _HARD.fullmatch(status):
            raise ConfigurationError(
                f"suppression.statuses[{i}]", f"{status!r} is not a status such as 5.1.1"
            )
    check_groups(config.groups, check_mailboxes(config.mailboxes))
    check_rights(config.rights)
    _check_throttling(config.throttling)
    check_distinct(config.routes)
    if config.delivery.hostname:
        check_own_name(config.delivery.hostname, "delivery.hostname")
    return replace(
        config,
        server=_checked_server(config.server, config.data),
        audit=_checked_audit(config.audit, config.data),
        issuers=checked_issuers(config.issuers, config.data),
        applications=_checked_applications(config),
        notifications=_checked_notifications(config.notifications, config.data),
        routes=[_checked_route(route, f"routes[{i}]", config.data) for i, route in enumerate(config.routes)],
        dkim=_checked_dkim(config.dkim, config.data),
        inbound=_checked_inbound(config.inbound, config.data),
    )


def _check_numbers(config: Config) -> None:
    for section, settings in asdict(config).items():
        if not hasattr(settings, "__struct_fields__"):
            continue
        for key, value in asdict(settings).items():
            name = f"{section}.{key}"
            for number in value if isinstance(value, list) else [value]:
                _check_number(name, number)
    for section, port in (
        ("server", "port"),
        ("metrics", "port"),
        ("inbound", "port"),
        ("inbound", "lmtp_port"),
        ("inbound", "submission_port"),
    ):
        if not 0 <= getattr(getattr(config, section), port) <= 65535:
            raise ConfigurationError(f"{section}.{port}", "must be between 0 and 65535")
    if not config.delivery.retry_seconds:
        raise ConfigurationError("delivery.retry_seconds", "needs at least one wait")
    if config.delivery.retry_jitter >= 1:
        raise ConfigurationError("delivery.retry_jitter", "must be less than 1")


def _check_number(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if value != value or value in (float("inf"), float("-inf")):
        raise ConfigurationError(name, "must be a finite number")
    if value < 0 or (value == 0 and name not in _ZERO_ALLOWED):
        raise ConfigurationError(
            name, "must not be negative" if name in _ZERO_ALLOWED else "must be greater than 0"
        )
    if value > (_LONGEST if name.endswith("seconds") else _MOST):
        raise ConfigurationError(name, "is too large")


def _checked_server(server: ServerSettings, data: Path) -> ServerSettings:
    if not server.host or any(c.isspace() for c in server.host):
        raise ConfigurationError("server.host", "must be an address or a host name")
    if not server.names:
        raise ConfigurationError("server.names", "needs at least one name")
    for i, name in enumerate(server.names):
        check_host(name, f"server.names[{i}]")
    if not server.tls and not is_loopback(server.host):
        raise ConfigurationError("server.tls", f"plain HTTP is for loopback only, and {server.host} is not")
    if bool(server.certificate) != bool(server.key):
        missing = "key" if server.certificate else "certificate"
        raise ConfigurationError(f"server.{missing}", "certificate and key go together")
    if not server.certificate:
        return server
    return replace(
        server,
        certificate=_existing(data, server.certificate, "server.certificate"),
        key=_existing(data, server.key, "server.key"),
    )


def _checked_inbound(settings: InboundSettings, data: Path) -> InboundSettings:
    for key in ("host", "lmtp_host"):
        check_host(getattr(settings, key), f"inbound.{key}")
    if settings.hostname:
        check_own_name(settings.hostname, "inbound.hostname")
    for i, entry in enumerate(settings.unlimited):
        if not is_network(entry):
            raise ConfigurationError(f"inbound.unlimited[{i}]", f"{entry!r} is not an address or a network")
    if bool(settings.certificate) != bool(settings.key):
        missing = "key" if settings.certificate else "certificate"
        raise ConfigurationError(f"inbound.{missing}", "certificate and key go together")
    if settings.submission_port and not settings.tls:
        raise ConfigurationError(
            "inbound.submission_port", "needs inbound.tls: passwords are not sent in clear text"
        )
    if settings.lmtp_socket:
        settings = replace(settings, lmtp_socket=str(data / settings.lmtp_socket))
    if not settings.certificate:
        return settings
    return replace(
        settings,
        certificate=_existing(data, settings.certificate, "inbound.certificate"),
        key=_existing(data, settings.key, "inbound.key"),
    )


def _checked_notifications(settings: NotificationSettings, data: Path) -> NotificationSettings:
    for i, entry in enumerate(settings.allow):
        if not is_network(entry):
            check_host(entry, f"notifications.allow[{i}]")
    if any(not 0 < port < 65536 for port in settings.ports):
        raise ConfigurationError("notifications.ports", "must be between 1 and 65535")
    if not settings.retry_seconds:
        raise ConfigurationError("notifications.retry_seconds", "needs at least one wait")
    if settings.lease_seconds < 2 * settings.timeout_seconds:
        raise ConfigurationError("notifications.lease_seconds", "must be twice timeout_seconds at least")
    if not settings.ca_file:
        return settings
    return replace(settings, ca_file=_existing(data, settings.ca_file, "notifications.ca_file"))


def _check_throttling(settings: ThrottlingSettings) -> None:
    """Numbers are for the custom profile, which needs some: a profile's own are not changed."""
    given = [name for name, value in asdict(settings).items() if value != getattr(ThrottlingSettings(), name)]
    if settings.profile != "custom" and (others := [name for name in given if name != "profile"]):
        raise ConfigurationError(f"throttling.{others[0]}", 'is for profile = "custom"')
    if settings.profile == "custom" and not any(getattr(settings, name) for name in _COUNTED):
        raise ConfigurationError("throttling.profile", f"custom needs a limit: {', '.join(_COUNTED)}")


def is_network(text: str) -> bool:
    """Whether a text is an address or a network of addresses, such as `10.0.0.0/8`."""
    try:
        ipaddress.ip_network(text.strip("[]"))
    except ValueError:
        return False
    return True


def _check_store(config: Config) -> None:
    scheme, _, rest = config.store.url.partition(":")
    if scheme not in ("sqlite", "postgresql", "postgres") or not rest:
        raise ConfigurationError("store.url", "must be sqlite:FILE or postgresql://…")
    scheme, _, rest = config.store.blobs.partition(":")
    if scheme == "s3":
        raise ConfigurationError("store.blobs", "s3:// is not available yet; use files:DIRECTORY")
    if scheme != "files" or not rest:
        raise ConfigurationError("store.blobs", "must be files:DIRECTORY")


def _check_tenant(config: Config) -> None:
    check_guid(config.tenant.id, "tenant.id")
    for i, domain in enumerate(config.tenant.domains):
        check_domain(domain, f"tenant.domains[{i}]")
    if not _DELIMITER.fullmatch(config.tenant.recipient_delimiter):
        raise ConfigurationError(
            "tenant.recipient_delimiter", "must be one character such as + or -, or empty"
        )
    if config.tenant.postmaster:
        check_address(config.tenant.postmaster, "tenant.postmaster")


def _checked_audit(settings: AuditSettings, data: Path) -> AuditSettings:
    return replace(settings, directory=str(data / settings.directory)) if settings.directory else settings


def _checked_applications(config: Config) -> list[ApplicationSettings]:
    seen: set[str] = set()
    checked = []
    has_others = any(issuer.kind == "oidc" for issuer in config.issuers)
    for i, application in enumerate(config.applications):
        where = f"applications[{i}]"
        check_client_id(application.client_id, f"{where}.client_id", any_text=has_others)
        if application.client_id.casefold() in seen:
            raise ConfigurationError(f"{where}.client_id", "is already another application's")
        seen.add(application.client_id.casefold())
        _check_application(application, where)
        files = [
            _existing(config.data, f, f"{where}.certificates[{j}]")
            for j, f in enumerate(application.certificates)
        ]
        checked.append(replace(application, certificates=files))
    return checked


def _check_application(application: ApplicationSettings, where: str) -> None:
    check_one_line(application.name, f"{where}.name")
    for kind in ("redirect_uris", "spa_redirect_uris"):
        for j, uri in enumerate(getattr(application, kind)):
            parts = urlsplit(uri)
            if not parts.scheme or parts.fragment or not (parts.netloc or parts.path):
                raise ConfigurationError(f"{where}.{kind}[{j}]", "must be an absolute URI without a fragment")
    for kind in ("application_permissions", "delegated_permissions"):
        for j, name in enumerate(getattr(application, kind)):
            if fault := find_fault(name):
                raise ConfigurationError(f"{where}.{kind}[{j}]", fault)
    for j, entry in enumerate(application.mailbox_scope):
        check_entry(entry, f"{where}.mailbox_scope[{j}]")


def _checked_route(route: RouteSettings, where: str, data: Path) -> RouteSettings:
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
        _check_ip(route.source, f"{where}.source")
    check_target(route, where)
    _check_client_certificate(route, where)
    files = {key: getattr(route, key) for key in ("ca_file", "certificate", "key") if getattr(route, key)}
    return replace(route, **{key: _existing(data, file, f"{where}.{key}") for key, file in files.items()})


def _check_client_certificate(route: RouteSettings, where: str) -> None:
    if route.key and not route.certificate:
        raise ConfigurationError(f"{where}.certificate", "certificate and key go together")
    in_clear = route.tls == "none" and not any(host.to.startswith("smtps:") for host in route.smarthosts())
    if route.certificate and in_clear:
        raise ConfigurationError(f"{where}.certificate", 'is no use with tls = "none"')
    if route.certificate and not route.is_relay and not route.to.startswith("mx:"):
        raise ConfigurationError(f"{where}.certificate", f"is no use with {route.to}")


def _checked_dkim(entries: Iterable[DkimSettings], data: Path) -> list[DkimSettings]:
    checked: dict[tuple[str, str], DkimSettings] = {}
    for i, entry in enumerate(entries):
        check_domain(entry.domain, f"dkim[{i}].domain")
        check_selector(entry.selector, f"dkim[{i}].selector")
        names = (entry.domain.lower(), entry.selector.lower())
        if names in checked:
            raise ConfigurationError(f"dkim[{i}].selector", "is already another key's of that domain")
        path = data / entry.key if entry.key else dkim_key_file(data, entry.domain, entry.selector)
        checked[names] = replace(entry, domain=names[0], selector=names[1], key=str(path))
    return list(checked.values())


def dkim_key_file(data: Path, domain: str, selector: str) -> Path:
    """Where a DKIM key is, unless the settings say otherwise."""
    return data / "dkim" / domain.lower() / f"{selector.lower()}.pem"


def check_selector(text: str, key: str) -> None:
    """Raise unless it can be the first labels of a DNS name."""
    if not _SELECTOR.fullmatch(text):
        raise ConfigurationError(key, f"{text!r} is not a selector: letters, digits and hyphens")


def _check_server(text: str, key: str) -> None:
    """An address, with a port or without."""
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigurationError(key, f"{port!r} is not a port")
    _check_ip(host.strip("[]"), key)


def _check_ip(text: str, key: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ConfigurationError(key, f"{text!r} is not an IP address") from None


def _existing(data: Path, name: str, key: str) -> str:
    path = data / name
    if not path.is_file():
        raise ConfigurationError(key, f"there is no file {path}")
    return str(path)
