"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click


def print_json(value: object) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Columns as wide as their longest cell; `empty` is said instead of a table without rows."""
    texts = [[one_line(str(cell)) for cell in row] for row in rows]
    if not texts:
        click.echo(empty)
        return
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    for row in [list(headings), *texts]:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def size_text(size: int) -> str:
    """Bytes for people: three digits or so."""
    amount, units = float(size), ["", "K", "M", "G", "T"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.0f}{units[0]}" if amount >= 10 or units[0] == "" else f"{amount:.1f}{units[0]}"


def counted(number: int, one: str, many: str) -> str:
    """`1 delivery`, `2 deliveries`."""
    return f"{number} {one if number == 1 else many}"


def one_line(text: str) -> str:
    """Text of others, safe for a terminal: nothing in it moves the cursor or starts a line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def state_text(recipient: dict[str, Any]) -> str:
    """How far a message is, and what a report from elsewhere said since."""
    told = recipient.get("reported")
    return f"{recipient['state']}, {told['state']}" if told else str(recipient["state"])


def next_text(delivery: dict[str, Any]) -> str:
    """When it is attempted next; of one that is under way `due` is when its server would be taken to have died."""
    return "now" if delivery["under_way"] else str(delivery["due"])


def reply_text(recipient: dict[str, Any]) -> str:
    """What the other side said about a recipient, in a line; '' when nothing."""
    reply = recipient.get("reply")
    if not reply:
        return ""
    words = [str(reply["code"]) if reply["code"] else "", reply["status"], reply["text"]]
    text = " ".join(word for word in words if word)
    return one_line(f"{text} ({reply['host']})" if reply["host"] else text)
