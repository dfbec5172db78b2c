"""`graphpost check`: what would keep the server from working."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import one_line, print_json
from graphpost.errors import GraphpostError

if TYPE_CHECKING:
    from graphpost.config import Config

Check = Callable[["Config"], str]


@click.command()
@with_config
@json_option
def command(config: Config, as_json: bool) -> int:
    """Check settings, data directory, database, certificate, relays and DKIM keys.

    The exit status is 1 when anything is wrong.
    """
    results = list(_results(config))
    if as_json:
        print_json([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in results])
    else:
        for name, ok, detail in results:
            click.echo(f"{'ok  ' if ok else 'FAIL'}  {name:<14} {one_line(detail)}")
    return 0 if all(ok for _, ok, _ in results) else 1


def _results(config: Config) -> Iterator[tuple[str, bool, str]]:
    from graphpost.cli import checks

    yield "settings", True, f"{len(config.mailboxes)} mailboxes, {len(config.applications)} applications"
    todo: list[tuple[str, Callable[[], str]]] = [
        ("data directory", lambda: checks.data_directory(config)),
        ("database", lambda: checks.database(config)),
        ("certificate", lambda: checks.certificate(config)),
    ]
    for i, route in enumerate(config.routes):
        if route.to.startswith(("smtp:", "smtps:")):
            todo.append((f"routes[{i}]", lambda route=route: checks.relay(config, route)))  # type: ignore[misc]
    for i, entry in enumerate(config.dkim):
        todo.append((f"dkim[{i}]", lambda entry=entry: checks.dkim_key(entry)))  # type: ignore[misc]
    for name, check in todo:
        try:
            yield name, True, check()
        except (GraphpostError, OSError) as error:
            yield name, False, str(error)
