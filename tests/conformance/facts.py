"""The names of Graph's mail model: read from Graph's own document once, kept here without it.

`graph_v1.toml` and `graph_beta.toml` have for each type its properties, what it navigates to, and the actions and
functions that are bound to it or to a collection of it.  The first is written by `python -m tests.conformance.table`
when GRAPH_CSDL names Graph's document; the second, of what only beta has, by hand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, fromstring

HERE: Final = Path(__file__).parent
VERSIONS: Final = ("v1.0", "beta")
FILES: Final = {"v1.0": HERE / "graph_v1.toml", "beta": HERE / "graph_beta.toml"}
KINDS: Final = ("properties", "navigation", "actions", "functions")
_EDM: Final = "{http://docs.oasis-open.org/odata/ns/edm}"
_OWNER: Final = re.compile(r"(?:Collection\()?graph\.(\w+)\)?")
_HEADING: Final = """\
# What Microsoft Graph v1.0 has for mail, by type.  Written by `GRAPH_CSDL=FILE python -m tests.conformance.table`.
"""


@dataclass(frozen=True, slots=True)
class Name:
    """One thing that Graph has: `message.subject`, `message.send()`."""

    version: str
    type: str
    kind: str  # one of KINDS
    name: str

    @property
    def key(self) -> str:
        call = "()" if self.kind in ("actions", "functions") else ""
        return f"{self.type}.{self.name}{call}"


def load() -> list[Name]:
    """Everything that is in the two files, in their order."""
    return [
        Name(version, type_, kind, name)
        for version in VERSIONS
        for type_, kinds in tomllib.loads(FILES[version].read_text("utf-8")).items()
        for kind in KINDS
        for name in kinds.get(kind, ())
    ]


def schema_of(document: bytes) -> Element:
    """The schema in a metadata document; of Graph's, the one for mail is the first."""
    found = fromstring(document).find(f".//{_EDM}Schema")
    assert found is not None
    return found


def names_in(schema: Element) -> Iterator[tuple[str, str, str]]:
    """(type, kind, name) of everything that a schema describes; what is inherited is at the base."""
    for made in schema:
        if made.tag in (f"{_EDM}EntityType", f"{_EDM}ComplexType"):
            for member in made:
                if member.tag == f"{_EDM}Property":
                    yield made.attrib["Name"], "properties", member.attrib["Name"]
                elif member.tag == f"{_EDM}NavigationProperty":
                    yield made.attrib["Name"], "navigation", member.attrib["Name"]
        elif made.tag in (f"{_EDM}Action", f"{_EDM}Function"):
            kind = "actions" if made.tag == f"{_EDM}Action" else "functions"
            owner = _OWNER.fullmatch(made[0].attrib["Type"])
            if owner is not None:
                yield owner[1], kind, made.attrib["Name"]


def written(names: Iterable[tuple[str, str, str]]) -> str:
    """The names as TOML, by type; of types that are described themselves."""
    types: dict[str, dict[str, list[str]]] = {}
    for type_, kind, name in names:
        found = types.setdefault(type_, {}).setdefault(kind, [])
        if name not in found:
            found.append(name)
    parts = [_HEADING]
    for type_ in sorted(types):
        if not types[type_].keys() & {"properties", "navigation"}:
            continue  # something is bound to it, but it is no part of mail
        parts.append(f"[{type_}]")
        for kind in KINDS:
            if found := types[type_].get(kind):
                listed = "".join(f'    "{name}",\n' for name in sorted(found))
                parts.append(f"{kind} = [\n{listed}]")
        parts.append("")
    return "\n".join(parts)
