"""`graphpost app`: what applications prove themselves with, and disabling them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import print_json, print_table
from graphpost.errors import GraphpostError

if TYPE_CHECKING:
    from graphpost.config import Config

_client_id = click.argument("client_id", metavar="CLIENT-ID")


@click.command()
@_client_id
@with_config
@click.option("--days", type=click.IntRange(1, 36_500), help="How long it is good for [for ever].")
@json_option
def secret(config: Config, client_id: str, days: int | None, as_json: bool) -> None:
    """Give an application a further secret, which is shown this once."""
    from graphpost.cli.reaching import perform

    print_secret(perform(config, "add_secret", client_id=client_id, days=days or 0), as_json)


@click.command()
@_client_id
@click.argument("certificate_file", metavar="FILE", type=click.Path(path_type=Path))
@with_config
@json_option
def certificate(config: Config, client_id: str, certificate_file: Path, as_json: bool) -> None:
    """Let an application sign with the key of a further certificate (PEM)."""
    from graphpost.cli.reaching import perform

    try:
        pem = certificate_file.read_text("ascii")
    except OSError as error:
        raise GraphpostError(f"{certificate_file}: {error.strerror}") from error
    except ValueError as error:
        raise GraphpostError(f"{certificate_file}: not a readable PEM certificate") from error
    _print(perform(config, "add_certificate", client_id=client_id, pem=pem), "added", as_json)


@click.command()
@_client_id
@with_config
@json_option
def credentials(config: Config, client_id: str, as_json: bool) -> None:
    """List an application's secrets and certificates, and when they end."""
    from graphpost.cli.reaching import perform

    applications = perform(config, "list_applications")
    found = next((each for each in applications if each["client_id"] == client_id.lower()), None)
    if found is None:
        raise GraphpostError(f"there is no application {client_id}")
    if as_json:
        print_json(found["credentials"])
        return
    rows = [
        (each["id"], each["kind"], each["expires"] or "never", each["origin"])
        for each in found["credentials"]
    ]
    print_table(("ID", "KIND", "EXPIRES", "FROM"), rows, "It has none.")


@click.command("remove-credential")
@_client_id
@click.argument("credential_id", metavar="ID")
@with_config
@json_option
def remove_credential(config: Config, client_id: str, credential_id: str, as_json: bool) -> None:
    """Remove a secret or certificate; the beginning of its id is enough."""
    from graphpost.cli.reaching import perform

    removed = perform(config, "remove_credential", client_id=client_id, credential_id=credential_id)
    _print(removed, "removed", as_json)


@click.command()
@_client_id
@with_config
@json_option
def disable(config: Config, client_id: str, as_json: bool) -> None:
    """Refuse all of an application's tokens, and give it no more."""
    _change(config, client_id, False, as_json)


@click.command()
@_client_id
@with_config
@json_option
def enable(config: Config, client_id: str, as_json: bool) -> None:
    """Undo `disable`."""
    _change(config, client_id, True, as_json)


def _change(config: Config, client_id: str, enabled: bool, as_json: bool) -> None:
    from graphpost.cli.reaching import perform

    changed = perform(config, "change_application", client_id=client_id, enabled=enabled)
    if as_json:
        print_json(changed)
    else:
        click.echo(f"{changed['client_id']} {'enabled' if enabled else 'disabled'}")


def _print(found: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['kind']} {found['id']} {done}")


def print_secret(found: dict[str, Any], as_json: bool) -> None:
    """A client id, and its secret when there is one to be shown."""
    if as_json:
        print_json(found)
        return
    click.echo(f"client id  {found['client_id']}")
    if "secret" in found:
        click.echo(f"secret     {found['secret']}")
    if found.get("expires"):
        click.echo(f"expires    {found['expires']}")
