"""Reads the recorded requests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Recorded:
    """One recorded request; `facts` are the lines that begin with @."""

    name: str
    facts: dict[str, str]
    method: str
    path: str
    headers: dict[str, str]  # lower-case names
    body: bytes
    wire: bytes  # the request as printed, all of it


def recorded() -> list[Recorded]:
    return [_read(path) for path in sorted(Path(__file__).parent.glob("*.http"))]


def _read(path: Path) -> Recorded:
    rest = path.read_bytes()
    facts: dict[str, str] = {}
    while rest.startswith(b"@ "):
        line, _, rest = rest.partition(b"\n")
        name, _, value = line[2:].decode().partition(": ")
        facts[name] = value
    head, _, body = rest.partition(b"\n\n")
    request_line, *fields = head.decode().splitlines()
    method, url = request_line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Recorded(path.stem, facts, method, urlsplit(url).path, headers, body, rest)
