"""Golden files: pairs of a JSON and an EML file; `GOLDEN_WRITE=1` writes the expected side anew, to be reviewed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from graphpost.mail.message import ContentRef, Message

GOLDEN = Path(__file__).parent.parent / "golden"


class Written(msgspec.Struct, omit_defaults=True):
    """What is composed.  `contents` are Latin-1 texts by content id."""

    message: Message
    contents: dict[int, str] = {}
    for_wire: bool = True


def cases(folder: str, suffix: str) -> list[Path]:
    return sorted((GOLDEN / folder).glob(f"*{suffix}"))


def check(actual: bytes, expected: Path) -> None:
    """Byte for byte."""
    if os.environ.get("GOLDEN_WRITE"):
        expected.write_bytes(actual)
    assert actual == expected.read_bytes()


def opener(contents: dict[int, bytes]) -> Callable[[ContentRef], Iterator[bytes]]:
    """Gives contents in small chunks, so that seams are tried too."""

    def open_(ref: ContentRef) -> Iterator[bytes]:
        data = contents[ref.content_id]
        data = data[ref.offset :] if ref.length < 0 else data[ref.offset : ref.offset + ref.length]
        for start in range(0, len(data), 7):
            yield data[start : start + 7]

    return open_


def to_json(message: Message) -> bytes:
    return msgspec.json.format(msgspec.json.encode(message), indent=2) + b"\n"
