"""What has come of a message so far."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphpost.inbound.spool import PIECES, Spool

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("in_memory", [100_000, 1000])
async def test_a_message_that_came_octet_by_octet_is_read_in_few_pieces(
    tmp_path: Path, in_memory: int
) -> None:
    spool = Spool(tmp_path, in_memory)
    for n in range(5000):
        await spool.add(b"%c" % (97 + n % 26))
        assert len(spool._pieces) <= PIECES + 1
    await spool.complete()
    [content] = spool
    assert len(content) == spool.size == 5000
    spool.close()
