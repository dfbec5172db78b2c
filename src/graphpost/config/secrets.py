"""Secrets from where the settings say: in place, in a file, or in a variable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from graphpost.config.settings import ApplicationSettings, Config, MailboxSettings, RouteSettings
from graphpost.errors import ConfigurationError

_Owner = TypeVar("_Owner", MailboxSettings, RouteSettings)


def with_secrets(config: Config, environ: Mapping[str, str]) -> Config:
    """Put every secret into `password` or `secrets`; at most one source each, and the one named must be there."""
    return replace(
        config,
        mailboxes=[
            _with_password(e, f"mailboxes[{i}]", config, environ) for i, e in enumerate(config.mailboxes)
        ],
        routes=[_with_password(e, f"routes[{i}]", config, environ) for i, e in enumerate(config.routes)],
        applications=[
            _with_application_secrets(e, f"applications[{i}]", config, environ)
            for i, e in enumerate(config.applications)
        ],
    )


def _with_password(owner: _Owner, where: str, config: Config, environ: Mapping[str, str]) -> _Owner:
    sources = {
        "password": owner.password,
        "password_file": owner.password_file,
        "password_env": owner.password_env,
    }
    _check_exclusive(where, sources)
    if owner.password_file:
        text = _file(config.data, owner.password_file, f"{where}.password_file")
        return replace(owner, password=text.rstrip("\r\n"))
    if owner.password_env:
        return replace(owner, password=_variable(environ, owner.password_env, f"{where}.password_env"))
    return owner


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
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(key, f"cannot read {path}: {_reason(error)}") from error
    if not text.strip():
        raise ConfigurationError(key, f"{path} is empty")
    return text


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "is not UTF-8 text"


def _variable(environ: Mapping[str, str], name: str, key: str) -> str:
    if not environ.get(name):
        raise ConfigurationError(key, f"the environment variable {name} is not set")
    return environ[name]
