"""What is composed and what is parsed, byte for byte, in files that people read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.mail.golden import Written, cases, check, opener, to_json

from graphpost.mail.compose import compose
from graphpost.mail.encoding import canonical, decode
from graphpost.mail.parse import parse


@pytest.mark.parametrize("path", cases("compose", ".json"), ids=lambda path: path.stem)
def test_a_message_is_composed_as_written_down(path: Path) -> None:
    written = msgspec.json.decode(path.read_bytes(), type=Written)
    contents = {number: text.encode("latin-1") for number, text in written.contents.items()}
    composed = compose(written.message, opener(contents), for_wire=written.for_wire)
    data = b"".join(composed)
    assert len(data) == composed.size
    assert composed.is_8bit == (not data.isascii())
    assert canonical(data) == data
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    check(data, path.with_suffix(".eml"))


@pytest.mark.parametrize("path", cases("parse", ".eml"), ids=lambda path: path.stem)
def test_a_message_is_parsed_as_written_down(path: Path) -> None:
    data = path.read_bytes()
    message = parse(data)
    check(to_json(message), path.with_suffix(".json"))
    for attachment in message.attachments:
        ref = attachment.content
        assert ref is not None
        stored = data[ref.offset : ref.offset + ref.length]
        assert sum(map(len, decode([stored], ref.encoding))) == attachment.size
