"""The part of `graphpost queue` that is about the suppression list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import print_json, print_table
from graphpost.clock import SECOND, SystemClock, to_text

if TYPE_CHECKING:
    from graphpost.config import Config

AT_ONCE = 1000
DAY = 86_400 * SECOND


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1)
@click.option("--reason", default="", help="Why; those who send there are told.")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="For so long; else for good.")
@click.option(
    "--file",
    "source",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="One address a line, or what `suppressed --json` printed; - is standard input.",
)
@with_config
@json_option
def suppress(
    config: Config,
    addresses: tuple[str, ...],
    reason: str,
    days: float | None,
    source: Any,
    as_json: bool,
) -> None:
    """Send nothing more to addresses, or whole domains (@contoso.test); whoever tries is told at once.

    What is on its way already is not touched: see `queue cancel --recipient`.
    """
    from graphpost.cli.reaching import perform

    until = ""
    if days is not None:
        until = to_text(SystemClock().now() + int(days * DAY))
    entries: list[dict[str, Any]] = [
        {"address": each, "reason": reason, "expires": until} for each in addresses
    ]
    entries += _read(source.read(), reason, until) if source is not None else []
    if not entries:
        raise click.UsageError("name addresses, or a --file with them")
    for start in range(0, len(entries), AT_ONCE):
        perform(config, "add_suppressions", entries=entries[start : start + AT_ONCE])
        if len(entries) > AT_ONCE:
            done = min(start + AT_ONCE, len(entries))
            click.echo(f"\r{done} of {len(entries)}", nl=done == len(entries), err=True)
    if as_json:
        print_json({"added": len(entries)})
    else:
        click.echo(f"{len(entries)} suppressed.")


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@with_config
@json_option
def unsuppress(config: Config, addresses: tuple[str, ...], as_json: bool) -> None:
    """Send to addresses, or domains, again."""
    from graphpost.cli.reaching import perform

    removed = [perform(config, "remove_suppression", address=each)["removed"] for each in addresses]
    if as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"{len(removed)} no longer suppressed.")


@click.command()
@click.option("--find", default="", metavar="ADDRESS", help="Only what suppresses this address.")
@with_config
@json_option
def suppressed(config: Config, find: str, as_json: bool) -> None:
    """List what nothing is sent to, and why."""
    from graphpost.cli.reaching import perform

    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = perform(config, "list_suppressions", find=find, after=after, limit=AT_ONCE)
        found += page["value"]
        after = page["next"]
        if not after:
            break
    if as_json:
        print_json(found)
        return
    rows = [(e["address"], e["origin"], e["status"], e["created"], e["expires"], e["reason"]) for e in found]
    headings = ("ADDRESS", "BY", "STATUS", "SINCE", "UNTIL", "REASON")
    print_table(headings, rows, "Nothing is suppressed.")


def _read(text: str, reason: str, until: str) -> list[dict[str, Any]]:
    """The entries of a file."""
    if not text.lstrip().startswith("["):
        lines = (line.strip() for line in text.splitlines())
        return [
            {"address": line, "reason": reason, "expires": until}
            for line in lines
            if line and not line.startswith("#")
        ]
    import msgspec

    try:
        read = msgspec.json.decode(text, type=list[dict[str, str]])
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"--file: {error}") from error
    return [
        {**each, "reason": reason or each.get("reason", ""), "expires": until or each.get("expires", "")}
        for each in read
    ]
