"""Whether applications make sense: ids, redirect URIs, permissions, certificates.

Each check raises ConfigurationError with the path of the key at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from graphpost.config.files import existing
from graphpost.config.issuers import check_client_id
from graphpost.config.people import check_one_line
from graphpost.config.permissions import find_fault
from graphpost.config.rights import check_entry
from graphpost.config.settings import ApplicationSettings, Config
from graphpost.errors import ConfigurationError


def checked_applications(config: Config) -> list[ApplicationSettings]:
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
            existing(config.data, f, f"{where}.certificates[{j}]")
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
    check_scopes(application.permission_scopes, f"{where}.permission_scopes")


def check_scopes(scopes: Mapping[str, Iterable[str]], where: str) -> None:
    """Raise unless each is a permission with entries that stand for mailboxes."""
    for name, entries in scopes.items():
        if fault := find_fault(name):
            raise ConfigurationError(where, fault)
        for j, entry in enumerate(entries):
            check_entry(entry, f"{where}.{name}[{j}]")
