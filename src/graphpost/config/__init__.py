"""What the operator settles: the settings, their sources, the embedded default."""

from graphpost.config.checking import check_domain, check_selector, dkim_key_file
from graphpost.config.defaults import Defaults, embedded_defaults
from graphpost.config.loading import load
from graphpost.config.settings import (
    ApplicationSettings,
    Config,
    DeliverySettings,
    DkimSettings,
    DnsSettings,
    IssuerSettings,
    LimitSettings,
    LogSettings,
    MailboxSettings,
    MetricsSettings,
    NotificationSettings,
    RouteSettings,
    ServerSettings,
    StoreSettings,
    TenantSettings,
    ThrottlingSettings,
    TlsPolicy,
)

__all__ = [
    "ApplicationSettings",
    "Config",
    "Defaults",
    "DeliverySettings",
    "DkimSettings",
    "DnsSettings",
    "IssuerSettings",
    "LimitSettings",
    "LogSettings",
    "MailboxSettings",
    "MetricsSettings",
    "NotificationSettings",
    "RouteSettings",
    "ServerSettings",
    "StoreSettings",
    "TenantSettings",
    "ThrottlingSettings",
    "TlsPolicy",
    "check_domain",
    "check_selector",
    "dkim_key_file",
    "embedded_defaults",
    "load",
]
