"""What the operator settles: the settings, their sources, the embedded default."""

from graphpost.config.defaults import Defaults, embedded_defaults
from graphpost.config.loading import load
from graphpost.config.settings import (
    ApplicationSettings,
    Config,
    DeliverySettings,
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
    TlsPolicy,
)

__all__ = [
    "ApplicationSettings",
    "Config",
    "Defaults",
    "DeliverySettings",
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
    "TlsPolicy",
    "embedded_defaults",
    "load",
]
