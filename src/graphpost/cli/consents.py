"""`graphpost app`: what users let applications have of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import print_json, print_table

if TYPE_CHECKING:
    from graphpost.config import Config


@click.command("consents")
@click.argument("client_id", metavar="[CLIENT-ID]", default="")
@with_config
@json_option
def list_consents(config: Config, client_id: str, as_json: bool) -> None:
    """List who consented to which permissions of applications, and when."""
    from graphpost.cli.reaching import perform

    found = perform(config, "list_consents", client_id=client_id)
    if as_json:
        print_json(found)
        return
    rows = [(each["client_id"], each["user"], each["consented"], ", ".join(each["scopes"])) for each in found]
    print_table(("CLIENT ID", "USER", "SINCE", "PERMISSIONS"), rows, "Nobody consented to anything.")


@click.command()
@click.argument("client_id", metavar="CLIENT-ID")
@with_config
@click.option("--scope", "scopes", multiple=True, metavar="NAME", help="A delegated permission [all it has].")
@json_option
def consent(config: Config, client_id: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Consent for everybody, so that no user is asked."""
    from graphpost.cli.reaching import perform

    made = perform(config, "add_consent", client_id=client_id, scopes=list(scopes) or None)
    if as_json:
        print_json(made)
    else:
        click.echo(f"everybody to {made['client_id']}: {', '.join(made['scopes'])}")


@click.command("revoke-consent")
@click.argument("client_id", metavar="CLIENT-ID")
@with_config
@click.option("--user", default="", metavar="ADDRESS", help="Only this user's [everybody's].")
@json_option
def revoke_consent(config: Config, client_id: str, user: str, as_json: bool) -> None:
    """Take consent back: refresh tokens end, and users are asked again."""
    from graphpost.cli.reaching import perform

    found = perform(config, "revoke_consent", client_id=client_id, user=user)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['user']} to {found['client_id']}: revoked")
