"""`graphpost tls`: what is known of how domains take mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import Commands, json_option, with_config
from graphpost.cli.output import print_json

if TYPE_CHECKING:
    from graphpost.config import Config


@click.group(cls=Commands)
def command() -> None:
    """Look at what is known of how domains take mail; forget it."""


@command.command()
@click.argument("domain")
@with_config
@json_option
def show(config: Config, domain: str, as_json: bool) -> None:
    """Show the best TLS that a domain's mail went under, and its MTA-STS policy."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "show_tls", domain=domain), as_json)


@command.command()
@click.argument("domain")
@with_config
@json_option
def forget(config: Config, domain: str, as_json: bool) -> None:
    """Forget what is known of a domain.

    Its mail may go in clear text again, unless its policy, fetched anew, says otherwise.
    """
    from graphpost.cli.reaching import perform

    _print(perform(config, "forget_tls", domain=domain), as_json)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from graphpost.transport.wire import one_line

    for name in ("domain", "level", "reached", "policy", "fetched", "expires"):
        if found[name]:
            click.echo(f"{name:<11} {'; '.join(one_line(line) for line in found[name].splitlines())}")
    if not found["level"] and not found["policy"]:
        click.echo("nothing is known")
