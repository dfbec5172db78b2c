"""Very large texts are converted one at a time, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from graphpost.graph.converting import HUGE, converted

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_what_is_somewhat_large_and_files_do_not_wait_for_what_is_very_large() -> None:
    goes_on = threading.Event()
    running: list[int] = []

    def convert() -> int:
        running.append(1)
        assert goes_on.wait(30)
        return running.pop()

    large = [asyncio.create_task(converted(convert, HUGE + 1)) for _ in range(50)]
    try:
        assert await asyncio.wait_for(converted(lambda: "small", HUGE), 30) == "small"
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "file"), 30) == "file"
        assert len(running) <= 1
    finally:
        goes_on.set()
    assert await asyncio.gather(*large) == [1] * 50
