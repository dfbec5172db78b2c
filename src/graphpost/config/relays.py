"""Whether a route leads somewhere: its smarthosts and the credentials for them.

Each check raises ConfigurationError with the path of the key at fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from graphpost.config.names import check_host, is_loopback
from graphpost.config.settings import CredentialSettings, RouteSettings
from graphpost.errors import ConfigurationError

MOST_HOSTS: Final = 20
_KINDS: Final = ("smtp", "smtps", "mx", "local", "capture", "reject")
_RELAYS: Final = ("smtp", "smtps")
_SHAPE: Final = "must be smtp://HOST:PORT, smtps://HOST:PORT, mx:, local:, capture: or reject:"
_HOST_SHAPE: Final = "must be smtp://HOST:PORT or smtps://HOST:PORT"
_SECRETS: Final = ("password", "token_command", "token_url")
_OF_TOKEN_URL: Final = ("client_id", "client_secret", "scope")
_TOKEN_MECHANISMS: Final = ("xoauth2", "oauthbearer")
_WORDS: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,400}")


def check_target(route: RouteSettings, where: str) -> None:
    """Raise unless the route has one `to` or several hosts, and what belongs to it."""
    if route.hosts:
        _check_hosts(route, where)
        return
    if not route.to:
        raise ConfigurationError(f"{where}.to", "is required")
    scheme, colon, rest = route.to.partition(":")
    if scheme not in _KINDS or not colon:
        raise ConfigurationError(f"{where}.to", _SHAPE)
    if scheme in _RELAYS:
        _check_relay(route.to, route, route, where, where)
        return
    _check_rest(scheme, rest, f"{where}.to")
    _check_no_credentials(route, where)


def check_relay(to: str, key: str) -> None:
    """Raise unless the relay for everything else may be there; `key` is what named it."""
    try:
        check_target(RouteSettings(domains=["*"], to=to), "")
    except ConfigurationError as error:
        raise ConfigurationError(key, error.problem) from error


def check_distinct(routes: Sequence[RouteSettings]) -> None:
    """Raise when two routes to one relay, as one user and from one address, want different things of it."""
    seen: dict[tuple[object, ...], tuple[int, RouteSettings]] = {}
    for i, route in enumerate(routes):
        if not route.is_relay:
            continue
        hosts = sorted((host.priority, host.to, host.username) for host in route.smarthosts())
        j, other = seen.setdefault((*hosts, route.source, route.hostname), (i, route))
        for key in route.__struct_fields__:
            if key != "domains" and getattr(route, key) != getattr(other, key):
                raise ConfigurationError(f"routes[{i}].{key}", f"is not as in routes[{j}], to the same relay")


def _check_rest(scheme: str, rest: str, key: str) -> None:
    """What may follow the colon: a port, or the words of a refusal."""
    if not rest:
        return
    if scheme == "mx" and rest.isascii() and rest.isdigit() and 0 < int(rest) < 65536:
        return
    if scheme == "reject":
        if not _WORDS.fullmatch(rest) or not rest.strip():
            raise ConfigurationError(key, "must be one line of 400 characters at most after `reject:`")
        return
    raise ConfigurationError(key, f"nothing follows `{scheme}:`")


def _check_hosts(route: RouteSettings, where: str) -> None:
    if route.to:
        raise ConfigurationError(f"{where}.to", "cannot be combined with hosts")
    if len(route.hosts) > MOST_HOSTS:
        raise ConfigurationError(f"{where}.hosts", f"are more than {MOST_HOSTS}")
    seen: set[str] = set()
    for i, host in enumerate(route.hosts):
        at = f"{where}.hosts[{i}]"
        if host.to.partition(":")[0] not in _RELAYS:
            raise ConfigurationError(f"{at}.to", _HOST_SHAPE)
        if host.to in seen:
            raise ConfigurationError(f"{at}.to", f"{host.to} is there already")
        seen.add(host.to)
        if not 0 < host.weight <= 1000:
            raise ConfigurationError(f"{at}.weight", "must be between 1 and 1000")
        if host.priority < 0:
            raise ConfigurationError(f"{at}.priority", "must not be negative")
        own = host.has_credentials
        _check_relay(host.to, host if own else route, route, at, at if own else where)


def _check_relay(url: str, who: CredentialSettings, route: RouteSettings, where: str, who_where: str) -> None:
    """`who` are the credentials, and `who_where` the path of their keys."""
    parts = _smtp_parts(url, f"{where}.to")
    in_clear = parts.scheme == "smtp" and route.tls in ("none", "opportunistic")
    if who.username and in_clear and not is_loopback(parts.hostname or ""):
        what = "a token" if who.has_token_source else "a password"
        raise ConfigurationError(f"{where}.tls", f'must be "required" or "verified" to send {what}')
    _check_credentials(who, who_where)


def _check_credentials(who: CredentialSettings, where: str) -> None:
    given = [key for key in _SECRETS if getattr(who, key)]
    if len(given) > 1:
        raise ConfigurationError(f"{where}.{given[1]}", f"cannot be combined with {given[0]}")
    if who.username and not given:
        raise ConfigurationError(
            f"{where}.password", "username and password go together, or token_command or token_url"
        )
    if given and not who.username:
        raise ConfigurationError(f"{where}.username", f"username and {given[0]} go together")
    if who.auth and not who.username:
        raise ConfigurationError(f"{where}.auth", "needs a username and a password")
    if who.has_token_source and who.auth and who.auth not in _TOKEN_MECHANISMS:
        raise ConfigurationError(f"{where}.auth", f"takes no token: {' or '.join(_TOKEN_MECHANISMS)}")
    if who.token_seconds <= 0 or who.token_seconds != who.token_seconds:
        raise ConfigurationError(f"{where}.token_seconds", "must be greater than 0")
    if who.token_command and not (who.token_command[0] and "\0" not in "".join(who.token_command)):
        raise ConfigurationError(f"{where}.token_command", "is not a command: a program and its arguments")
    _check_token_url(who, where)


def _check_token_url(who: CredentialSettings, where: str) -> None:
    if not who.token_url:
        _check_none(who, _OF_TOKEN_URL, where, "needs a token_url")
        return
    for key in ("client_id", "client_secret"):
        if not getattr(who, key):
            raise ConfigurationError(f"{where}.{key}", "goes with token_url")
    parts = _split(who.token_url, f"{where}.token_url")
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.fragment or parts.username:
        raise ConfigurationError(f"{where}.token_url", "must be https://HOST/PATH")
    check_host(parts.hostname, f"{where}.token_url")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(f"{where}.token_url", "must be https, unless it is on this machine")


def _check_no_credentials(route: RouteSettings, where: str) -> None:
    keys = ("username", *_SECRETS, "auth", *_OF_TOKEN_URL)
    _check_none(route, keys, where, f"is no use with {route.to}")


def _check_none(who: CredentialSettings, keys: Sequence[str], where: str, why: str) -> None:
    for key in keys:
        if getattr(who, key):
            raise ConfigurationError(f"{where}.{key}", why)


def _smtp_parts(url: str, key: str) -> SplitResult:
    parts = _split(url, key)
    if not parts.hostname or parts.port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(key, _HOST_SHAPE)
    if parts.username or parts.password:
        raise ConfigurationError(key, "takes no credentials; use username and password_file")
    check_host(parts.hostname, key)
    return parts


def _split(url: str, key: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(key, f"is not a URL: {error}") from error
    return parts
