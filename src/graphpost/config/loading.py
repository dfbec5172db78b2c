"""Reading the settings: TOML file < environment < command-line flags.

A setting `section.key` is also read from `GRAPHPOST_SECTION_KEY` (lists: separated by commas), and `data` from
`GRAPHPOST_DATA`; `GRAPHPOST_RELAY` is what `serve --relay` is.  Unknown keys and values of the wrong type raise ConfigurationError with the key's path; whether
values make sense is `checking.py`'s matter.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from graphpost.config.checking import check
from graphpost.config.defaults import DOMAIN, LOOPBACK, embedded_defaults
from graphpost.config.names import is_loopback
from graphpost.config.relays import check_relay
from graphpost.config.secrets import with_secrets
from graphpost.config.settings import Config, NotificationSettings
from graphpost.config.wording import reworded, type_at
from graphpost.errors import ConfigurationError

Tree = dict[str, Any]
PREFIX: Final = "GRAPHPOST_"


def load(
    path: Path | None, *, data: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> Config:
    """All settings, checked and completed.

    `flags` are by the setting's path (`server.port`); None means not given.  `relay` is a URL that becomes the route
    of every domain without a route of its own.  When neither mailboxes nor applications are configured, the embedded
    default's are taken.  May create the data directory, to keep generated ids there.
    """
    tree = _read(path)
    _refuse_unknown(tree, Config, "")
    _overlay_environment(tree, environ)
    _overlay_flags(tree, flags)
    if data is not None:
        tree["data"] = str(data)
    _refuse_nul(tree, "")
    config = _convert(tree)
    config = replace(config, data=Path(config.data).expanduser().absolute())
    return check(with_secrets(_complete(config, tree), environ))


def _read(path: Path | None) -> Tree:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(path), "is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), f"is not TOML: {error}") from error


def _refuse_unknown(value: object, kind: Any, where: str) -> None:
    """Compare keys with the table before types are looked at, because we can say what was probably meant."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            _refuse_unknown(entry, get_args(kind)[0] if get_args(kind) else None, f"{where}[{index}]")
    elif isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Struct):
        hints = get_type_hints(kind)
        for key, inner in value.items():
            name = f"{where}.{key}" if where else key
            if key not in hints:
                raise ConfigurationError(name, f"is not a setting{_nearest(key, hints)}")
            _refuse_unknown(inner, hints[key], name)


def _refuse_nul(value: object, where: str) -> None:
    """No text has one: names of files and hosts, and PostgreSQL, end there."""
    if isinstance(value, str) and "\0" in value:
        raise ConfigurationError(where, "must not have a NUL character")
    if isinstance(value, list):
        for index, entry in enumerate(value):
            _refuse_nul(entry, f"{where}[{index}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(inner, f"{where}.{key}" if where else key)


def _nearest(key: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else f" (there are: {', '.join(sorted(known))})"


def scalar_settings() -> Iterator[tuple[str, str, Any]]:
    """Every (section, key, type) that has an environment name."""
    for section in fields(Config):
        if isinstance(section.type, type) and issubclass(section.type, Struct):
            for setting in fields(section.type):
                yield section.name, setting.name, setting.type


def _overlay_environment(tree: Tree, environ: Mapping[str, str]) -> None:
    known = {
        f"{PREFIX}{section}_{key}".upper(): (section, key, kind) for section, key, kind in scalar_settings()
    }
    tables = {f"{PREFIX}{section.name}".upper() for section in fields(Config)} - {f"{PREFIX}DATA"}
    sections = tuple({f"{PREFIX}{section}_".upper() for section, _, _ in known.values()})
    named = set(_named_variables(tree))
    for variable, text in environ.items():
        if variable in tables and variable not in named:
            raise ConfigurationError(variable, "is a table: put it into the settings file")
        if variable in known:
            section, key, kind = known[variable]
            _section(tree, section)[key] = _from_text(variable, text, kind)
        elif variable not in named and (variable.startswith(sections) or _is_misspelt(variable, known)):
            raise ConfigurationError(variable, f"is not a setting{_nearest(variable, known)}")
    if environ.get(PREFIX + "DATA"):
        tree["data"] = environ[PREFIX + "DATA"]
    if environ.get(PREFIX + "RELAY"):
        _relay_all(tree, environ[PREFIX + "RELAY"], PREFIX + "RELAY")


def _is_misspelt(variable: str, known: Mapping[str, object]) -> bool:
    """Whether it is a setting's but for a letter or two; other variables of that prefix may be somebody's own."""
    return variable.startswith(PREFIX) and bool(difflib.get_close_matches(variable, known, n=1, cutoff=0.9))


def _named_variables(tree: Tree) -> Iterator[str]:
    for section in ("mailboxes", "applications", "routes"):
        for entry in _tables(tree.get(section)):
            for each in (entry, *_tables(entry.get("hosts"))):
                yield from (str(v) for k, v in each.items() if k.endswith("_env"))


def _tables(value: object) -> list[Tree]:
    """The tables of a list; what is none of that is refused by name later."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _section(tree: Tree, name: str) -> Tree:
    section = tree.setdefault(name, {})
    if not isinstance(section, dict):
        raise ConfigurationError(name, "must be a table")
    return section


def _from_text(variable: str, text: str, kind: Any) -> object:
    value: object = text
    if getattr(kind, "__origin__", None) is list:
        value = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(variable, reworded(_problem(error)[0], kind, is_text=True)) from error


def _overlay_flags(tree: Tree, flags: Mapping[str, object]) -> None:
    for name, value in flags.items():
        if value is None:
            continue
        if name == "relay":
            _relay_all(tree, str(value), "--relay")
        else:
            section, key = name.split(".")
            _section(tree, section)[key] = value


def _relay_all(tree: Tree, to: str, key: str) -> None:
    """Have all domains relayed there that have no route of their own."""
    check_relay(to, key)
    routes = tree.get("routes", [])
    if isinstance(routes, list):  # else it is refused by name later
        others = [each for each in routes if not isinstance(each, dict) or each.get("domains") != ["*"]]
        tree["routes"] = [*others, {"domains": ["*"], "to": to}]


_AT: Final = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")


def _convert(tree: Tree) -> Config:
    try:
        return msgspec.convert(tree, Config, dec_hook=_path)
    except msgspec.ValidationError as error:
        problem, where = _problem(error)
        if missing := _MISSING.match(problem):
            raise ConfigurationError(f"{where}.{missing[1]}", "is required") from error
        raise ConfigurationError(where, reworded(problem, type_at(Config, where))) from error


def _problem(error: msgspec.ValidationError) -> tuple[str, str]:
    """What is wrong, and where."""
    match = _AT.match(str(error))
    return (match["problem"], match["path"] or "") if match else (str(error), "")


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("Expected the name of a directory")


def _complete(config: Config, tree: Tree) -> Config:
    """Fill in the embedded default, and the tenant's id when none was given."""
    embedded = not config.mailboxes and not config.applications
    if not embedded and config.tenant.id:
        return config
    defaults = embedded_defaults(config.data)
    tenant = replace(config.tenant, id=config.tenant.id or defaults.tenant_id)
    if not embedded:
        return replace(config, tenant=tenant)
    return replace(
        config,
        tenant=replace(tenant, domains=tenant.domains or [DOMAIN]),
        issuer=replace(config.issuer, password_grant=tree.get("issuer", {}).get("password_grant", True)),
        notifications=_to_this_machine(config, tree.get("notifications", {})),
        mailboxes=defaults.mailboxes(),
        applications=[defaults.application()],
    )


def _to_this_machine(config: Config, given: Tree) -> NotificationSettings:
    """For trying out: receivers on this machine are notified, with or without TLS, unless the settings say otherwise."""
    if not is_loopback(config.server.host):
        return config.notifications
    return replace(
        config.notifications,
        allow=given.get("allow", list(LOOPBACK)),
        allow_http=given.get("allow_http", True),
    )
