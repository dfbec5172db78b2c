"""`graphpost app`: the applications that may ask for tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graphpost.cli.consents import consent, list_consents, revoke_consent
from graphpost.cli.credentials import (
    certificate,
    credentials,
    disable,
    enable,
    print_secret,
    remove_credential,
    secret,
)
from graphpost.cli.options import Commands, json_option, with_config
from graphpost.cli.output import print_json, print_table

if TYPE_CHECKING:
    from graphpost.config import Config


@click.group(cls=Commands)
def command() -> None:
    """List, add and disable applications; their credentials, and consents to them."""


for _each in (
    secret,
    certificate,
    credentials,
    remove_credential,
    disable,
    enable,
    list_consents,
    consent,
    revoke_consent,
):
    command.add_command(_each)


@command.command("list")
@with_config
@json_option
def list_(config: Config, as_json: bool) -> None:
    """List every application."""
    from graphpost.cli.reaching import perform

    found = perform(config, "list_applications")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            a["client_id"],
            a["name"],
            ", ".join(a["application_permissions"]),
            ", ".join(a["delegated_permissions"]),
        )
        for a in found
    ]
    print_table(("CLIENT ID", "NAME", "APPLICATION", "DELEGATED"), rows, "There are no applications.")


@command.command()
@click.argument("name")
@with_config
@click.option("--client-id", default="", metavar="GUID", help="What clients call it [a new one].")
@click.option("--public", is_flag=True, help="Users may sign in to it without a secret of its own.")
@click.option(
    "--permission",
    "application",
    multiple=True,
    metavar="NAME",
    help="What it may do by itself, such as Mail.Send; may be repeated.",
)
@click.option(
    "--delegated",
    multiple=True,
    metavar="NAME",
    help="What it may do for a signed-in user; may be repeated.",
)
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    metavar="URI",
    help="Where users go after signing in; may be repeated.",
)
@click.option(
    "--spa-redirect-uri",
    "spa_redirect_uris",
    multiple=True,
    metavar="URI",
    help="A page's, of a single-page application.",
)
@click.option(
    "--mailbox",
    "mailbox_scope",
    multiple=True,
    metavar="ENTRY",
    help="Only this mailbox, group:NAME or domain:DOMAIN; may be repeated [all].",
)
@click.option(
    "--mailbox-for",
    "own_scopes",
    nargs=2,
    multiple=True,
    metavar="PERMISSION ENTRY",
    help="The same for one permission, instead.",
)
@json_option
def add(
    config: Config,
    name: str,
    client_id: str,
    public: bool,
    application: tuple[str, ...],
    delegated: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    spa_redirect_uris: tuple[str, ...],
    mailbox_scope: tuple[str, ...],
    own_scopes: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Add an application; its secret is shown this once."""
    from graphpost.cli.reaching import perform

    permission_scopes: dict[str, list[str]] = {}
    for permission, entry in own_scopes:
        permission_scopes.setdefault(permission, []).append(entry)
    added = perform(
        config,
        "add_application",
        name=name,
        client_id=client_id,
        public=public,
        application_permissions=application,
        delegated_permissions=delegated,
        redirect_uris=redirect_uris,
        spa_redirect_uris=spa_redirect_uris,
        mailbox_scope=mailbox_scope,
        permission_scopes=permission_scopes,
    )
    print_secret(added, as_json)
