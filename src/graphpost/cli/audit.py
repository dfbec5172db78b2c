"""`graphpost audit`: who sent and changed what, from where, by which right."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphpost.cli.options import json_option, with_config
from graphpost.cli.output import print_json, print_table
from graphpost.errors import GraphpostError

if TYPE_CHECKING:
    from graphpost.config import Config

_AT_ONCE = 1000


@click.command()
@with_config
@click.option(
    "--message", default="", metavar="ID", help="Only about this message: the queue's id or Graph's."
)
@click.option("--mailbox", default="", metavar="ADDRESS", help="Only in this mailbox.")
@click.option("--application", default="", metavar="ID", help="Only by this application.")
@click.option("--user", default="", metavar="ADDRESS", help="Only by this person.")
@click.option("--recipient", default="", metavar="ADDRESS", help="Only what was sent to this address.")
@click.option("--remote", default="", metavar="IP", help="Only from this address.")
@click.option("--action", default="", metavar="TEXT", help="Only routes with this in them, such as sendMail.")
@click.option("--since", default="", metavar="TIME", help="Only from then on (ISO 8601).")
@click.option("--until", default="", metavar="TIME", help="Only before then.")
@click.option("--failed", is_flag=True, help="Only what was refused.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@click.option(
    "--export",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all of it to a file, as JSON lines.",
)
@json_option
def command(config: Config, limit: int, export: Path | None, as_json: bool, **wanted: Any) -> None:
    """Look up who sent and changed what, from where, by which right.

    The newest is first.
    """
    if export is not None:
        _export(config, wanted, export)
        return
    records = _records(config, wanted, limit)
    found = list(islice(records, limit))
    _warn(sum(map(_is_unreadable, found)))
    if as_json:
        print_json(found)
    else:
        print_table(
            ["TIME", "WHO", "FROM", "ACTION", "MAILBOX", "MESSAGE", "RIGHT", "OUTCOME"],
            map(_row, found),
            "Nothing like that is recorded.",
        )
        if next(records, None) is not None:
            click.echo(f"There are more than {limit}; --limit says how many are listed.")


def _records(config: Config, wanted: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    from graphpost.cli.reaching import perform

    before = ""
    while True:
        page = perform(config, "search_audit", **wanted, before=before, limit=min(limit, _AT_ONCE))
        yield from page["records"]
        before = page.get("next", "")
        if not before:
            return


def _export(config: Config, wanted: dict[str, Any], file: Path) -> None:
    """One line a record, the newest first; the file is for its owner alone, and must not be there yet."""
    import msgspec

    count = unreadable = 0
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise GraphpostError(f"{file}: {error.strerror}") from error
    try:
        with open(descriptor, "wb") as out:
            for record in _records(config, wanted, _AT_ONCE):
                out.write(msgspec.json.encode(record) + b"\n")
                count += 1
                unreadable += _is_unreadable(record)
                if count % _AT_ONCE == 0 and sys.stderr.isatty():
                    click.echo(f"\r{count} records", nl=False, err=True)
    except BaseException:
        file.unlink()  # half of it is not all of it
        raise
    _warn(unreadable)
    click.echo(f"{count} records in {file}")


def _is_unreadable(record: dict[str, Any]) -> bool:
    return bool(record["kind"] == "unreadable")


def _warn(unreadable: int) -> None:
    if unreadable:
        click.echo(f"{unreadable} records cannot be read; their times and ids alone are known", err=True)


def _row(record: dict[str, Any]) -> list[str]:
    who = " by ".join(filter(None, (record.get("user") or record.get("objectId"), record.get("application"))))
    outcome = f"{record.get('status', '')} {record.get('code', '')}".strip()
    right = " ".join(filter(None, (record.get("permission"), record.get("right"))))
    return [
        record["time"],
        who or record["kind"],
        record.get("remote", ""),
        record.get("action", ""),
        record.get("mailbox", ""),
        record.get("message", ""),
        right,
        outcome,
    ]
