"""`graphpost group`: mailboxes that are named together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import Commands, json_option, with_config
from graphpost.cli.output import print_json, print_table

if TYPE_CHECKING:
    from graphpost.config import Config


@click.group(cls=Commands)
def command() -> None:
    """List and change groups of mailboxes."""


@command.command("list")
@with_config
@json_option
def list_(config: Config, as_json: bool) -> None:
    """List every group, and who is in it."""
    from graphpost.cli.reaching import perform

    found = perform(config, "list_groups")
    if as_json:
        print_json(found)
        return
    rows = [(g["name"], g["address"], len(g["members"]), ", ".join(g["mailboxes"])) for g in found]
    print_table(("NAME", "ADDRESS", "MEMBERS", "MAILBOXES"), rows, "There are no groups.")


@command.command()
@click.argument("name")
@with_config
@click.option("--address", default="", help="An address that it is found by too; it takes no mail.")
@json_option
def add(config: Config, name: str, address: str, as_json: bool) -> None:
    """Add a group, or change its address."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "put_group", name=name, address=address), "is there", as_json)


@command.command()
@click.argument("name")
@click.argument("mailboxes", metavar="MAILBOX...", nargs=-1, required=True)
@with_config
@json_option
def join(config: Config, name: str, mailboxes: tuple[str, ...], as_json: bool) -> None:
    """Put mailboxes into a group."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "change_members", name=name, add=mailboxes), "", as_json)


@command.command()
@click.argument("name")
@click.argument("mailboxes", metavar="MAILBOX...", nargs=-1, required=True)
@with_config
@json_option
def leave(config: Config, name: str, mailboxes: tuple[str, ...], as_json: bool) -> None:
    """Take mailboxes out of a group."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "change_members", name=name, remove=mailboxes), "", as_json)


@command.command()
@click.argument("name")
@with_config
@json_option
def remove(config: Config, name: str, as_json: bool) -> None:
    """Remove a group; its mailboxes stay."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "remove_group", name=name), "removed", as_json)


def _print(found: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['name']} {done or 'has ' + (', '.join(found['mailboxes']) or 'no mailboxes')}")
