"""Secrets from where the settings say: in place, in a file, or in a variable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from graphpost.config.settings import (
    ApplicationSettings,
    Config,
    CredentialSettings,
    HostSettings,
    MailboxSettings,
    RouteSettings,
)
from graphpost.errors import ConfigurationError

_Owner = TypeVar("_Owner", MailboxSettings, RouteSettings, HostSettings)
_Relay = TypeVar("_Relay", RouteSettings, HostSettings)


def with_secrets(config: Config, environ: Mapping[str, str]) -> Config:
    """Put every secret into `password` or `secrets`; at most one source each, and the one named must be there."""
    return replace(
        config,
        mailboxes=[
            _with_password(e, f"mailboxes[{i}]", config, environ) for i, e in enumerate(config.mailboxes)
        ],
        routes=[_with_credentials(e, f"routes[{i}]", config, environ) for i, e in enumerate(config.routes)],
        applications=[
            _with_application_secrets(e, f"applications[{i}]", config, environ)
            for i, e in enumerate(config.applications)
        ],
    )


def _with_credentials(
    route: RouteSettings, where: str, config: Config, environ: Mapping[str, str]
) -> RouteSettings:
    hosts = [
        _with_relay_secrets(host, f"{where}.hosts[{i}]", config, environ)
        for i, host in enumerate(route.hosts)
    ]
    return _with_relay_secrets(replace(route, hosts=hosts), where, config, environ)


def _with_relay_secrets(owner: _Relay, where: str, config: Config, environ: Mapping[str, str]) -> _Relay:
    secret = _secret(owner, "client_secret", where, config, environ)
    return replace(_with_password(owner, where, config, environ), client_secret=secret)


def _with_password(owner: _Owner, where: str, config: Config, environ: Mapping[str, str]) -> _Owner:
    return replace(owner, password=_secret(owner, "password", where, config, environ))


def _secret(
    owner: MailboxSettings | CredentialSettings,
    key: str,
    where: str,
    config: Config,
    environ: Mapping[str, str],
) -> str:
    """What is in `key`, in the file that `key_file` names or in the variable that `key_env` names; '' for none."""
    sources: dict[str, str] = {name: getattr(owner, name) for name in (key, f"{key}_file", f"{key}_env")}
    _check_exclusive(where, sources)
    value, file, variable = sources.values()
    if file:
        return _file(config.data, file, f"{where}.{key}_file").rstrip("\r\n")
    return _variable(environ, variable, f"{where}.{key}_env") if variable else value


def _with_application_secrets(
    application: ApplicationSettings, where: str, config: Config, environ: Mapping[str, str]
) -> ApplicationSettings:
    _check_exclusive(
        where,
        {
            "secrets": application.secrets,
            "secrets_file": application.secrets_file,
            "secrets_env": application.secrets_env,
        },
    )
    if application.secrets_file:
        text = _file(config.data, application.secrets_file, f"{where}.secrets_file")
    elif application.secrets_env:
        text = _variable(environ, application.secrets_env, f"{where}.secrets_env")
    else:
        return application
    return replace(application, secrets=[line.strip() for line in text.splitlines() if line.strip()])


def _check_exclusive(where: str, sources: Mapping[str, object]) -> None:
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        raise ConfigurationError(f"{where}.{given[1]}", f"cannot be combined with {given[0]}")


def _file(data: Path, name: str, key: str) -> str:
    path = data / name
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(key, f"cannot read {path}: {_reason(error)}") from error
    if not text.strip():
        raise ConfigurationError(key, f"{path} is empty")
    return text


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8 text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _variable(environ: Mapping[str, str], name: str, key: str) -> str:
    if not environ.get(name):
        raise ConfigurationError(key, f"the environment variable {name} is not set")
    return environ[name]
