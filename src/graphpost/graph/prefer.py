"""What a `Prefer` header asks for (RFC 7240), and what is answered to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graphpost.graph.bodies.zones import is_time_zone
from graphpost.mail.message import BodyKind

_PREFERENCE: Final = re.compile(r'([\w.\-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]+)))?', re.ASCII)


@dataclass(frozen=True, slots=True)
class Preferences:
    """`body_kind` '' and `page_size` 0 mean: nothing asked."""

    immutable_ids: bool = False
    body_kind: BodyKind | str = ""
    page_size: int = 0
    unsafe_html: bool = False
    time_zone: str = ""  # as it is spelt; '' also when there is no such zone

    def page_applied(self, top: int | None) -> dict[str, str]:
        """The header that says what was done; for pages whose size `$top` may have said instead."""
        used = self.page_size and not top
        return {"Preference-Applied": f"odata.maxpagesize={self.page_size}"} if used else {}

    def applied(self) -> dict[str, str]:
        """The header that says what was done; for replies that hold messages."""
        done = [f'outlook.body-content-type="{self.body_kind}"'] if self.body_kind else []
        if self.unsafe_html:
            done.append("outlook.allow-unsafe-html")
        if self.time_zone:
            done.append(f'outlook.timezone="{self.time_zone}"')
        if self.immutable_ids:
            done.append('IdType="ImmutableId"')
        return {"Preference-Applied": ", ".join(done)} if done else {}


_NOTHING: Final = Preferences()


def read_preferences(headers: Mapping[str, str]) -> Preferences:
    """The preferences among lower-case headers; what is not understood is ignored, as the RFC wants."""
    text = headers.get("prefer")
    if not text:
        return _NOTHING
    found = {name.lower(): (quoted or bare).lower() for name, quoted, bare in _PREFERENCE.findall(text)}
    kind = found.get("outlook.body-content-type", "")
    size = found.get("odata.maxpagesize", "")
    zone = time_zone_asked(headers) if "outlook.timezone" in found else ""
    return Preferences(
        immutable_ids=found.get("idtype") == "immutableid",
        body_kind=kind if kind in ("text", "html") else "",
        page_size=min(int(size), 1000) if size.isascii() and size.isdigit() and len(size) < 9 else 0,
        unsafe_html=found.get("outlook.allow-unsafe-html", "false") != "false",
        time_zone=zone if zone and is_time_zone(zone) else "",
    )


def time_zone_asked(headers: Mapping[str, str]) -> str:
    """The zone named by `outlook.timezone`, as it is spelt; '' when none is."""
    for name, quoted, bare in _PREFERENCE.findall(headers.get("prefer", "")):
        if name.lower() == "outlook.timezone":
            return str(quoted or bare)
    return ""


def wants_representation(headers: Mapping[str, str]) -> bool:
    """Whether the client asks for the entity where the answer would be empty (`return=representation`)."""
    return _wants(headers, "representation")


def wants_minimal(headers: Mapping[str, str]) -> bool:
    """Whether the client asks for an empty answer where there would be the entity (`return=minimal`)."""
    return _wants(headers, "minimal")


def _wants(headers: Mapping[str, str], word: str) -> bool:
    return any(
        name.lower() == "return" and (quoted or bare).lower() == word
        for name, quoted, bare in _PREFERENCE.findall(headers.get("prefer", ""))
    )
