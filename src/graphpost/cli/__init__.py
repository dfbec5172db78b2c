"""The command line: each command is a module, imported when it is called.

Exit status: 0 done, 1 it did not work, 2 wrong usage or settings.  Errors are one line on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from graphpost import __version__
from graphpost.errors import ConfigurationError, GraphpostError

# Name -> what it does.  The module `graphpost.cli.NAME` has the command as `command`.
COMMANDS: Final = {
    "serve": "Run the server.",
    "env": "Print what a client needs, as shell variables or JSON.",
    "send": "Send a message through the running server, and follow it.",
    "queue": "Look at messages on their way; retry, hold, release or cancel them.",
    "mailbox": "List, add, change, delete and restore mailboxes.",
    "group": "List and change groups of mailboxes.",
    "audit": "Look up who sent and changed what, from where, by which right.",
    "app": "List, add and disable applications; their credentials, and consents to them.",
    "keys": "List, add and retire the keys that sign tokens.",
    "dkim": "Make the keys that sign outgoing mail, and print their DNS records.",
    "tls": "Look at what is known of how domains take mail; forget it.",
    "token": "Print an access token.",
    "check": "Check settings, data directory, database, certificate, metrics, relays, issuers, keys, DNS.",
    "migrate": "Bring the database up to date.",
}


class _Commands(click.Group):
    """Knows every command's name and summary without importing it: help is there at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"graphpost.cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="graphpost", message="%(prog)s %(version)s")
def root() -> None:
    """A self-hosted mail server whose front door is Microsoft Graph."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    try:
        done = root.main(arguments, prog_name="graphpost", standalone_mode=False)
        return done if isinstance(done, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 1)
    except ConfigurationError as error:
        return _fail(str(error), 2)
    except (GraphpostError, OSError) as error:
        return _fail(str(error) or type(error).__name__, 1)


def _fail(problem: str, status: int) -> int:
    line = " ".join(problem.split())
    try:
        click.echo(f"graphpost: {line}", err=True)
    except BrokenPipeError:
        sys.stderr = None
    return status
