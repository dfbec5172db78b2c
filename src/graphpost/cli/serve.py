"""`graphpost serve`: run the server until it is told to stop."""

from __future__ import annotations

from pathlib import Path

import click

from graphpost.cli.options import data_option, file_option, read_config


@click.command()
@data_option
@file_option
@click.option("--host", metavar="HOST", help="The address to listen on [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on [8443]; 0: any free one.")
@click.option(
    "--relay",
    metavar="URL",
    help="Send all other mail to smtp://HOST:PORT, smtps://HOST:PORT, or mx: (as DNS says).",
)
@click.option("--tls/--no-tls", default=None, help="HTTPS [on], or plain HTTP, on loopback only.")
def command(
    data: Path | None,
    file: Path | None,
    host: str | None,
    port: int | None,
    relay: str | None,
    tls: bool | None,
) -> int:
    """Run the server.

    Without a relay nothing leaves the machine: mail to local mailboxes is filed there, all other mail is captured.
    """
    flags = {"server.host": host, "server.port": port, "server.tls": tls, "relay": relay}
    config = read_config(file, data, flags)
    from graphpost.cli.running import run

    return run(config, file)
