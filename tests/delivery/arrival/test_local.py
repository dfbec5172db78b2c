"""Mail to mailboxes here, however large it is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from tests.delivery.post import ADELE, ALEX, Office

from graphpost.delivery import filing
from graphpost.delivery.arrival.local import IN_MEMORY
from graphpost.transport.courier import Delivered, Envelope

pytestmark = pytest.mark.anyio

HEADER = b"From: adele@contoso.test\r\nSubject: Large\r\nContent-Type: application/octet-stream\r\n\r\n"
LINE = b"x" * 998 + b"\r\n"


class Made:
    """Data that is nowhere as a whole."""

    is_8bit = False

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self.size = len(HEADER) + lines * len(LINE)

    def __iter__(self) -> Iterator[bytes]:
        yield HEADER
        for _ in range(self._lines):
            yield LINE


@pytest.mark.parametrize("lines", [10, 2000, 16_000])
async def test_a_large_message_is_never_in_memory_as_a_whole(office: Office, lines: int) -> None:
    data = Made(lines)
    envelope = Envelope(ADELE.address, (ALEX.address, ADELE.address), data)
    tracemalloc.start()
    try:
        outcomes, filings = await office.attempts._local.deliver(envelope, office.clock.now())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(map(type, outcomes)) == [Delivered, Delivered]
    assert peak < 3 * IN_MEMORY
    await office.store.write(lambda tx: [filing.add(tx, one) for one in filings])
    for box in (ALEX, ADELE):
        [item] = await office.inbox(box)
        assert (item.message.subject, item.size) == ("Large", data.size)
        assert await office.bytes_of(item) == b"".join(data)
