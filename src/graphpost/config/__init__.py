"""What the operator settles: the settings, their sources, the embedded default."""

from graphpost.config.checking import check_selector, dkim_key_file
from graphpost.config.defaults import Defaults, embedded_defaults
from graphpost.config.loading import load
from graphpost.config.names import check_domain
from graphpost.config.settings import (
    ApplicationSettings,
    Config,
    CredentialSettings,
    DeliverySettings,
    DkimSettings,
    DnsSettings,
    HostSettings,
    IdempotencySettings,
    IssuerSettings,
    LimitSettings,
    LogSettings,
    MailboxSettings,
    Mechanism,
    MetricsSettings,
    NotificationSettings,
    RouteSettings,
    ServerSettings,
    StoreSettings,
    SuppressionSettings,
    TenantSettings,
    TlsPolicy,
)

__all__ = [
    "ApplicationSettings",
    "Config",
    "CredentialSettings",
    "Defaults",
    "DeliverySettings",
    "DkimSettings",
    "DnsSettings",
    "HostSettings",
    "IdempotencySettings",
    "IssuerSettings",
    "LimitSettings",
    "LogSettings",
    "MailboxSettings",
    "Mechanism",
    "MetricsSettings",
    "NotificationSettings",
    "RouteSettings",
    "ServerSettings",
    "StoreSettings",
    "SuppressionSettings",
    "TenantSettings",
    "TlsPolicy",
    "check_domain",
    "check_selector",
    "dkim_key_file",
    "embedded_defaults",
    "load",
]
