"""`graphpost mailbox grant`, `revoke`, `rights`: what others may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import print_json, print_table

if TYPE_CHECKING:
    from graphpost.config import Config

_RIGHT = click.Choice(("FullAccess", "SendAs", "SendOnBehalf"), case_sensitive=False)


@click.command()
@click.argument("address", metavar="MAILBOX")
@click.argument("holder")
@click.argument("granted", nargs=-1, required=True, type=_RIGHT, metavar="RIGHT...")
@with_config
@json_option
def grant(config: Config, address: str, holder: str, granted: tuple[str, ...], as_json: bool) -> None:
    """Let HOLDER (an address, or group:NAME) use a mailbox.

    RIGHT is FullAccess, SendAs or SendOnBehalf.
    """
    from graphpost.cli.reaching import perform

    _print(perform(config, "grant_rights", address=address, holder=holder, granted=list(granted)), as_json)


@click.command()
@click.argument("address", metavar="MAILBOX")
@click.argument("holder")
@click.argument("revoked", nargs=-1, type=_RIGHT, metavar="[RIGHT...]")
@with_config
@json_option
def revoke(config: Config, address: str, holder: str, revoked: tuple[str, ...], as_json: bool) -> None:
    """Undo `grant`, for these rights or for all."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "revoke_rights", address=address, holder=holder, revoked=list(revoked)), as_json)


@click.command()
@click.argument("mailbox", default="")
@with_config
@json_option
def rights(config: Config, mailbox: str, as_json: bool) -> None:
    """List who has which rights, to all mailboxes or to one."""
    from graphpost.cli.reaching import perform

    found = perform(config, "list_rights", mailbox=mailbox)
    if as_json:
        print_json(found)
        return
    rows = [(each["mailbox"], each["holder"], ", ".join(each["rights"]), each["origin"]) for each in found]
    print_table(
        ("MAILBOX", "HOLDER", "RIGHTS", "FROM"), rows, "Nobody has rights to somebody else's mailbox."
    )


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['holder']} to {found['mailbox']}: {', '.join(found['rights']) or 'no rights'}")
