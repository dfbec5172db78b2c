"""The index of words on both databases: as a dictionary of sets says."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.made import item

from graphpost.store.mailbox import messages
from graphpost.store.search import words
from graphpost.store.search.words import BLOCK, HIGHEST, pack, unpack
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio

IDS = st.lists(st.integers(1, HIGHEST), min_size=1, max_size=50, unique=True).map(sorted)
WORDS = ("sa", "sab", "y日", "yx")
BATCHES = st.lists(
    st.dictionaries(
        st.sampled_from(WORDS), st.lists(st.integers(1, 40), min_size=1, unique=True).map(sorted), min_size=1
    ),
    max_size=6,
)


@given(IDS)
def test_a_block_is_its_ids_again(ids: list[int]) -> None:
    assert unpack(ids[0], pack(ids)) == ids


def test_regular_ids_take_little_room() -> None:
    ids = [(1_790_000_000_000_000 + number * 60_000_000) << 12 | 7 for number in range(BLOCK)]
    assert len(pack(ids)) < 2 * BLOCK


def walked(tx: Tx, word: str) -> list[int]:
    """The word's ids from the highest down, block by block."""
    found: list[int] = []
    at_most = HIGHEST
    while block := words.block_below(tx, 7, word, at_most):
        assert block == sorted(block)
        assert block[-1] <= at_most
        found = [*block, *found]
        at_most = block[0] - 1
    return found


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(batches=BATCHES, alive=st.sets(st.integers(1, 40)))
async def test_words_have_what_they_were_given(
    store: Store, monkeypatch: pytest.MonkeyPatch, batches: list[dict[str, list[int]]], alive: set[int]
) -> None:
    monkeypatch.setattr(words, "BLOCK", 3)
    model: dict[str, set[int]] = {}

    def fill(tx: Tx) -> None:
        for table in ("messages", "words"):
            tx.execute(f"DELETE FROM {table} WHERE mailbox_id = ?", (7,))
        words.add(tx, 8, {"sa": [1, 2, 3, 4]})  # somebody else's
        for number in sorted(alive):
            messages.add(tx, item(number))

    await store.write(fill)
    for batch in batches:
        await store.write(lambda tx, batch=batch: words.add(tx, 7, batch))
        for word, ids in batch.items():
            model.setdefault(word, set()).update(ids)
        for word in WORDS:
            assert await store.read(lambda tx, word=word: walked(tx, word)) == sorted(model.get(word, ()))
    begin = await store.read(lambda tx: words.beginning_with(tx, 7, "s", 10))
    assert begin == [word for word in WORDS[:2] if word in model]
    place: words.Place | None = words.BEGINNING
    while place is not None:
        dead, place = await store.read(lambda tx, place=place: words.dead(tx, 7, place, 2))
        await store.write(lambda tx, dead=dead: words.remove(tx, 7, dead))
    for word in WORDS:
        expected = sorted(model.get(word, set()) & alive)
        assert await store.read(lambda tx, word=word: walked(tx, word)) == expected
