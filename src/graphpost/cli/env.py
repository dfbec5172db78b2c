"""`graphpost env`: what a client needs to know, ready for a shell or as JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from graphpost.cli.options import with_config
from graphpost.cli.output import print_json

if TYPE_CHECKING:
    from graphpost.config import Config


@click.command()
@with_config
@click.option("--format", "style", type=click.Choice(["shell", "json"]), default="shell", show_default=True)
def command(config: Config, style: str) -> None:
    """Print what a client needs, as shell variables or JSON.

    Use it as: eval "$(graphpost env)".  It prints secrets.
    """
    values = environment(config)
    if style == "json":
        print_json(values)
        return
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def environment(config: Config) -> dict[str, str]:
    """The variables; empty where the settings don't know (a secret kept as a hash only)."""
    from graphpost.admin.access import find_running
    from graphpost.admin.banner import origin
    from graphpost.web.certificates import ca_file

    running = find_running(config.data)
    url = running.url if running else origin(config)
    application = config.applications[0] if config.applications else None
    mailbox = config.mailboxes[0] if config.mailboxes else None
    return {
        "GRAPH_URL": url,
        "AUTHORITY": f"{url}/{config.tenant.id}",
        "TENANT_ID": config.tenant.id,
        "CLIENT_ID": application.client_id if application else "",
        "CLIENT_SECRET": application.secrets[0] if application and application.secrets else "",
        "CA_FILE": str(ca_file(config) or ""),
        "MAILBOX": mailbox.address if mailbox else "",
        "USER_PASSWORD": mailbox.password if mailbox else "",
    }
