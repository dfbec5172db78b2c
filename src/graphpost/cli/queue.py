"""`graphpost queue`: messages on their way."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import Commands, json_option, with_config
from graphpost.cli.output import (
    counted,
    next_text,
    one_line,
    print_json,
    print_table,
    reply_text,
    state_text,
)
from graphpost.cli.suppression import suppress, suppressed, unsuppress
from graphpost.errors import GraphpostError

if TYPE_CHECKING:
    from graphpost.config import Config

_STATES = ["waiting", "queued", "done", "held", "deferred", "delivered", "captured", "failed", "cancelled"]
_DONE = {"retry": "due now", "hold": "held", "release": "released", "cancel": "cancelled"}


@click.group(cls=Commands)
def command() -> None:
    """Look at messages on their way; retry, hold, release or cancel them."""


def _with_selectors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which deliveries are meant, as one dictionary `chosen`."""

    @click.option("--destination", default="", metavar="KEY", help="Only to this destination, or domain.")
    @click.option(
        "--sender", default="", metavar="ADDRESS", help="Only with this sender (or @domain, or <>)."
    )
    @click.option("--recipient", default="", metavar="ADDRESS", help="Only for this recipient (or @domain).")
    @click.option("--mailbox", default="", metavar="ADDRESS", help="Only those sent from this mailbox.")
    @wraps(function)
    def wrapper(
        *args: Any, destination: str, sender: str, recipient: str, mailbox: str, **options: Any
    ) -> Any:
        chosen = {"destination": destination, "sender": sender, "recipient": recipient, "mailbox": mailbox}
        return function(*args, chosen=chosen, **options)

    return wrapper


@command.command("list")
@with_config
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@_with_selectors
@click.option("--message-id", default="", metavar="ID", help="Only with this internetMessageId.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@json_option
def list_(
    config: Config,
    state: str | None,
    chosen: dict[str, str],
    message_id: str,
    limit: int,
    as_json: bool,
) -> None:
    """List messages, the newest first; a draft that is to be sent later is `waiting`, NEXT is when."""
    from graphpost.cli.reaching import perform

    found: list[dict[str, Any]] = []
    before, messages = "", set[str]()
    while len(messages) < limit:
        page = perform(
            config,
            "list_queue",
            state=state,
            **chosen,
            message_id=message_id,
            limit=min(limit - len(messages), 1000),
            before=before,
        )
        found += page["value"]
        messages.update(entry["id"] for entry in page["value"])
        before = page["next"]
        if not before:
            break
    if as_json:
        print_json(found)
        return
    rows = [
        (
            entry["id"],
            recipient["state"],
            entry["sender"] or "<>",
            recipient["address"],
            next_text(entry),
            entry["subject"][:40],
        )
        for entry in found
        for recipient in entry["recipients"]
    ]
    is_narrowed = state or message_id or any(chosen.values())
    empty = "There is no such message." if is_narrowed else "The queue is empty."
    print_table(("ID", "STATE", "SENDER", "RECIPIENT", "NEXT", "SUBJECT"), rows, empty)
    if before:
        click.echo(f"There are more than {limit}; --limit says how many are listed.")


@command.command()
@click.argument("queue_id", metavar="ID")
@with_config
@json_option
def show(config: Config, queue_id: str, as_json: bool) -> None:
    """Show a message's way to each recipient, with all replies in full.

    ID is Graphpost's number of the message, or Graph's id of it.
    """
    from graphpost.cli.reaching import perform

    _print(perform(config, "show_message", queue_id=queue_id), as_json)


@command.command()
@with_config
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def destinations(config: Config, limit: int, as_json: bool) -> None:
    """List where messages wait or are held, the deepest first, with the last reply.

    Of the QUEUED ones LATER are being attempted, or wait for another attempt.  Nothing is attempted before HELD BACK,
    because the last FAILURES attempts in a row found the destination itself not working.
    """
    from graphpost.cli.reaching import perform

    found = perform(config, "list_destinations", limit=limit)
    if as_json:
        print_json(found["value"])
        return
    rows = [
        (
            e["destination"],
            e["queued"],
            e["later"],
            e["held"],
            e["oldest"],
            e["not_before"],
            e["failures"],
            reply_text(e),
        )
        for e in found["value"]
    ]
    headings = ("DESTINATION", "QUEUED", "LATER", "HELD", "OLDEST", "HELD BACK", "FAILURES", "REPLY")
    print_table(headings, rows, "The queue is empty.")
    if found["destinations"] > len(rows):
        click.echo(f"{found['destinations'] - len(rows)} more.")


def _acting(action: str, help_: str, *, reports: bool = False) -> None:
    """Add the command for an action on a message, or on all that is meant."""

    @command.command(action, help=help_)
    @click.argument("queue_id", metavar="[ID]", required=False)
    @with_config
    @_with_selectors
    @click.option("--all", "everything", is_flag=True, help="The whole queue; asks first.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @json_option
    def act(
        config: Config,
        queue_id: str | None,
        chosen: dict[str, str],
        everything: bool,
        yes: bool,
        as_json: bool,
        **options: Any,
    ) -> None:
        _act(config, action, queue_id, chosen, everything, yes, as_json, options)

    if reports:
        click.option("--report", is_flag=True, help="Tell the senders, with a non-delivery report.")(act)


def _act(
    config: Config,
    action: str,
    queue_id: str | None,
    chosen: dict[str, str],
    everything: bool,
    yes: bool,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    from graphpost.cli.reaching import perform

    if queue_id:
        if everything or any(value for name, value in chosen.items() if name != "recipient"):
            raise click.UsageError("with a message's ID only --recipient says more")
        arguments = {"recipient": chosen["recipient"], **options}
        _print(perform(config, f"{action}_message", queue_id=queue_id, **arguments), as_json)
        return
    if everything == any(chosen.values()):
        raise click.UsageError("name a message, say which ones with options, or --all")
    question = f"{action.capitalize()} everything in the queue?"
    if everything and not yes and not click.confirm(question, err=True):
        raise GraphpostError("nothing was done")
    done = _in_steps(config, action, {**chosen, "everything": everything, **options})
    if as_json:
        print_json(done)
        return
    recipients = counted(done["recipients"], "recipient", "recipients")
    click.echo(f"{counted(done['deliveries'], 'delivery', 'deliveries')} with {recipients} {_DONE[action]}.")
    if done["under_way"]:
        left = counted(done["under_way"], "was left, because it is", "were left, because they are")
        click.echo(f"{left} being attempted at this moment.")


def _in_steps(config: Config, action: str, arguments: dict[str, Any]) -> dict[str, int]:
    """Go through the queue, and say on a terminal how far it is."""
    from graphpost.cli.reaching import perform

    done = {"deliveries": 0, "recipients": 0, "under_way": 0, "looked_at": 0}
    after, is_long = "", False
    while True:
        step = perform(config, "act_on_queue", action=action, **arguments, after=after)
        done = {name: count + step[name] for name, count in done.items()}
        after = step["next"]
        if not after:
            break
        is_long = True
        click.echo(f"\r{done['looked_at']} looked at, {done['deliveries']} done", nl=False, err=True)
    if is_long:
        click.echo(err=True)
    return done


_acting("retry", "Attempt what waits now; a message that waits for its time is sent now.")
_acting("hold", "Keep what waits from being attempted, until it is released; what is held does not expire.")
_acting("release", "Attempt what is held now.")
_acting(
    "cancel",
    "Give up what has not been delivered; nobody gets a report unless --report.  What waits for its time stays a draft.",
    reports=True,
)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    first = found["deliveries"][0]
    for name in ("id", "state", "mailbox", "sender", "subject", "message_id", "created", "expires"):
        click.echo(f"{name:<11} {one_line(str(found.get(name, first.get(name, ''))))}")
    rows = [
        (
            entry["destination"],
            entry["attempts"],
            recipient["address"],
            state_text(recipient),
            next_text(entry),
            reply_text(recipient),
        )
        for entry in found["deliveries"]
        for recipient in entry["recipients"]
    ]
    click.echo()
    print_table(("DESTINATION", "ATTEMPTS", "RECIPIENT", "STATE", "NEXT", "REPLY"), rows, "No recipients.")
    earlier = [
        (recipient["address"], answer["at"], reply_text({"reply": answer}))
        for entry in found["deliveries"]
        for recipient in entry["recipients"]
        for answer in recipient.get("earlier", ())
    ]
    if earlier:
        click.echo()
        print_table(("RECIPIENT", "AT", "EARLIER ANSWER"), earlier, "")
    told = [
        (recipient["address"], report["at"], report["state"], f"{report['status']} {report['text']}".strip())
        for entry in found["deliveries"]
        for recipient in entry["recipients"]
        if (report := recipient["reported"])
    ]
    if told:
        click.echo()
        print_table(("RECIPIENT", "AT", "REPORTED SINCE", "REPORT"), told, "")


for _command in (suppress, unsuppress, suppressed):
    command.add_command(_command)
