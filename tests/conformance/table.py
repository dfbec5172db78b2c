"""`docs/conformance.md`: what of Graph's mail model works here, row by row.

What exists is not claimed but looked up, in `$metadata` and the routes.  `claims.toml` says which test shows it, and of
what does not exist, why.  `python -m tests.conformance.table` writes the page; a test compares it.
"""

from __future__ import annotations

import ast
import os
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.conformance.facts import FILES, HERE, KINDS, VERSIONS, Name, load, names_in, schema_of, written

from graphpost.graph.metadata import write_metadata
from graphpost.graph.routes import ROUTES, bound_operations

ROOT: Final = HERE.parents[1]
PAGE: Final = ROOT / "docs" / "conformance.md"
_KIND: Final = {"properties": "", "navigation": "→ ", "actions": "", "functions": ""}
_HEADING: Final = """\
# What of Microsoft Graph's mail works here

Written by `python -m tests.conformance.table` from the routes and property tables; do not edit. A row is a property, a relation (→), an
action or a function of Graph's model. It *works* when it is in `$metadata` and a test shows it, which is named once for a type
and beside a row that has its own; else it says why not. What differs from Graph where something works is in [quirks](quirks.md).
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A name of Graph's, and what is to be said of it."""

    name: Name
    works: bool
    said: str  # the test, or the reason; '' when nothing is said


@cache
def claims() -> Mapping[str, Mapping[str, str]]:
    """What people say, by row or type: `shown` is the test, `beside` the test of what `$metadata` does not describe,
    `absent` why there is none, `unfinished` what is described and does not work; `groups` is what is not mail.
    """
    found: dict[str, Any] = tomllib.loads((HERE / "claims.toml").read_text("utf-8"))
    return found


@cache
def existing(version: str) -> frozenset[tuple[str, str, str]]:
    """(type, kind, name) of everything that this server describes."""
    document = write_metadata(version == "beta", bound_operations(ROUTES, version))
    return frozenset(names_in(schema_of(document)))


def rows() -> list[Row]:
    """Every row of the page."""
    return [_row(name) for name in load()]


def _row(name: Name) -> Row:
    said = claims()
    beside = said["beside"].get(name.key) or said["beside"].get(name.type, "")
    if name.key in said["unfinished"]:
        return Row(name, False, said["unfinished"][name.key])
    if (name.type, name.kind, name.name) in existing(name.version):
        return Row(name, True, said["shown"].get(name.key) or said["shown"].get(name.type, ""))
    if beside and name.key not in said["absent"] and _is_test(beside):
        return Row(name, True, beside)
    return Row(name, False, said["absent"].get(name.key) or said["absent"].get(name.type, ""))


def page(found: Iterable[Row]) -> str:
    """The page as text."""
    listed = list(found)
    count = Counter((row.name.version, row.works) for row in listed)
    parts = [_HEADING]
    for version in VERSIONS:
        works, absent = count[version, True], count[version, False]
        title = "v1.0" if version == "v1.0" else "beta, beyond v1.0"
        parts.append(f"## {title}: {works} of {works + absent} rows work\n")
        types: dict[str, list[Row]] = {}
        for row in listed:
            if row.name.version == version:
                types.setdefault(row.name.type, []).append(row)
        parts += [_section(type_, members) for type_, members in types.items()]
    parts.append("## What is not mail\n")
    parts += [f"- **{group}**: {reason}" for group, reason in claims()["groups"].items()]
    parts.append("\n## Requests\n")
    parts.append(
        "`U` is `/me` or `/users/{user}`, `F` a mail folder at any depth, `M` a message below either.\n"
    )
    parts += ["| request | versions | permission, least first |", "|---|---|---|", *_requests()]
    return "\n".join(parts) + "\n"


def _section(type_: str, members: list[Row]) -> str:
    usual = claims()["shown"].get(type_) or claims()["beside"].get(type_, "")
    lines = [f"### {type_}\n"]
    if usual and any(row.works and row.said == usual for row in members):
        lines.append(f"Shown by `{usual}`, but for rows with a test of their own.\n")
    reasons = {row.said for row in members}
    if not any(row.works for row in members) and len(reasons) == 1:
        names = ", ".join(f"`{_shown(row.name)}`" for row in members)
        return "\n".join([*lines, f"No: {reasons.pop()} That is: {names}.\n"])
    lines += ["| | | |", "|---|---|---|"]
    for kind in KINDS:
        for row in members:
            if row.name.kind == kind:
                said = "" if row.said == usual else f"`{row.said}`" if row.works else row.said
                lines.append(f"| `{_shown(row.name)}` | {'works' if row.works else 'no'} | {said} |")
    return "\n".join([*lines, ""])


def _shown(name: Name) -> str:
    return _KIND[name.kind] + name.key.partition(".")[2]


def _requests() -> list[str]:
    found = []
    for route in ROUTES:
        names = route.permission.delegated if route.permission else ()
        needs = ", ".join(
            dict.fromkeys((*names, *(route.permission.application if route.permission else ())))
        )
        versions = ", ".join(route.versions)
        anybody = "none: open to everybody" if route.is_open else "that of its parts"
        found.append(f"| `{route.method} {route.template}` | {versions} | {needs or anybody} |")
    return found


def unsaid(found: Iterable[Row]) -> list[str]:
    """The rows of which nothing is said."""
    return [row.name.key for row in found if not row.said]


def lost(found: Iterable[Row]) -> list[str]:
    """The tests that are named and are not there."""
    return sorted({row.said for row in found if row.works and row.said and not _is_test(row.said)})


def _is_test(name: str) -> bool:
    file, _, function = name.partition("::")
    return function in _functions(ROOT / file)


@cache
def _functions(file: Path) -> frozenset[str]:
    if not file.is_file():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def main() -> int:
    """Write the names, when GRAPH_CSDL names Graph's document, and the page; complain of what is not said."""
    if document := os.environ.get("GRAPH_CSDL"):
        schema = schema_of(Path(document).read_bytes())
        FILES["v1.0"].write_text(written(names_in(schema)), "utf-8")
    found = rows()
    PAGE.write_text(page(found), "utf-8")
    for key in unsaid(found):
        print(f"{key}: neither a test nor a reason", file=sys.stderr)
    for test in lost(found):
        print(f"{test}: there is no such test", file=sys.stderr)
    return 1 if unsaid(found) or lost(found) else 0


if __name__ == "__main__":
    sys.exit(main())
