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
    """Check settings, data directory, database, certificate, metrics, relays, keys.

    The exit status is 1 when anything is wrong; a warning is not.
    """
    results = list(_results(config))
    if as_json:
        print_json(
            [
                {"check": name, "ok": state != "FAIL", "warning": state == "warn", "detail": detail}
                for name, state, detail in results
            ]
        )
    else:
        for name, state, detail in results:
            click.echo(f"{state:<4}  {name:<14} {one_line(detail)}")
    return 1 if any(state == "FAIL" for _, state, _ in results) else 0


def _results(config: Config) -> Iterator[tuple[str, str, str]]:
    """Of each check its name, `ok`, `warn` or `FAIL`, and a line that says why."""
    from graphpost.cli import checks

    yield "settings", "ok", f"{len(config.mailboxes)} mailboxes, {len(config.applications)} applications"
    if config.metrics.port:
        yield "metrics", *checks.metrics(config.metrics)
    todo: list[tuple[str, Callable[[], str]]] = [
        ("data directory", lambda: checks.data_directory(config)),
        ("database", lambda: checks.database(config)),
        ("certificate", lambda: checks.certificate(config)),
    ]
    for i, route in enumerate(config.routes):
        if route.is_relay:
            for j, host in enumerate(route.smarthosts()):
                name = f"routes[{i}].hosts[{j}]" if route.hosts else f"routes[{i}]"
                todo.append((name, lambda route=route, host=host: checks.relay(config, route, host)))  # type: ignore[misc]
    for i, entry in enumerate(config.dkim):
        todo.append((f"dkim[{i}]", lambda entry=entry: checks.dkim_key(entry)))  # type: ignore[misc]
    for i, issuer in enumerate(config.issuers):
        todo.append((f"issuers[{i}]", lambda issuer=issuer: checks.issuer(config, issuer)))  # type: ignore[misc]
    for name, check in todo:
        try:
            yield name, "ok", check()
        except (GraphpostError, OSError) as error:
            yield name, "FAIL", str(error)
