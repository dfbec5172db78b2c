"""`graphpost queue`: messages on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import print_json, print_table, reply_text

if TYPE_CHECKING:
    from graphpost.config import Config


@click.group()
def command() -> None:
    """Look at messages on their way; retry or cancel them."""


@command.command("list")
@with_config
@click.option(
    "--state", type=click.Choice(["waiting", "queued", "done", "held"]), help="Only those in this state."
)
@click.option("--mailbox", default="", metavar="ADDRESS", help="Only those sent from this mailbox.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_(config: Config, state: str | None, mailbox: str, limit: int, as_json: bool) -> None:
    """List messages, the newest first; a draft that is to be sent later is `waiting`, NEXT is when."""
    from graphpost.cli.reaching import perform

    found = perform(config, "list_queue", state=state, mailbox=mailbox, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            entry["id"],
            recipient["state"],
            entry["sender"] or "<>",
            recipient["address"],
            entry["due"],
            entry["subject"][:40],
        )
        for entry in found
        for recipient in entry["recipients"]
    ]
    print_table(("ID", "STATE", "SENDER", "RECIPIENT", "NEXT", "SUBJECT"), rows, "The queue is empty.")


@command.command()
@click.argument("queue_id", metavar="ID")
@with_config
@json_option
def show(config: Config, queue_id: str, as_json: bool) -> None:
    """Show a message's way to each recipient, with the last reply in full."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "show_message", queue_id=queue_id), as_json)


@command.command()
@click.argument("queue_id", metavar="ID")
@with_config
@json_option
def retry(config: Config, queue_id: str, as_json: bool) -> None:
    """Attempt a waiting message now; one that waits for its time is sent now."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "retry_message", queue_id=queue_id), as_json)


@command.command()
@click.argument("queue_id", metavar="ID")
@with_config
@json_option
def cancel(config: Config, queue_id: str, as_json: bool) -> None:
    """Give up what has not been delivered; nobody gets a report.  What waits for its time stays a draft."""
    from graphpost.cli.reaching import perform

    _print(perform(config, "cancel_message", queue_id=queue_id), as_json)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    first = found["deliveries"][0]
    for name in ("id", "state", "mailbox", "sender", "subject", "message_id", "created", "expires"):
        click.echo(f"{name:<11} {found.get(name, first.get(name, ''))}")
    rows = [
        (
            entry["destination"],
            entry["attempts"],
            recipient["address"],
            recipient["state"],
            entry["due"],
            reply_text(recipient),
        )
        for entry in found["deliveries"]
        for recipient in entry["recipients"]
    ]
    click.echo()
    print_table(("DESTINATION", "ATTEMPTS", "RECIPIENT", "STATE", "NEXT", "REPLY"), rows, "No recipients.")
