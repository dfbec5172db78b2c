"""The suppression list as it is kept: entries, who said them, when they end, and its revision."""

from __future__ import annotations

import pytest

from graphpost.store.queue import suppressions
from graphpost.store.queue.suppressions import Suppression, entry_of
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio


async def put(store: Store, *some: Suppression) -> None:
    await store.write(lambda tx: suppressions.put(tx, some))


async def entries(store: Store) -> dict[str, int]:
    return await store.read(suppressions.load)


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("Fanny@Contoso.TEST", "fanny@contoso.test"),
        ("@Contoso.test", "@contoso.test"),
        ("fanny@b\u00fccher.test", "fanny@xn--bcher-kva.test"),
        ("GR\u00dcN@B\u00dcCHER.test", "gr\u00fcn@xn--bcher-kva.test"),
    ],
)
def test_an_entry_is_spelt_in_one_way(address: str, entry: str) -> None:
    assert entry_of(address) == entry == entry_of(entry)


async def test_the_revision_counts_changes(store: Store) -> None:
    revisions = [await store.read(suppressions.revision)]
    await put(store, Suppression("a@b.test", "why", "5.1.1", "bounce", 5, 9))
    revisions.append(await store.read(suppressions.revision))
    assert await store.write(lambda tx: suppressions.remove(tx, "a@b.test"))
    revisions.append(await store.read(suppressions.revision))
    assert not await store.write(lambda tx: suppressions.remove(tx, "a@b.test"))
    revisions.append(await store.read(suppressions.revision))
    assert revisions == [0, 1, 2, 2]


async def test_what_an_administrator_said_no_bounce_changes(store: Store) -> None:
    bounce = Suppression("a@b.test", "no such user", "5.1.1", "bounce", 5, 900)
    ours = Suppression("a@b.test", "asked us to", created_at=6)
    await put(store, bounce)
    await put(store, ours)
    await put(store, bounce)
    assert await store.read(suppressions.listed) == [ours]


async def test_a_later_bounce_lasts_longer(store: Store) -> None:
    await put(store, Suppression("a@b.test", "", "5.1.1", "bounce", 5, 900))
    await put(store, Suppression("a@b.test", "", "5.1.1", "bounce", 6, 1000))
    assert await entries(store) == {"a@b.test": 1000}


async def test_an_address_is_found_before_its_domain(store: Store) -> None:
    await put(store, Suppression("@b.test"), Suppression("1@b.test"))

    async def found(address: str) -> str | None:
        entry = await store.read(lambda tx: suppressions.find(tx, address))
        return entry.entry if entry else None

    assert [await found(a) for a in ("1@B.test", "2@b.test", "2@sub.b.test")] == ["1@b.test", "@b.test", None]


async def test_the_list_has_pages(store: Store) -> None:
    await put(store, *(Suppression(f"{n}@b.test") for n in range(5)))
    first = await store.read(lambda tx: suppressions.listed(tx, limit=3))
    second = await store.read(lambda tx: suppressions.listed(tx, first[-1].entry, limit=3))
    assert [s.entry[0] for s in (*first, *second)] == list("01234")


async def test_what_has_ended_is_forgotten(store: Store) -> None:
    await put(
        store,
        Suppression("a@b.test", expires_at=9),
        Suppression("c@b.test"),
        Suppression("d@b.test", expires_at=10),
    )
    await store.write(lambda tx: suppressions.remove_expired(tx, 9))
    assert await entries(store) == {"c@b.test": 0, "d@b.test": 10}
