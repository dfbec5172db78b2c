"""`graphpost token`: an access token from the running server's own issuer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from graphpost.cli.options import with_config
from graphpost.errors import ConfigurationError, GraphpostError

if TYPE_CHECKING:
    from graphpost.admin.access import Running
    from graphpost.config import ApplicationSettings, Config

GRAPH_SCOPE = "https://graph.microsoft.com/.default"


@click.command()
@with_config
@click.option(
    "--user",
    metavar="ADDRESS",
    help="Sign in as this mailbox (password grant) instead of as the application.",
)
@click.option("--client-id", metavar="GUID", help="An application of the settings [the first with a secret].")
def command(config: Config, user: str | None, client_id: str | None) -> None:
    """Print an access token.

    The secrets come from the settings; for applications added by command, ask the issuer yourself.
    """
    from graphpost.cli.reaching import get_running

    running = get_running(config)
    application = choose_application(config, client_id)
    click.echo(
        user_token(config, running, application, user) if user else app_token(config, running, application)
    )


def choose_application(
    config: Config, client_id: str | None = None, permissions: Sequence[str] = (), why: str = ""
) -> ApplicationSettings:
    """The application to act as: the one named, or the first that has a secret (and the permissions).

    `why` is said after the error when there is none.
    """
    for application in config.applications:
        named = client_id is None or application.client_id.casefold() == client_id.casefold()
        if named and application.secrets and set(permissions) <= set(application.application_permissions):
            return application
    wanted = f"{client_id} " if client_id else ""
    having = "".join(f" and {permission}" for permission in permissions)
    raise ConfigurationError(
        "applications", f"no application {wanted}with a secret{having} is in the settings{why}"
    )


def app_token(config: Config, running: Running, application: ApplicationSettings) -> str:
    """A token of the application itself (client credentials)."""
    return _request(
        config,
        running,
        {
            "grant_type": "client_credentials",
            "client_id": application.client_id,
            "client_secret": application.secrets[0],
            "scope": GRAPH_SCOPE,
        },
    )


def user_token(config: Config, running: Running, application: ApplicationSettings, user: str) -> str:
    """A token of a mailbox's owner, whose password the settings have."""
    if not config.issuer.password_grant:
        raise ConfigurationError("issuer.password_grant", "is off: nobody gets a token for a password")
    for mailbox in config.mailboxes:
        if mailbox.address.casefold() == user.casefold() and mailbox.password:
            form = {"grant_type": "password", "username": mailbox.address, "password": mailbox.password}
            client = {"client_id": application.client_id, "client_secret": application.secrets[0]}
            return _request(config, running, {**form, **client, "scope": GRAPH_SCOPE})
    raise ConfigurationError("mailboxes", f"no mailbox {user} with a password is in the settings")


def _request(config: Config, running: Running, form: dict[str, str]) -> str:
    import httpx2

    from graphpost.cli.reaching import UnreachableError, http_client

    try:
        with http_client(config, running) as client:
            answer = client.post(f"/{config.tenant.id}/oauth2/v2.0/token", data=form)
            body = answer.json()
    except httpx2.HTTPError as error:
        raise UnreachableError(f"{running.url} does not answer: {error}") from error
    except ValueError as error:
        raise GraphpostError(f"the issuer answered {answer.status_code} without JSON") from error
    if "access_token" not in body:
        raise GraphpostError(
            str(body.get("error_description", body.get("error", answer.status_code))).splitlines()[0]
        )
    return str(body["access_token"])
