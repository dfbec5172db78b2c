"""Scopes: what a request asks for, and what of it an application is given.

A scope is one of OpenID's four words, `.default`, a permission's short name, or either of the last two after a
resource: Graph's URL or application id, or one of the server's own names with or without its port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from graphpost.auth.authority import GRAPH, Authority
from graphpost.auth.protocol import RESOURCE, SCOPE, SCOPE_NOT_DEFAULT, OAuthError
from graphpost.mail.mailbox import Application
from graphpost.store.directory.accounts import GRAPH_APPLICATION

OPENID: Final = ("openid", "profile", "email", "offline_access")
DEFAULT: Final = ".default"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
_MAX_SCOPES: Final = 100


@dataclass(frozen=True, slots=True)
class Requested:
    """A parsed scope parameter.  `wanted` are (prefix as written, permission name or `.default`)."""

    wanted: tuple[tuple[str, str], ...]
    openid: tuple[str, ...]
    audience: str

    @property
    def is_default(self) -> bool:
        return any(name == DEFAULT for _, name in self.wanted)


@dataclass(frozen=True, slots=True)
class Granted:
    """`names` are permissions in their proper spelling, `answer` is the scope of the response, OpenID's included."""

    names: frozenset[str]
    answer: tuple[str, ...]


def parse_scopes(text: str, authority: Authority, origin: str) -> Requested:
    """Read a scope parameter; OAuthError for a foreign resource or what is no scope."""
    values = list(dict.fromkeys(text.split()))
    if len(values) > _MAX_SCOPES:
        raise OAuthError(SCOPE, scope=text)
    openid: list[str] = []
    wanted: list[tuple[str, str]] = []
    audience = GRAPH
    for value in values:
        if value.casefold() in OPENID:
            openid.append(value.casefold())
            continue
        resource, slash, name = value.rpartition("/")
        name = DEFAULT if name.casefold() == DEFAULT else name
        if slash and not authority.is_own_resource(resource, origin):
            raise OAuthError(RESOURCE, resource=resource, tenant=authority.tenant_id)
        if name != DEFAULT and not _NAME.fullmatch(name):
            raise OAuthError(SCOPE, scope=value)
        if resource.casefold().rstrip("/") == GRAPH_APPLICATION:
            audience = GRAPH_APPLICATION
        wanted.append((resource + slash, name))
    requested = Requested(tuple(wanted), tuple(openid), audience)
    if requested.is_default and any(name != DEFAULT for _, name in wanted):
        raise OAuthError(SCOPE, scope=text)
    return requested


def check_client_credentials(requested: Requested, text: str) -> None:
    """An application gets what it was assigned, so it may only ask for `.default`."""
    if not requested.is_default or requested.openid:
        raise OAuthError(SCOPE_NOT_DEFAULT, scope=text)


def resolve(requested: Requested, application: Application) -> Granted:
    """What a user may let the application have of what it asks: only permissions it is registered for.

    `.default` means all of them.  OAuthError when it asked for permissions and is registered for none of these.
    """
    registered = {name.casefold(): name for name in application.delegated_permissions}
    answer: list[str] = []
    names: list[str] = []
    for prefix, name in requested.wanted:
        found = (
            registered.values()
            if name == DEFAULT
            else [registered[k] for k in [name.casefold()] if k in registered]
        )
        names += found
        answer += [prefix + n for n in found]
        if name == DEFAULT:
            answer.append(prefix + DEFAULT)
    if requested.wanted and not names:
        raise OAuthError(SCOPE, scope=" ".join(prefix + name for prefix, name in requested.wanted))
    return Granted(frozenset(names), tuple(dict.fromkeys((*answer, *requested.openid))))


def default_of(resource: str) -> str:
    """The scope that version 1 of the endpoints means by naming a resource ('': Graph); it always signs in."""
    return f"{resource.rstrip('/') or GRAPH}/{DEFAULT} openid profile offline_access"


def listed(answer: Iterable[str]) -> list[str]:
    """What a user is asked to consent to, in the order of a page: permission names, then OpenID's words."""
    scopes = list(answer)
    return [*sorted(names_of(scopes)), *(scope for scope in scopes if scope in OPENID)]


def names_of(answer: Iterable[str]) -> frozenset[str]:
    """The permission names in the scope of a response."""
    return frozenset(scope.rpartition("/")[2] for scope in answer) - {DEFAULT, *OPENID}
