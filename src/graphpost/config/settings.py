"""Every setting in one table: its section, name, type and default.

Sizes are bytes, durations seconds.  `docs/settings.md` says what each is for; `loading.py` reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field, structs

Mechanism = Literal["", "plain", "login", "xoauth2", "oauthbearer"]
TlsPolicy = Literal["none", "opportunistic", "required", "verified"]
CloudName = Literal["global", "usgov", "dod", "china"]


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8443
    names: list[str] = field(default_factory=lambda: ["localhost"])
    certificate: str = ""
    key: str = ""
    tls: bool = True  # False: plain HTTP, allowed on loopback only
    forwarded_allow_ips: str = ""


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str = "sqlite:graphpost.db"
    blobs: str = "files:blobs"
    inline_limit: int = 65_536  # contents up to this size are kept in the database
    connections: int = 4
    removals_seconds: float = 2_592_000.0  # how long clients that synchronise are told what was removed


class TenantSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str = ""  # "" = made at the first start and kept
    domains: list[str] = field(default_factory=list)
    recipient_delimiter: str = "+"  # adele+detail@ is adele@; "" = it is not
    postmaster: str = ""  # whose mailbox gets mail for the postmaster; "" = the first one's


class AccountSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    deleted_seconds: float = 2_592_000.0  # how long a deleted mailbox can be restored
    quota_bytes: int = 0  # of a mailbox that has no bound of its own; 0 = none
    quota_warning: float = 0.9  # from this share of it on, the log warns


class IssuerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    enabled: bool = True
    password_grant: bool = False  # on in the embedded default
    access_token_seconds: int = 3600
    refresh_token_seconds: int = 7_776_000
    device_code_seconds: int = 900


class TrustedIssuerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    kind: Literal["entra", "oidc"]
    tenant_id: str = ""  # of Entra ID
    cloud: CloudName = "global"
    issuer: str = ""  # of any other provider: `iss` of its tokens
    audiences: list[str] = field(default_factory=list)  # of tokens for this server, beside Graph's
    jwks_uri: str = ""  # https: or file:; "" = where the issuer says
    ca_file: str = ""
    user_claim: str = ""  # object id or address; "" = where tokens of its kind have it, dots go into objects
    client_claim: str = ""
    scopes_claim: str = ""  # what a user lets the client do
    roles_claim: str = ""  # what an application may do by itself
    applications: list[str] = field(default_factory=list)  # client ids that it may speak for; [] = all
    domains: list[str] = field(default_factory=list)  # domains whose people it may speak for; [] = all
    leeway_seconds: float = 300.0  # how far its clock may be from ours
    provision: bool = False  # make a mailbox for who comes for the first time
    provision_domains: list[str] = field(default_factory=list)  # with an address in one of these


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    request_bytes: int = 4 * 1024 * 1024
    expanded_bytes: int = 4 * 1024 * 1024  # of a gzip body
    message_bytes: int = 150 * 1024 * 1024
    upload_slice_bytes: int = 64 * 1024 * 1024  # one PUT of an upload session
    upload_session_seconds: float = 86_400.0
    upload_sessions: int = 50  # open ones of a mailbox
    recipients: int = 500
    custom_headers: int = 5
    header_bytes: int = 262_144
    json_depth: int = 128
    mime_depth: int = 30
    mime_parts: int = 1000
    address_length: int = 320
    request_seconds: float = 60.0  # a body that does not arrive in this time is answered 408


class IdempotencySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    always: bool = False  # not only for requests that ask for it
    seconds: float = 86_400.0  # how long what was sent is remembered


class DeliverySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    hostname: str = ""  # EHLO name; "" = the machine's
    concurrency: int = 20  # connections to one destination
    initial_concurrency: int = 5  # deliveries to a destination nothing is known of
    messages_per_minute: int = 0  # to one destination; 0 = any number
    failed_cohorts: int = 1  # so many times as many failures in a row as deliveries under way: it is dead
    connections: int = 1000  # deliveries under way to all destinations
    active_messages: int = 20_000  # of the queue, in memory
    messages_per_connection: int = 1000
    connect_seconds: float = 30.0
    reply_seconds: float = 300.0
    retry_seconds: list[float] = field(default_factory=lambda: [60, 300, 900, 1800, 3600, 7200, 14_400])
    retry_jitter: float = 0.1  # each wait is varied by up to this share
    expiry_seconds: float = 172_800.0
    delay_warning_seconds: float = 14_400.0
    lease_seconds: float = 600.0
    takeover_seconds: float = 30.0  # with several servers: one silent for so long is dead
    poll_seconds: float = 1.0
    retention_seconds: float = 604_800.0  # how long finished deliveries stay listed
    queue_deliveries: int = 0  # when so many wait, nothing more is accepted that leaves; 0 = no bound
    free_bytes: int = 0  # with less space on the disk of the data nothing more is accepted; 0 = no bound
    read_receipts: bool = True  # senders who ask are told that their message was read, or deleted unread


class SuppressionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    statuses: list[str] = field(default_factory=list)  # what, refused with one of these, is sent to no more
    seconds: float = 2_592_000.0


class DnsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    servers: list[str] = field(default_factory=list)  # address, or address:port; [] = the machine's
    seconds: float = 10.0  # for one question, all servers and repetitions together


class NotificationSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    allow: list[str] = field(default_factory=list)  # host names, addresses and networks that may be private
    allow_private: bool = False  # addresses that are not of the Internet
    allow_http: bool = False  # plain HTTP, to this machine
    ports: list[int] = field(default_factory=lambda: [443, 8443])
    ca_file: str = ""
    concurrency: int = 50  # notifications being sent
    batch: int = 100  # notifications in one request
    timeout_seconds: float = 10.0
    retry_seconds: list[float] = field(default_factory=lambda: [10, 30, 60, 120, 300, 600])
    expiry_seconds: float = 14_400.0  # how long a receiver may fail before notifications are dropped
    lease_seconds: float = 60.0
    poll_seconds: float = 1.0
    subscription_minutes: int = 10_080
    subscriptions_per_mailbox: int = 1000


class ThrottlingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    profile: Literal["off", "exchange-online", "custom"] = "off"
    requests: int = 0  # of an application in a mailbox; 0, here and below: no limit
    requests_seconds: float = 600.0
    concurrency: int = 0  # requests of an application in a mailbox at a time
    upload_bytes: int = 0  # bodies of an application's requests in a mailbox
    upload_seconds: float = 300.0
    application_requests: int = 0  # of an application in all mailboxes
    application_seconds: float = 10.0
    messages: int = 0  # that leave a mailbox
    messages_seconds: float = 60.0
    recipients: int = 0  # of a mailbox's messages
    recipients_seconds: float = 86_400.0


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class InboundSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 0  # SMTP; 0: none
    lmtp_host: str = "127.0.0.1"
    lmtp_port: int = 0  # LMTP; 0: none
    lmtp_socket: str = ""  # the path of a Unix socket; "" = none
    submission_port: int = 0  # SMTP for the mailboxes' own people, with a password under TLS; 0: none
    hostname: str = ""  # "" = delivery.hostname
    certificate: str = ""  # "" = the server's
    key: str = ""
    tls: bool = True  # offer STARTTLS
    message_bytes: int = 150 * 1024 * 1024
    submission_bytes: int = 35 * 1024 * 1024  # a message on the submission port
    line_bytes: int = 65_536  # of a line of a message
    recipients: int = 1000  # of a message
    hops: int = 50  # Received fields
    connections: int = 200
    connections_per_address: int = 50
    connections_per_minute: int = 120  # from one address
    messages_per_minute: int = 600  # from one address
    messages_per_connection: int = 1000
    errors: int = 20  # of a connection, then it ends
    commands: int = 100  # of a connection without a message, that lead to nothing
    unlimited: list[str] = field(
        default_factory=lambda: ["127.0.0.0/8", "::1"]
    )  # networks without the limits by address
    command_seconds: float = 300.0  # until the next command, or the next bytes of a message
    data_seconds: float = 1800.0  # a whole message
    greet_seconds: float = 0.0  # wait before the greeting; who speaks before it is refused
    free_bytes: int = 100 * 1024 * 1024  # of the disk, that are to be left; with less nothing is taken
    authentication: Literal["off", "record", "refuse"] = "record"  # SPF, DKIM and DMARC of what comes by SMTP

    @property
    def is_open(self) -> bool:
        """Whether any port is."""
        return bool(self.port or self.submission_port or self.lmtp_port or self.lmtp_socket)


class AuditSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    enabled: bool = True
    reads: bool = False  # requests that change nothing too
    directory: str = "audit"  # of the files with JSON lines; "" = none
    retention_seconds: float = 31_536_000.0


class MetricsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    destinations: int = 20  # so many of the deepest destinations have figures of their own
    port: int = 0  # 0: no port of its own; /metrics on the main port needs the administrator's token
    host: str = "127.0.0.1"


class MailboxSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    address: str
    name: str = ""
    aliases: list[str] = field(default_factory=list)
    kind: Literal["person", "shared"] = "person"  # shared: nobody signs in to it
    quota_bytes: int = -1  # 0 = no bound; -1 = accounts.quota_bytes
    read_receipts: bool = True  # False: this mailbox sends none
    password: str = ""
    password_file: str = ""
    password_env: str = ""


class RightsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What others may do with a mailbox."""

    mailbox: str
    to: list[str]  # addresses, or group:NAME
    rights: list[Literal["FullAccess", "SendAs", "SendOnBehalf"]]


class GroupSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Mailboxes that are named together."""

    name: str
    address: str = ""
    members: list[str] = field(default_factory=list)  # addresses or object ids; some may have no mailbox yet


class ApplicationSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    client_id: str
    name: str = ""
    secrets: list[str] = field(default_factory=list)
    secrets_file: str = ""
    secrets_env: str = ""
    certificates: list[str] = field(default_factory=list)
    public: bool = False
    redirect_uris: list[str] = field(default_factory=list)
    spa_redirect_uris: list[str] = field(default_factory=list)
    application_permissions: list[str] = field(default_factory=list)
    delegated_permissions: list[str] = field(default_factory=list)
    mailbox_scope: list[str] = field(default_factory=list)
    permission_scopes: dict[str, list[str]] = field(default_factory=dict)  # instead, for these permissions


class CredentialSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who we are to a relay: a password, or a token from a command or from an OAuth 2.0 server."""

    username: str = ""
    password: str = ""
    password_file: str = ""
    password_env: str = ""
    auth: Mechanism = ""  # "" = the best the server offers
    token_command: list[str] = field(default_factory=list)
    token_seconds: float = 300.0  # how long a token is used that does not say how long it lasts
    token_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    client_secret_file: str = ""
    client_secret_env: str = ""
    scope: str = ""

    @property
    def has_token_source(self) -> bool:
        return bool(self.token_command or self.token_url)

    @property
    def has_credentials(self) -> bool:
        return _credentials(self) != _credentials(CredentialSettings())


class HostSettings(CredentialSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of several smarthosts; its credentials, when it has any, are instead of the route's."""

    to: str  # smtp://host:port smtps://host:port
    priority: int = 0  # the least is tried first
    weight: int = 1  # its share among those of one priority


class RouteSettings(CredentialSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    domains: list[str]
    to: str = ""  # smtp://host:port smtps://host:port mx: local: capture: reject:
    hosts: list[HostSettings] = field(default_factory=list)  # instead of `to`
    tls: TlsPolicy = "opportunistic"
    ca_file: str = ""
    certificate: str = ""  # ours, for hosts that ask for one
    key: str = ""  # "" = in the same file
    tls_downgrade: Literal["refuse", "warn", "allow"] = "refuse"  # with mx:, clear text where TLS was before
    mta_sts: bool = True  # with mx:, follow the policies that domains publish
    concurrency: int = 0  # 0 = delivery.concurrency
    messages_per_minute: int = 0  # 0 = delivery.messages_per_minute
    hostname: str = ""  # EHLO name; "" = delivery.hostname
    source: str = ""  # our own address that the other side sees; "" = any
    pipelining: bool = True  # use it when it is offered
    allow_local: bool = False  # mail exchangers at loopback and link-local addresses

    @property
    def is_relay(self) -> bool:
        return bool(self.hosts) or self.to.startswith(("smtp:", "smtps:"))

    def smarthosts(self) -> list[HostSettings]:
        """The hosts of an SMTP route, each with the credentials for it."""
        if not self.hosts:
            return [HostSettings(to=self.to, **_credentials(self))]
        return [
            host if host.has_credentials else structs.replace(host, **_credentials(self))
            for host in self.hosts
        ]


def _credentials(settings: CredentialSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in CredentialSettings.__struct_fields__}


class DkimSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    domain: str
    selector: str
    key: str = ""  # "" = where `graphpost dkim create` puts it


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings, checked; `data` is the data directory, and relative paths are under it.

    From `load`, secrets are at hand in `password` and `secrets` whatever their source, named files have absolute paths,
    and the tenant has an id.
    """

    data: Path = Path("graphpost-data")
    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    tenant: TenantSettings = TenantSettings()
    accounts: AccountSettings = AccountSettings()
    issuer: IssuerSettings = IssuerSettings()
    issuers: list[TrustedIssuerSettings] = field(default_factory=list)
    limits: LimitSettings = LimitSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    delivery: DeliverySettings = DeliverySettings()
    suppression: SuppressionSettings = SuppressionSettings()
    dns: DnsSettings = DnsSettings()
    notifications: NotificationSettings = NotificationSettings()
    throttling: ThrottlingSettings = ThrottlingSettings()
    log: LogSettings = LogSettings()
    audit: AuditSettings = AuditSettings()
    metrics: MetricsSettings = MetricsSettings()
    inbound: InboundSettings = InboundSettings()
    mailboxes: list[MailboxSettings] = field(default_factory=list)
    rights: list[RightsSettings] = field(default_factory=list)
    groups: list[GroupSettings] = field(default_factory=list)
    applications: list[ApplicationSettings] = field(default_factory=list)
    routes: list[RouteSettings] = field(default_factory=list)
    dkim: list[DkimSettings] = field(default_factory=list)
