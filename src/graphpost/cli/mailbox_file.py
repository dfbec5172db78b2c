"""`graphpost mailbox import` and `export`: lines of a CSV file (RFC 4180).

The first line names the columns, in any order.  Several aliases, or groups, are separated by semicolons.  A name is
anybody's text, so what a spreadsheet would calculate is marked as text.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from graphpost.cli.options import json_option, read_quota, with_config
from graphpost.cli.output import one_line, print_json
from graphpost.errors import ConfigurationError, GraphpostError

if TYPE_CHECKING:
    from graphpost.config import Config

COLUMNS: Final = (
    "address",
    "name",
    "aliases",
    "kind",
    "groups",
    "quota",
    "enabled",
    "password",
    "password_hash",
)
_LISTS: Final = frozenset({"aliases", "groups"})
WITH_PASSWORDS: Final = 50  # lines at once: each takes a tenth of a second
_MOST_SHOWN: Final = 100  # problems
_ENABLED: Final = {"yes": True, "no": False}
_FORMULA: Final = re.compile(r"'*[=+\-@]")  # what a spreadsheet would calculate, or what is marked as none
Problem = tuple[int, str]


@click.command("import")
@click.argument("source", metavar="FILE", type=click.File(encoding="utf-8-sig", errors="strict", lazy=False))
@with_config
@click.option("--dry-run", is_flag=True, help="Only say whether it could be done.")
@json_option
def import_(config: Config, source: TextIO, dry_run: bool, as_json: bool) -> None:
    """Add and change mailboxes as a CSV file says.

    Columns: address, name, aliases, kind, groups, quota, enabled, password, password_hash.  Aliases and groups are separated
    by semicolons, and a column with them has all of them; other empty cells, and columns that are not there, change nothing.  All lines
    are checked before anything is done.  Importing a file again changes nothing.
    """
    from graphpost.admin.importing import AT_ONCE
    from graphpost.cli.reaching import perform

    try:
        lines, problems = read_lines(source.read())
    except (UnicodeDecodeError, ValueError) as error:
        raise GraphpostError(f"{source.name} is not UTF-8 text") from error
    most = WITH_PASSWORDS if any("password" in line for line in lines) else AT_ONCE
    portions = [lines[start : start + most] for start in range(0, len(lines), most)]

    def check(portion: list[dict[str, Any]]) -> None:
        found = perform(config, "check_mailboxes", lines=portion)["problems"]
        problems.extend((each["line"], each["problem"]) for each in found)

    counts = {"added": 0, "changed": 0, "unchanged": 0}

    def do(portion: list[dict[str, Any]]) -> None:
        for key, count in perform(config, "import_mailboxes", lines=portion).items():
            counts[key] += count

    _each("Checking", portions, check)
    _refuse(source.name, problems)
    if not dry_run:
        _each("Importing", portions, do)
    if as_json:
        print_json({"lines": len(lines), **counts})
    elif dry_run:
        click.echo(f"{len(lines)} lines can be imported.")
    else:
        click.echo(
            f"{counts['added']} added, {counts['changed']} changed, {counts['unchanged']} as they were."
        )


@click.command("export")
@with_config
@click.option("--hashes", is_flag=True, help="With the hashes of passwords: keep the file to yourself.")
def export(config: Config, hashes: bool) -> None:
    """Print every mailbox as a line of CSV that `import` takes.

    What a spreadsheet would calculate (=, +, - or @ at the beginning) has a ' in front, which `import` takes off.
    """
    from graphpost.cli.reaching import perform

    for text in write_lines(perform(config, "export_mailboxes", hashes=hashes), hashes=hashes):
        click.echo(text, nl=False)


def read_lines(text: str) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The lines of a file as `admin.importing.Line` has them, and what is wrong with others, by their numbers."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[dict[str, Any]] = []
    problems: list[Problem] = []
    columns: list[str] = []
    seen: dict[str, int] = {}
    number = 1
    try:
        for row in reader:
            here, number = number, reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if not columns:
                columns = _columns(row)
                continue
            try:
                lines.append(_line(here, columns, row, seen))
            except ValueError as error:
                problems.append((here, str(error)))
    except (csv.Error, ConfigurationError) as error:
        problems.append((max(number, 1), str(error)))
    if not columns and not problems:
        problems.append((1, "there is no line that names the columns"))
    return lines, problems


def write_lines(boxes: Sequence[dict[str, Any]], *, hashes: bool) -> Iterator[str]:
    """The lines of a file, the one that names the columns first."""
    columns = [name for name in COLUMNS if name != "password" and (hashes or name != "password_hash")]
    for row in (columns, *(_cells(box, columns) for box in boxes)):
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerow(row)
        yield buffer.getvalue()


def _cells(box: dict[str, Any], columns: Sequence[str]) -> list[str]:
    quota = {-1: "usual", 0: "none"}.get(box["quota_bytes"], str(box["quota_bytes"]))
    values = {**box, "quota": quota, "enabled": "yes" if box["enabled"] else "no"}
    texts = [";".join(values[name]) if name in _LISTS else values[name] for name in columns]
    return [f"'{text}" if _FORMULA.match(text) else text for text in texts]


def _columns(row: Sequence[str]) -> list[str]:
    names = [cell.strip().casefold() for cell in row]
    if unknown := [name for name in names if name not in COLUMNS]:
        raise ConfigurationError("columns", f"{unknown[0]!r} is none of {', '.join(COLUMNS)}")
    if len(set(names)) != len(names) or "address" not in names:
        raise ConfigurationError("columns", "each once, and `address` is needed")
    return names


def _line(here: int, columns: Sequence[str], row: Sequence[str], seen: dict[str, int]) -> dict[str, Any]:
    """Raises ValueError, with what is wrong."""
    if len(row) != len(columns):
        raise ValueError(f"has {len(row)} cells, and there are {len(columns)} columns")
    line: dict[str, Any] = {"line": here}
    for name, cell in zip(columns, row, strict=True):
        text = cell if name == "password" else _without_mark(cell.strip())
        if name in _LISTS:
            line[name] = tuple(part.strip() for part in text.split(";") if part.strip())
        elif text:
            line |= _value(name, text)
    for address in dict.fromkeys(
        each.casefold() for each in (line.get("address", ""), *line.get("aliases", ()))
    ):
        if not address:
            raise ValueError("has no address")
        if (other := seen.setdefault(address, here)) != here:
            raise ValueError(f"{address} stands in line {other} too")
    return line


def _without_mark(text: str) -> str:
    """A cell as it was before `export` marked it as text."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _value(name: str, text: str) -> dict[str, Any]:
    if name == "quota":
        try:
            return {"quota_bytes": read_quota(text)}
        except ValueError as error:
            raise ValueError(f"quota: {error}") from error
    if name == "enabled":
        if text.casefold() not in _ENABLED:
            raise ValueError(f"enabled: {text!r} is neither yes nor no")
        return {"enabled": _ENABLED[text.casefold()]}
    if name == "kind" and text not in ("person", "shared"):
        raise ValueError(f"kind: {text!r} is neither person nor shared")
    return {name: text}


def _each(
    label: str, portions: list[list[dict[str, Any]]], do: Callable[[list[dict[str, Any]]], None]
) -> None:
    """Do it with each; on a terminal, with a bar that shows how far it is."""
    if not sys.stderr.isatty():
        for portion in portions:
            do(portion)
        return
    with click.progressbar(length=sum(map(len, portions)), label=label, file=sys.stderr) as bar:
        for portion in portions:
            do(portion)
            bar.update(len(portion))


def _refuse(name: str, problems: list[Problem]) -> None:
    """Say everything that is wrong, by line; raises when something is."""
    if not problems:
        return
    for line, problem in sorted(problems)[:_MOST_SHOWN]:
        click.echo(f"{name}:{line}: {one_line(problem)}", err=True)
    count = len(problems)
    raise GraphpostError(f"{count} problem{'s' if count > 1 else ''}; nothing was changed")
