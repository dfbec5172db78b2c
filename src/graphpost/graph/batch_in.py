"""A `$batch` body as its parts: what each asks for, in which order, and where.

What is wrong with the batch as such (its shape, ids, dependencies) is raised by `read_batch` and refuses all of it; what is
wrong with one part (its address, its body) is raised by `locate` and `part_body` and is that part's answer.  The bodies of
the parts are not looked into here: each is the very bytes the client wrote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from graphpost.errors import BadRequest
from graphpost.graph.bodies.payload import read_base64
from graphpost.graph.bodies.values import clip

MAX_PARTS: Final = 20

_SHAPE: Final = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."
_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_VERSIONS: Final = ("v1.0", "beta")
_ABSOLUTE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_PORTS: Final = {"http": "80", "https": "443"}
_object: Final = msgspec.json.Decoder(dict[str, Raw])
_objects: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_string: Final = msgspec.json.Decoder(str)
_strings: Final = msgspec.json.Decoder(list[str] | None)
_headers: Final = msgspec.json.Decoder(dict[str, str] | None)


class Part(Struct, frozen=True):
    """One request of a batch.  `method` is in capitals, `headers` have lower-case names."""

    part_id: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes  # JSON as it was written; b'' when there is none
    depends_on: tuple[str, ...]


def read_batch(body: bytes) -> list[Part]:
    """The parts, each after those it depends on; BadRequest when they are no batch."""
    try:
        whole = _folded(_object.decode(body.removeprefix(_BOM)))
        rows = _objects.decode(whole.get("requests", b"null"))
    except (ValueError, RecursionError) as error:
        raise BadRequest(_SHAPE) from error
    if not rows:
        raise BadRequest("The batch has no requests.")
    if len(rows) > MAX_PARTS:
        raise BadRequest(
            f"Number of batch request steps exceeds the maximum value of {MAX_PARTS}.", "MaximumValueExceeded"
        )
    return _in_order([_read_part(_folded(row)) for row in rows])


def _folded(row: Mapping[str, Raw]) -> dict[str, Raw]:
    return {name.lower(): value for name, value in row.items()}


def _read_part(row: Mapping[str, Raw]) -> Part:
    part_id = _member(_string, row, "id")
    if not part_id:
        raise BadRequest("A request of the batch has no id.")
    if _written(row, "atomicitygroup") not in (b"", b"null"):
        raise BadRequest("Atomicity groups are not supported in a batch.")
    body = _written(row, "body")
    return Part(
        part_id=part_id,
        method=_member(_string, row, "method").upper(),
        url=_member(_string, row, "url"),
        headers={name.lower(): value for name, value in (_member(_headers, row, "headers") or {}).items()},
        body=b"" if body == b"null" else body,
        depends_on=tuple(_member(_strings, row, "dependsOn") or ()),
    )


def _written(row: Mapping[str, Raw], name: str) -> bytes:
    return bytes(row[name]).strip(_SPACE) if name in row else b""


def _member(decoder: msgspec.json.Decoder[Any], row: Mapping[str, Raw], name: str) -> Any:
    found = row.get(name.lower())
    try:
        if found is not None:
            return decoder.decode(found)
        if decoder is not _string:
            return None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The member '{name}' of a request of the batch cannot be read.") from error
    raise BadRequest(f"A request of the batch has no {name}.")


def _in_order(parts: list[Part]) -> list[Part]:
    by_id = {part.part_id: part for part in parts}
    if len(by_id) < len(parts):
        raise BadRequest("Each request of the batch must have an id of its own.")
    for part in parts:
        for needed in part.depends_on:
            if needed not in by_id:
                raise BadRequest(
                    f"Request '{clip(part.part_id)}' depends on '{clip(needed)}', which is not in the batch."
                )
    try:
        order = TopologicalSorter({part.part_id: part.depends_on for part in parts}).static_order()
        return [by_id[part_id] for part_id in order]
    except CycleError as error:
        raise BadRequest("The requests of the batch depend on each other in a circle.") from error


def locate(url: str, base: str) -> tuple[str, str]:
    """The path (with its version) and the query that a part's address means below the base, both percent-encoded.

    The address is relative to the version, to the host (with the version), or absolute on the host of the base.
    """
    origin, _, root = base.rpartition("/")
    text = quote(url, safe=_PRINTABLE)
    absolute = _ABSOLUTE.fullmatch(text.partition("?")[0])
    if absolute:
        if absolute[1].lower() not in _PORTS or _authority(absolute) != _authority_of(origin):
            raise BadRequest(f"The request's address '{clip(url)}' is not on this host.")
        text = absolute[3] + text[absolute.end() :]
    path, _, query = text.partition("?")
    path = path if path.startswith("/") else f"/{path}"
    version, slash, rest = path[1:].partition("/")
    if version.lower() not in _VERSIONS:
        if absolute:
            raise BadRequest(f"Invalid version: '{clip(version)}'.")
        return f"/{root}{path}", query
    if version.lower() != root.lower():
        raise BadRequest(f"The request's address '{clip(url)}' is of another version than the batch.")
    return f"/{root}{slash}{rest}", query


def _authority_of(origin: str) -> tuple[str, str]:
    match = _ABSOLUTE.fullmatch(origin)
    return _authority(match) if match else ("", "")


def _authority(match: re.Match[str]) -> tuple[str, str]:
    """Host and port.  The scheme is of no account: a proxy before us may have another one than the client."""
    host, colon, port = match[2].lower().rpartition(":")
    if not colon or not port.isdigit():
        host, port = match[2].lower(), _PORTS.get(match[1].lower(), "")
    return host, port


def part_body(part: Part) -> tuple[bytes, Mapping[str, str]]:
    """The part's body as it would come alone, and its headers.

    JSON stands in the batch as itself, MIME as the base64 text that sendMail takes, anything else as base64.
    """
    kind = part.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not part.body.startswith(b'"'):
        if part.body and kind not in ("", "application/json"):
            raise BadRequest(f"A body of the type '{clip(kind)}' must be a base64 string in a batch.")
        implied = {"content-type": "application/json"} if part.body and not kind else {}
        return part.body, {**part.headers, **implied}
    try:
        text = _string.decode(part.body)
    except ValueError as error:
        raise BadRequest(_SHAPE) from error
    if kind in ("", "text/plain"):
        return text.encode(), part.headers
    data = read_base64(text)
    if kind == "application/json" and not (data and data.lstrip(_SPACE).startswith(b"{")):
        return part.body, part.headers
    if data is None:
        raise BadRequest(f"A body of the type '{clip(kind)}' must be a base64 string in a batch.")
    return data, part.headers
