"""`graphpost send`: one message through the running server, to its outcome."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from graphpost.cli.options import with_config
from graphpost.cli.output import one_line, reply_text
from graphpost.cli.posting import post
from graphpost.clock import SECOND, SystemClock, from_datetime
from graphpost.errors import ConfigurationError

if TYPE_CHECKING:
    from graphpost.config import Config

_POLL_SECONDS: Final = 0.2
_FINAL: Final = frozenset({"delivered", "captured", "failed", "cancelled"})
_UNFINISHED: Final = 3  # the exit status of a message that is still on its way
_GOOD: Final = frozenset({"delivered", "captured"})


@click.command()
@with_config
@click.option(
    "--from", "sender", metavar="ADDRESS", help="The mailbox that sends [the first of the settings]."
)
@click.option(
    "--to", multiple=True, metavar="ADDRESS", help="A recipient; may be repeated, as --cc and --bcc."
)
@click.option("--cc", multiple=True, metavar="ADDRESS", help="Who gets a copy.")
@click.option("--bcc", multiple=True, metavar="ADDRESS", help="Who gets a copy unseen by the others.")
@click.option("--subject", required=True)
@click.option("--html", is_flag=True, help="The body is HTML.")
@click.option(
    "--attach",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="May be repeated; of any size that the server takes.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds to follow the message; 0: don't.",
)
@click.option("--to-the-end", is_flag=True, help="Follow it until it is done, however long that takes.")
@click.argument("body", default="")
def command(
    config: Config,
    sender: str | None,
    to: tuple[str, ...],
    cc: tuple[str, ...],
    bcc: tuple[str, ...],
    subject: str,
    html: bool,
    attach: tuple[Path, ...],
    wait: float,
    to_the_end: bool,
    body: str,
) -> int:
    """Send a message through the running server, and follow it.

    BODY is the text, or - for standard input.  The exit status is 0 when every recipient's mail was delivered (or
    captured, which is where mail goes that has no route), 1 when that of one failed, and 3 when some of it is still on
    its way: the next attempt is later than --wait, or the time is over.
    """
    if not (to or cc or bcc):
        raise click.UsageError("give at least one of --to, --cc and --bcc")
    text = sys.stdin.read() if body == "-" else body
    message: dict[str, Any] = {
        "subject": subject,
        "body": {"contentType": "HTML" if html else "Text", "content": text},
        "toRecipients": _recipients(to),
        "ccRecipients": _recipients(cc),
        "bccRecipients": _recipients(bcc),
    }
    queue_id = post(config, sender or _first_mailbox(config), message, attach)
    click.echo(f"Accepted as {queue_id}.")
    if to_the_end:
        return _follow(config, queue_id, float("inf"))
    return _follow(config, queue_id, wait) if wait else 0


def _recipients(addresses: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": address}} for address in addresses]


def _first_mailbox(config: Config) -> str:
    if not config.mailboxes:
        raise ConfigurationError("mailboxes", "none is in the settings; say who sends with --from")
    return config.mailboxes[0].address


def _follow(config: Config, queue_id: str, wait: float) -> int:
    """Print each recipient's outcome as it comes; the exit status."""
    from graphpost.admin.banner import command_line
    from graphpost.cli.reaching import get_running, request

    running = get_running(config)
    told: dict[str, str] = {}
    deadline = time.monotonic() + wait
    while True:
        shown = request(config, running, "GET", f"/admin/queue/{queue_id}")
        recipients = shown["recipients"]
        _tell(recipients, told)
        if all(recipient["state"] in _FINAL for recipient in recipients):
            return 0 if all(recipient["state"] in _GOOD for recipient in recipients) else 1
        left = deadline - time.monotonic()
        due = _next_attempt(shown["deliveries"], left)
        if due or left <= 0:
            later = f"Deferred until {due}" if due else "Still on its way"
            again = command_line(config.data, f"queue show {queue_id}")
            click.echo(f"{later}; look again with: {again}")
            return _UNFINISHED
        time.sleep(_POLL_SECONDS)


def _next_attempt(deliveries: list[dict[str, Any]], seconds: float) -> str:
    """When the next attempt is, if none will be made in that time; else ''."""
    open_ = [entry for entry in deliveries if entry["state"] != "done"]
    if not open_ or any(entry["under_way"] or not entry["attempts"] or not entry["due"] for entry in open_):
        return ""
    due = min(str(entry["due"]) for entry in open_)
    until = (from_datetime(datetime.fromisoformat(due)) - SystemClock().now()) / SECOND
    return due if until > seconds else ""


def _tell(recipients: list[dict[str, Any]], told: dict[str, str]) -> None:
    for recipient in recipients:
        said = f"{recipient['state']:<9} {one_line(recipient['address'])}"
        if reply := reply_text(recipient):
            said = f"{said}  {reply}"
        if recipient["state"] != "queued" and told.get(recipient["address"]) != said:
            told[recipient["address"]] = said
            click.echo(said)
