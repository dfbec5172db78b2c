"""Contents streamed as they are and inside JSON."""

import asyncio
import json
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.graph.streaming import Embedded, json_reply, streamed


async def collected(chunks) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@settings(max_examples=25)
@given(st.lists(st.lists(st.binary(max_size=7), max_size=3), max_size=3), st.sampled_from([3, 70_000]))
def test_contents_stand_in_json_as_base64(contents, repeat):
    embedded = Embedded()
    parts = [[chunk * repeat for chunk in content] for content in contents]
    value = {
        "value": [
            {"bytes": embedded.text(lambda part=part: part, index % 3 == 2)}
            for index, part in enumerate(parts)
        ]
    }
    reply = json_reply(value, embedded)
    body = asyncio.run(collected(reply.body)) if embedded.contents else json.dumps(reply.body)
    assert [each["bytes"] for each in json.loads(body)["value"]] == [
        b64encode(b"".join(part)).decode() for part in parts
    ]


def test_a_reader_that_leaves_early_closes_what_was_open():
    closed = []

    def chunks():
        try:
            yield b"one"
            yield b"two"
        finally:
            closed.append(True)

    async def read_one() -> bytes:
        stream = await streamed(chunks)
        first = await anext(stream)
        await stream.aclose()
        return first

    assert asyncio.run(read_one()) == b"one"
    assert closed == [True]


def test_nothing_to_read_is_an_empty_stream():
    async def read() -> bytes:
        return await collected(await streamed(list))

    assert asyncio.run(read()) == b""


def test_what_cannot_be_read_fails_before_the_answer_begins():
    def chunks():
        raise OSError("gone")
        yield b""

    async def read() -> None:
        await streamed(chunks)

    with pytest.raises(OSError, match="gone"):
        asyncio.run(read())
