"""Options that commands share, and settings as a command's first argument."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from graphpost.config import Config

Function = TypeVar("Function", bound=Callable[..., Any])


class Commands(click.Group):
    """Its help has the first sentence of each command's in full; click's own cuts off what does not fit a line."""

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            found = self.get_command(ctx, name)
            text = " ".join((found.help or "").split("\n\n")[0].split()) if found else ""
            rows.append((name, text.partition(". ")[0].rstrip(".") + "."))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SETTINGS_FILE: Final = "graphpost.settings_file"  # where the context has the path, or None
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def read_quota(text: str) -> int:
    """Bytes, or with K, M, G or T; `none`; or `usual`, as the settings say.  Raises ValueError."""
    word = text.strip().upper()
    if word in ("NONE", "USUAL"):
        return 0 if word == "NONE" else -1
    digits, unit = (word[:-1], word[-1]) if word[-1:] in _UNITS else (word, "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 15 or int(digits) == 0:
        raise ValueError(f"{text!r} is not a size such as 50G, nor `none` or `usual`")
    return min(int(digits) * _UNITS[unit], 2**62)


class _Quota(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return read_quota(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


quota_option = click.option(
    "--quota", type=_Quota(), help="How much it may have: 50G, say, `none`, or `usual`, as the settings say."
)
data_option = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="The data directory."
)
file_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="GRAPHPOST_CONFIG",
    metavar="FILE",
    help="The settings file; without one an embedded default is used.",
)


def with_config(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data and --config; the function gets the loaded settings as its first argument."""

    @data_option
    @file_option
    @wraps(function)
    def wrapper(*, data: Path | None, file: Path | None, **options: Any) -> Any:
        file = file or _running_file(data)
        is_new = file is None and not _embedded_data(data).exists()
        config = read_config(file, data, {})
        click.get_current_context().meta[SETTINGS_FILE] = file
        done = function(config, **options)
        if is_new:
            click.echo(f"{config.data} is a new data directory; no server has run on it yet.", err=True)
        return done

    return wrapper


def _embedded_data(data: Path | None) -> Path:
    """The data directory, when there is no settings file."""
    from graphpost.config import Config

    return data or Path(os.environ.get("GRAPHPOST_DATA") or Config().data)


def _running_file(data: Path | None) -> Path | None:
    """The settings file of the server that runs on the data directory: its commands speak of the same server."""
    from graphpost.admin.access import find_running

    running = find_running(_embedded_data(data))
    return Path(running.file) if running and running.file else None


def read_config(file: Path | None, data: Path | None, flags: Mapping[str, object]) -> Config:
    """The settings as this process sees them."""
    from graphpost.config import load

    return load(file, data=data, environ=os.environ, flags=flags)
