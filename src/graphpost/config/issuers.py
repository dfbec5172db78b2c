"""Whether issuers make sense: whose tokens are believed, and where the keys are.

Each check raises ConfigurationError with the path of the key at fault.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from graphpost.config.files import existing
from graphpost.config.names import check_domain, is_loopback
from graphpost.config.settings import TrustedIssuerSettings
from graphpost.errors import ConfigurationError

_CLIENT_ID: Final = re.compile(r"[\w.:/@-]{1,128}", re.ASCII)
_ENTRA_ONLY: Final = "tenant_id"
_FILE: Final = "file:"


def checked_issuers(issuers: Sequence[TrustedIssuerSettings], data: Path) -> list[TrustedIssuerSettings]:
    """The same with the paths of files made absolute."""
    seen: dict[tuple[str, str], int] = {}
    checked = []
    for i, issuer in enumerate(issuers):
        where = f"issuers[{i}]"
        _check_identity(issuer, where)
        if (j := seen.setdefault((issuer.tenant_id.casefold(), issuer.issuer), i)) != i:
            raise ConfigurationError(where, f"is the same issuer as issuers[{j}]")
        for k, audience in enumerate(issuer.audiences):
            if not audience or any(c.isspace() for c in audience):
                raise ConfigurationError(f"{where}.audiences[{k}]", "must be one word")
        for k, domain in enumerate(issuer.domains):
            check_domain(domain, f"{where}.domains[{k}]")
        for k, domain in enumerate(issuer.provision_domains):
            check_domain(domain, f"{where}.provision_domains[{k}]")
        if issuer.provision and not issuer.provision_domains:
            raise ConfigurationError(
                f"{where}.provision_domains", "needs the domains in which it may make mailboxes"
            )
        for k, client in enumerate(issuer.applications):
            check_client_id(client, f"{where}.applications[{k}]", any_text=True)
        if issuer.leeway_seconds < 0 or issuer.leeway_seconds > 3600:
            raise ConfigurationError(f"{where}.leeway_seconds", "must be between 0 and 3600")
        checked.append(
            replace(
                issuer,
                jwks_uri=_checked_uri(issuer.jwks_uri, data, f"{where}.jwks_uri"),
                ca_file=existing(data, issuer.ca_file, f"{where}.ca_file") if issuer.ca_file else "",
            )
        )
    return checked


def check_client_id(text: str, key: str, *, any_text: bool) -> None:
    """Raise unless it is a GUID, as Entra's are, or with `any_text` a word, as other providers have them."""
    if any_text and _CLIENT_ID.fullmatch(text):
        return
    try:
        valid = str(uuid.UUID(text)) == text.lower()
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            key, f"{text!r} is not a GUID" if not any_text else f"{text!r} is no client id"
        )


def _check_identity(issuer: TrustedIssuerSettings, where: str) -> None:
    if issuer.kind == "entra":
        check_client_id(issuer.tenant_id, f"{where}.tenant_id", any_text=False)
        if issuer.issuer:
            raise ConfigurationError(f"{where}.issuer", 'is not for kind = "entra", which has a tenant_id')
        return
    if issuer.tenant_id:
        raise ConfigurationError(f"{where}.{_ENTRA_ONLY}", 'is for kind = "entra" only')
    if not issuer.issuer:
        raise ConfigurationError(f"{where}.issuer", "is required: what tokens have as `iss`")
    _check_url(issuer.issuer, f"{where}.issuer")
    if not issuer.audiences:
        raise ConfigurationError(
            f"{where}.audiences", "needs at least one: what tokens for this server have as `aud`"
        )


def _checked_uri(uri: str, data: Path, key: str) -> str:
    if uri.startswith(_FILE):
        return Path(existing(data, urlsplit(uri).path, key)).as_uri()
    if uri:
        _check_url(uri, key)
    return uri


def _check_url(text: str, key: str) -> None:
    """https; plain http from this machine only, for what it says decides who is let in."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not is_safe or not host or port == 0 or parts.query or parts.fragment or parts.username:
        raise ConfigurationError(key, "must be an https:// URL without query and fragment")
