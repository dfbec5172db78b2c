"""`graphpost mailbox`: who has a mailbox."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import print_json, print_table
from graphpost.cli.rights import grant, revoke, rights

if TYPE_CHECKING:
    from graphpost.config import Config


@click.group()
def command() -> None:
    """List, add and change mailboxes."""


for _each in (grant, revoke, rights):
    command.add_command(_each)


@command.command("list")
@with_config
@json_option
def list_(config: Config, as_json: bool) -> None:
    """List every mailbox."""
    from graphpost.cli.reaching import perform

    found = perform(config, "list_mailboxes")
    if as_json:
        print_json(found)
        return
    rows = [
        (b["address"], b["name"], ", ".join(b["aliases"]), "yes" if b["enabled"] else "no") for b in found
    ]
    print_table(("ADDRESS", "NAME", "ALIASES", "ENABLED"), rows, "There are no mailboxes.")


@command.command()
@click.argument("address")
@with_config
@click.option("--name", default="", help="The display name.")
@click.option(
    "--alias", "aliases", multiple=True, metavar="ADDRESS", help="A further address; may be repeated."
)
@click.option("--password-stdin", is_flag=True, help="Read a password for signing in from standard input.")
@json_option
def add(
    config: Config, address: str, name: str, aliases: tuple[str, ...], password_stdin: bool, as_json: bool
) -> None:
    """Add a mailbox."""
    from graphpost.cli.reaching import perform

    password = _read_password() if password_stdin else ""
    added = perform(config, "add_mailbox", address=address, name=name, aliases=aliases, password=password)
    _print(added, "added", as_json)


@command.command()
@click.argument("address")
@with_config
@json_option
def password(config: Config, address: str, as_json: bool) -> None:
    """Set a mailbox's password, read from standard input; who is signed in is signed out."""
    from graphpost.cli.reaching import perform

    changed = perform(config, "change_mailbox", address=address, password=_read_password())
    _print(changed, "has a new password", as_json)


@command.command()
@click.argument("address")
@with_config
@json_option
def disable(config: Config, address: str, as_json: bool) -> None:
    """Let nobody send from or sign in to a mailbox; its mail stays."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "change_mailbox", address=address, enabled=False), "disabled", as_json)


@command.command()
@click.argument("address")
@with_config
@json_option
def enable(config: Config, address: str, as_json: bool) -> None:
    """Undo `disable`."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "change_mailbox", address=address, enabled=True), "enabled", as_json)


def _read_password() -> str:
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise click.UsageError("the password is empty")
    return text


def _print(found: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['address']} {done}")
