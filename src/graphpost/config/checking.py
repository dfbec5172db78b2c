"""Whether settings make sense: numbers, URLs, addresses, files, combinations.

Each check raises ConfigurationError with the path of the key at fault.  Files are looked for under the data directory.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, Final

from msgspec.structs import asdict, replace

from graphpost.config.applications import checked_applications
from graphpost.config.dkim import checked_dkim
from graphpost.config.files import existing
from graphpost.config.issuers import checked_issuers
from graphpost.config.names import check_domain, check_host, check_ip, check_own_name, is_loopback
from graphpost.config.people import check_address, check_groups, check_guid, check_mailboxes
from graphpost.config.rights import check_rights
from graphpost.config.routes import checked_routes
from graphpost.config.settings import (
    AuditSettings,
    Config,
    InboundSettings,
    NotificationSettings,
    ServerSettings,
    ThrottlingSettings,
)
from graphpost.errors import ConfigurationError

_DELIMITER: Final = re.compile(r"[!#$%&'*+/=?^_`{|}~-]?")
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
    check_host(config.metrics.host, "metrics.host")
    if config.accounts.quota_warning > 1:
        raise ConfigurationError("accounts.quota_warning", "must be 1 at most: it is a share of the quota")
    if config.delivery.hostname:
        check_own_name(config.delivery.hostname, "delivery.hostname")
    return replace(
        config,
        server=_checked_server(config.server, config.data),
        audit=_checked_audit(config.audit, config.data),
        issuers=checked_issuers(config.issuers, config.data),
        applications=checked_applications(config),
        notifications=_checked_notifications(config.notifications, config.data),
        routes=checked_routes(config.routes, config.data),
        dkim=checked_dkim(config.dkim, config.data),
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
    for name in server.forwarded_allow_ips.split(","):
        if name.strip() not in ("", "*") and not is_network(name.strip()):
            problem = f"{name.strip()!r} is not an address or a network"
            raise ConfigurationError("server.forwarded_allow_ips", problem)
    certificate, key = _checked_pair("server", server.certificate, server.key, data)
    return replace(server, certificate=certificate, key=key)


def _checked_inbound(settings: InboundSettings, data: Path) -> InboundSettings:
    for key in ("host", "lmtp_host"):
        check_host(getattr(settings, key), f"inbound.{key}")
    if settings.hostname:
        check_own_name(settings.hostname, "inbound.hostname")
    for i, entry in enumerate(settings.unlimited):
        if not is_network(entry):
            raise ConfigurationError(f"inbound.unlimited[{i}]", f"{entry!r} is not an address or a network")
    if settings.submission_port and not settings.tls:
        raise ConfigurationError(
            "inbound.submission_port", "needs inbound.tls: passwords are not sent in clear text"
        )
    if settings.lmtp_socket:
        settings = replace(settings, lmtp_socket=str(data / settings.lmtp_socket))
    certificate, key = _checked_pair("inbound", settings.certificate, settings.key, data)
    return replace(settings, certificate=certificate, key=key)


def _checked_pair(section: str, certificate: str, key: str, data: Path) -> tuple[str, str]:
    """A certificate and its key, or neither; without one of its own the key is in the certificate's file."""
    if key and not certificate:
        raise ConfigurationError(
            f"{section}.certificate", f"is missing: there is only its key, {section}.key"
        )
    if not certificate:
        return "", ""
    return (
        existing(data, certificate, f"{section}.certificate"),
        existing(data, key or certificate, f"{section}.key"),
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
    return replace(settings, ca_file=existing(data, settings.ca_file, "notifications.ca_file"))


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
    if scheme == "sqlite" and (config.data / rest).is_dir():
        raise ConfigurationError("store.url", f"{config.data / rest} is a directory; name a file in it")
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


def _check_server(text: str, key: str) -> None:
    """An address, with a port or without."""
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigurationError(key, f"{port!r} is not a port")
    check_ip(host.strip("[]"), key)
