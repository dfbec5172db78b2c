"""Issuers that the settings name: Entra ID, and any OpenID Connect provider.

A token is somebody's here when its issuer is trusted, it is meant for this server, and the person or application it
speaks for is in the directory: people by object id or address, applications by client id.  What it may do is what the
token says.  Shapes of claims: Entra ID's access token reference, RFC 9068, and Keycloak's tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from graphpost.auth.access import Principal
from graphpost.auth.verification.clouds import CLOUDS
from graphpost.auth.verification.jwks import HttpsKeyServer, KeyServer, RemoteKeys
from graphpost.auth.verification.provisioning import Newcomer
from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import TrustedIssuerSettings
from graphpost.config.people import is_address
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.maillog import MailLog

_NOT_ACCESS: Final = frozenset({"id", "refresh", "offline", "logout"})  # Keycloak's `typ`, other than Bearer
_OF_PEOPLE: Final = (
    "scp",
    "upn",
    "unique_name",
    "preferred_username",
)  # Entra's claims, never in applications' tokens
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONGEST_NAME: Final = 256
_SERVICE_ACCOUNT: Final = "service-account-"  # Keycloak's name for a client that acts by itself


class Claims(Struct, frozen=True):
    """Where tokens say what."""

    user: str
    client: str
    scopes: str
    roles: str


_ENTRA: Final = Claims(user="oid", client="appid", scopes="scp", roles="roles")
_OIDC: Final = Claims(user="preferred_username", client="azp", scopes="scope", roles="roles")


class NobodyHereError(Exception):
    """The token is right, and whom it speaks for is not in the directory; or is none of this issuer's."""


class NewcomerError(NobodyHereError):
    """The token is right, and whom it speaks for may have a mailbox made."""

    def __init__(self, newcomer: Newcomer) -> None:
        super().__init__()
        self.newcomer = newcomer


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """`tenant_id` is what `tid` has to be ('' = there is none); tokens are read by `claims`."""

    settings: TrustedIssuerSettings
    names: frozenset[str]
    audiences: frozenset[str]
    tenant_id: str
    own_tenant_id: str
    claims: Claims
    keys: RemoteKeys
    directory: Callable[[], Directory]

    @property
    def leeway(self) -> Instant:
        return int(self.settings.leeway_seconds * SECOND)

    def is_issuer(self, text: str) -> bool:
        return text in self.names

    def is_for_us(self, claims: Mapping[str, Any]) -> bool:
        """Whether an audience is one of ours; there may be several."""
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        return any(isinstance(each, str) and each in self.audiences for each in named)

    def is_access_token(self, claims: Mapping[str, Any]) -> bool:
        """Not what was made to tell a client who has signed in, or to be exchanged."""
        kind = claims.get("typ")
        return "at_hash" not in claims and not (isinstance(kind, str) and kind.casefold() in _NOT_ACCESS)

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Whom the claims speak for; NobodyHereError."""
        client_id = self._client(claims)
        scopes = self._names(find_claim(claims, self.claims.scopes))
        roles = self._names(find_claim(claims, self.claims.roles))
        found = self.directory()
        is_application = self._is_application(claims, client_id)
        if is_application:
            application = found.applications.get(client_id.casefold())
            if application is None:
                raise NobodyHereError
            object_id = application.object_id
        else:
            object_id = self._person(claims, found, client_id).object_id
        return Principal(
            kind="application" if is_application else "user",
            tenant_id=self.own_tenant_id,
            object_id=object_id,
            client_id=client_id.casefold(),  # however the token writes it, it is one application
            permissions=roles if is_application else scopes,
            token_id=_token_id(claims),
            is_foreign=True,
        )

    def _client(self, claims: Mapping[str, Any]) -> str:
        value = find_claim(claims, self.claims.client) or claims.get("azp") or claims.get("client_id")
        if not isinstance(value, str) or not value:
            raise NobodyHereError
        mine = self.settings.applications
        if mine and value.casefold() not in {each.casefold() for each in mine}:
            raise NobodyHereError
        return value

    def _is_application(self, claims: Mapping[str, Any], client_id: str) -> bool:
        if self.settings.kind == "entra":
            return claims.get("idtyp") != "user" and claims.keys().isdisjoint(_OF_PEOPLE)
        name = claims.get("preferred_username")
        is_service = isinstance(name, str) and name.casefold() == f"{_SERVICE_ACCOUNT}{client_id}".casefold()
        is_somebody = "sid" in claims  # signed in, by whatever name: people may choose theirs
        return (is_service and not is_somebody) or claims.get("sub") == client_id

    def _person(self, claims: Mapping[str, Any], found: Directory, client_id: str) -> Mailbox:
        """By the claim that is settled for it; Entra's people also by their names, those that may be new by their address."""
        address = self._address(claims) if self.settings.provision else ""
        keys = [find_claim(claims, self.claims.user)]
        if self.settings.kind == "entra" and not self.settings.user_claim:
            keys += [claims.get("upn"), claims.get("preferred_username")]
        for key in (*keys, address):
            mailbox = (found.find(key) or found.find_address(key)) if isinstance(key, str) and key else None
            if mailbox is not None and self._may_speak_for(mailbox):
                return mailbox
        client = found.applications.get(client_id.casefold())
        if address and client is not None and client.enabled and found.find_address(address) is None:
            raise NewcomerError(self._newcomer(claims, address, client_id))
        raise NobodyHereError

    def _address(self, claims: Mapping[str, Any]) -> str:
        """The address that somebody may have a mailbox of: in an allowed domain, and not said to be unverified; or ''.

        People can often write what they like into `email`: it counts when it is said to be verified, and `user_claim`,
        which the settings trust, when it is not said not to be.
        """
        is_verified = str(claims.get("email_verified", "")).casefold() == "true"
        given: list[object] = [claims.get("upn"), claims.get("preferred_username")]
        if self.settings.kind != "entra":
            if "email_verified" in claims and not is_verified:
                return ""
            given = [find_claim(claims, self.claims.user), claims.get("email") if is_verified else None]
        address = next((each for each in given if isinstance(each, str) and "@" in each), "")
        domains = {domain_of(f"@{domain}") for domain in self.settings.provision_domains}
        if not is_address(address) or domain_of(address) not in domains or not self._is_ours(address):
            return ""
        return address

    def _newcomer(self, claims: Mapping[str, Any], address: str, client_id: str) -> Newcomer:
        """Entra's people have the object id here that they have there."""
        name, object_id = claims.get("name"), claims.get("oid")
        is_entra = self.settings.kind == "entra" and isinstance(object_id, str) and _GUID.fullmatch(object_id)
        return Newcomer(
            address=address,
            name=name if isinstance(name, str) and name.isprintable() and len(name) <= _LONGEST_NAME else "",
            issuer=str(claims.get("iss", "")),
            client_id=client_id.casefold(),
            object_id=str(object_id).lower() if is_entra else "",
            token_id=_token_id(claims),
        )

    def _may_speak_for(self, mailbox: Mailbox) -> bool:
        return mailbox.kind == "person" and self._is_ours(mailbox.address)

    def _is_ours(self, address: str) -> bool:
        domains = {domain.casefold() for domain in self.settings.domains}
        return not domains or domain_of(address).casefold() in domains

    def _names(self, value: object) -> frozenset[str]:
        """Permissions, by their names without the resource that they may have in front."""
        given = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        names = [name for name in given if isinstance(name, str)]
        for audience in self.audiences:
            names = [name.removeprefix(f"{audience.rstrip('/')}/") for name in names]
        return frozenset(names)


def _token_id(claims: Mapping[str, Any]) -> str:
    return str(claims.get("uti") or claims.get("jti") or "")[:128]


def find_claim(claims: Mapping[str, Any], path: str) -> object:
    """The claim of that name, or inside others: `resource_access.graphpost.roles`; None when there is none."""
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def foreign_issuer(
    settings: TrustedIssuerSettings,
    own_tenant_id: str,
    directory: Callable[[], Directory],
    clock: Clock,
    log: MailLog,
    server: KeyServer | None = None,
) -> ForeignIssuer:
    """As the settings have it."""
    if settings.kind == "entra":
        cloud = CLOUDS[settings.cloud]
        names, audiences, usual = cloud.issuers(settings.tenant_id), cloud.audiences, _ENTRA
        issuer, uri = (
            f"https://{cloud.login[0]}/{settings.tenant_id}/v2.0",
            cloud.keys_uri(settings.tenant_id),
        )
    else:
        names, audiences, usual = frozenset({settings.issuer}), frozenset[str](), _OIDC
        issuer, uri = settings.issuer, ""
    claims = Claims(
        settings.user_claim or usual.user,
        settings.client_claim or usual.client,
        settings.scopes_claim or usual.scopes,
        settings.roles_claim or usual.roles,
    )
    source = server or HttpsKeyServer(settings.ca_file)
    return ForeignIssuer(
        settings=settings,
        names=names,
        audiences=audiences | frozenset(settings.audiences),
        tenant_id=settings.tenant_id,
        own_tenant_id=own_tenant_id,
        claims=claims,
        keys=RemoteKeys(issuer, settings.jwks_uri or uri, source, clock, log),
        directory=directory,
    )


def authorization_uri(settings: TrustedIssuerSettings) -> str:
    """What a challenge names, so that a client finds whom to ask."""
    return CLOUDS[settings.cloud].authorization_uri if settings.kind == "entra" else settings.issuer
