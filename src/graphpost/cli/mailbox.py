"""`graphpost mailbox`: who has a mailbox."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from graphpost.cli.mailbox_file import export, import_
from graphpost.cli.options import Commands, json_option, quota_option, with_config
from graphpost.cli.output import print_json, print_table, size_text
from graphpost.cli.rights import grant, revoke, rights

if TYPE_CHECKING:
    from graphpost.config import Config

_HEADINGS: Final = ("ADDRESS", "NAME", "ALIASES", "KIND", "ENABLED", "SIZE", "OF")
_DECLARED: Final = "The settings declare it: at the next start it is as they say."


@click.group(cls=Commands)
def command() -> None:
    """List, add, change, delete and restore mailboxes."""


for _each in (grant, revoke, rights, import_, export):
    command.add_command(_each)


@command.command("list")
@with_config
@click.option("--deleted", is_flag=True, help="Those that were deleted and can be restored.")
@json_option
def list_(config: Config, deleted: bool, as_json: bool) -> None:
    """List every mailbox."""
    from graphpost.cli.reaching import perform

    found = perform(config, "list_mailboxes", deleted=deleted)
    if as_json:
        print_json(found)
    elif deleted:
        rows = [(b["address"], b["name"], b["deleted"], b["restorable_until"], b["object_id"]) for b in found]
        headings = ("ADDRESS", "NAME", "DELETED", "RESTORABLE UNTIL", "OBJECT ID")
        print_table(headings, rows, "No mailbox was deleted.")
    else:
        print_table(_HEADINGS, map(_row, found), "There are no mailboxes.")


@command.command()
@click.argument("address")
@with_config
@click.option("--name", default="", help="The display name.")
@click.option(
    "--alias", "aliases", multiple=True, metavar="ADDRESS", help="A further address; may be repeated."
)
@click.option("--shared", is_flag=True, help="Nobody signs in to it.")
@quota_option
@click.option("--password-stdin", is_flag=True, help="Read a password for signing in from standard input.")
@json_option
def add(
    config: Config,
    address: str,
    name: str,
    aliases: tuple[str, ...],
    shared: bool,
    quota: int | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Add a mailbox."""
    from graphpost.cli.reaching import perform

    password = _read_password() if password_stdin else ""
    added = perform(
        config,
        "add_mailbox",
        address=address,
        name=name,
        aliases=aliases,
        password=password,
        kind="shared" if shared else "person",
        quota_bytes=-1 if quota is None else quota,
    )
    _print(added, "added", as_json)


@command.command()
@click.argument("address")
@with_config
@click.option("--name", help="The display name.")
@click.option(
    "--address", "new_address", default="", help="The first address; the one before becomes an alias."
)
@click.option("--kind", type=click.Choice(["person", "shared"]), help="Nobody signs in to a shared one.")
@quota_option
@json_option
def change(
    config: Config,
    address: str,
    name: str | None,
    new_address: str,
    kind: str | None,
    quota: int | None,
    as_json: bool,
) -> None:
    """Change a mailbox."""
    from graphpost.cli.reaching import perform

    given: dict[str, Any] = {"name": name, "kind": kind, "quota_bytes": quota, "new_address": new_address}
    if name is None and kind is None and quota is None and not new_address:
        raise click.UsageError("say what to change")
    _print(perform(config, "change_mailbox", address=address, **given), "changed", as_json)


@command.group()
def alias() -> None:
    """Add and remove the further addresses of a mailbox."""


@alias.command("add")
@click.argument("address")
@click.argument("aliases", metavar="ALIAS...", nargs=-1, required=True)
@with_config
@json_option
def add_alias(config: Config, address: str, aliases: tuple[str, ...], as_json: bool) -> None:
    """Give a mailbox further addresses."""
    from graphpost.cli.reaching import perform

    changed = perform(config, "change_mailbox", address=address, add_aliases=aliases)
    _print(changed, f"has {', '.join(changed['aliases'])}", as_json)


@alias.command("remove")
@click.argument("address")
@click.argument("aliases", metavar="ALIAS...", nargs=-1, required=True)
@with_config
@json_option
def remove_alias(config: Config, address: str, aliases: tuple[str, ...], as_json: bool) -> None:
    """Take further addresses from a mailbox."""
    from graphpost.cli.reaching import perform

    changed = perform(config, "change_mailbox", address=address, remove_aliases=aliases)
    _print(changed, f"has {', '.join(changed['aliases']) or 'no aliases'}", as_json)


@command.command()
@click.argument("address")
@with_config
@json_option
def delete(config: Config, address: str, as_json: bool) -> None:
    """Delete a mailbox.  It can be restored for `accounts.deleted_seconds`; then all of it is erased."""
    from graphpost.cli.reaching import perform

    gone = perform(config, "delete_mailbox", address=address)
    note = "The settings name it, so the next start restores it: take it out of them."
    _print(gone, f"deleted; it can be restored until {gone['restorable_until']}", as_json, note)


@command.command()
@click.argument("address")
@with_config
@click.option("--address", "new_address", default="", help="Another first address than it had.")
@json_option
def restore(config: Config, address: str, new_address: str, as_json: bool) -> None:
    """Undo `delete`; named by the address that it had, or the object id."""
    from graphpost.cli.reaching import perform

    back = perform(config, "restore_mailbox", address=address, new_address=new_address)
    _print(back, "restored" + (f" without {', '.join(back['lost'])}" if back["lost"] else ""), as_json)


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


def _row(box: dict[str, Any]) -> tuple[str, ...]:
    aliases = ", ".join(box["aliases"])
    state = "yes" if box["enabled"] else "no"
    quota = size_text(box["quota"]) if box["quota"] else ""
    return box["address"], box["name"], aliases, box["kind"], state, size_text(box["size"]), quota


def _print(found: dict[str, Any], done: str, as_json: bool, note: str = _DECLARED) -> None:
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['address']} {done}")
    if found["declared"]:
        click.echo(note, err=True)
