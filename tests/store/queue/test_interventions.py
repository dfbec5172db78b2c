"""What people do to queued deliveries: by message, recipient, sender, destination, and never to an attempt under way."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.made import delivery

from graphpost.store.queue import deliveries, destinations, interventions, lookups
from graphpost.store.queue.deliveries import DONE, HELD, QUEUED, Delivery, Recipient
from graphpost.store.queue.interventions import CANCELLED, STATES, Action, Tally
from graphpost.store.queue.lookups import ANY, Choice
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio

RELAY = "smtp://relay.test:25"
PEOPLE = (Recipient("a@b.test", "deferred"), Recipient("C@d.test", "delivered"), Recipient("e@f.test"))


async def put(store: Store, *rows: Delivery) -> None:
    await store.write(lambda tx: [deliveries.add(tx, row) for row in rows])


async def act(
    store: Store, action: Action, choice: Choice = ANY, now: int = 200, limit: int = 1000, **options: Any
) -> Tally:
    """To every bucket, as the administration does it."""

    def run(tx: Tx) -> Tally:
        tally = Tally()
        for state in STATES[action]:
            for bucket in range(deliveries.BUCKETS):
                some = interventions.keys(tx, bucket, state, choice, (0, 0 - 1), limit)
                tally += interventions.act(tx, action, bucket, some, choice, now, **options)
        return tally

    return await store.write(run)


async def of(store: Store, message_id: int = 1, mailbox_id: int = 7) -> list[Delivery]:
    return await store.read(lambda tx: deliveries.get(tx, mailbox_id, message_id))


async def due(store: Store, now: int) -> list[str]:
    return await store.read(lambda tx: destinations.due_in(tx, 7, now))


async def claim(store: Store, now: int, owner: int = 1) -> list[Delivery]:
    return await store.write(lambda tx: deliveries.claim(tx, 7, RELAY, now, now + 50, owner, 10))


async def test_what_is_held_is_not_due_until_it_is_released(store: Store) -> None:
    await put(store, delivery())
    assert await act(store, "hold") == Tally(1, 1)
    assert await due(store, 10**9) == []
    assert await act(store, "hold") == Tally(), "it is held already"
    assert await act(store, "retry") == Tally(), "to retry is not to release"
    assert await act(store, "release", now=300) == Tally(1, 1)
    assert [(d.state, d.due_at) for d in await of(store)] == [(QUEUED, 300)]
    assert await due(store, 300) == [RELAY]


async def test_to_hold_a_recipient_is_to_divide_the_delivery(store: Store) -> None:
    await put(store, delivery(recipients=PEOPLE, hidden=True))
    assert await act(store, "hold", Choice(recipient="E@F.test")) == Tally(1, 1)
    rest, part = await of(store)
    assert (rest.state, [r.address for r in rest.recipients]) == (QUEUED, ["a@b.test", "C@d.test"])
    assert (part.state, [r.address for r in part.recipients]) == (HELD, ["e@f.test"])
    assert {(d.siblings, d.hidden, d.sender, d.expires_at) for d in (rest, part)} == {
        (2, True, "AdeleV@contoso.test", 1000)
    }
    assert await act(store, "hold", Choice(recipient="a@b.test")) == Tally(1, 1)
    assert [(d.position, d.state) for d in await of(store)] == [(0, HELD), (1, HELD)]
    assert await act(store, "release", Choice(recipient="@f.test")) == Tally(1, 1)
    assert [d.state for d in await of(store)] == [HELD, QUEUED]


async def test_one_of_several_held_recipients_is_released_alone(store: Store) -> None:
    await put(store, delivery(recipients=PEOPLE, state=HELD))
    assert await act(store, "release", Choice(recipient="a@b.test")) == Tally(1, 1)
    assert [(d.state, [r.address for r in d.recipients]) for d in await of(store)] == [
        (HELD, ["C@d.test", "e@f.test"]),
        (QUEUED, ["a@b.test"]),
    ]


async def test_a_delivered_recipient_cannot_be_held(store: Store) -> None:
    await put(store, delivery(recipients=PEOPLE))
    for action in ("hold", "cancel", "retry"):
        assert await act(store, action, Choice(recipient="c@d.test")) == Tally()


async def test_retrying_makes_the_waiting_due_and_opens_the_gate(store: Store) -> None:
    await put(store, delivery(due_at=900), delivery(position=2, state=DONE))
    await store.write(lambda tx: destinations.hold(tx, RELAY, 800, 2))
    assert await due(store, 200) == []
    assert await act(store, "retry") == Tally(1, 1)
    assert await due(store, 200) == [RELAY]


async def test_what_is_being_attempted_is_left_and_counted(store: Store) -> None:
    await put(store, delivery())
    (mine,) = await claim(store, 100)
    for action in ("hold", "cancel", "retry"):
        assert await act(store, action, now=149) == Tally(under_way=1)
    assert await of(store) == [mine]
    assert await act(store, "hold", now=150) == Tally(1, 1), "the lease has ended"
    assert await store.write(lambda tx: deliveries.settle(tx, [mine], 1)) == set(), "too late"


async def test_cancelling_gives_up_what_waits_and_tells_nobody(store: Store) -> None:
    await put(store, delivery(recipients=PEOPLE), delivery(position=1, state=HELD))
    assert await act(store, "cancel") == Tally(2, 3)
    first, second = await of(store)
    assert [r.state for r in first.recipients] == ["cancelled", "delivered", "cancelled"]
    assert [r.at for r in first.recipients] == [200, 0, 200]
    assert (first.state, first.finished_at, second.state) == (DONE, 200, DONE)


async def test_one_recipient_is_cancelled_and_the_others_go_on(store: Store) -> None:
    await put(store, delivery(recipients=PEOPLE))
    assert await act(store, "cancel", Choice(recipient="a@b.test")) == Tally(1, 1)
    (after,) = await of(store)
    assert after.state == QUEUED
    assert [r.state for r in after.recipients] == ["cancelled", "delivered", "queued"]


async def test_what_is_cancelled_with_a_report_goes_where_everything_fails(store: Store) -> None:
    await put(store, delivery(recipients=PEOPLE), delivery(2, state=HELD))
    assert await act(store, "cancel", Choice(recipient="a@b.test"), report=True) == Tally(1, 1)
    assert [(d.destination, d.state) for d in await of(store)] == [(RELAY, QUEUED), (CANCELLED, QUEUED)]
    assert await act(store, "cancel", Choice(recipient="fannyd@contoso.test"), report=True) == Tally(1, 1)
    assert [(d.destination, d.state) for d in await of(store, 2)] == [(CANCELLED, QUEUED)]
    assert await due(store, 200) == [CANCELLED, RELAY]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(sender="ADELEV@contoso.test"), [1, 2]),
        (Choice(sender="@contoso.test"), [1, 2]),
        (Choice(sender="@toso.test"), []),
        (Choice(sender="<>"), [3]),
        (Choice(destination="mx:b.test"), [2]),
        (Choice(mailbox_id=8), [3]),
        (Choice(internet_message_id="<2@x>"), [2]),
        (Choice(recipient="@other.test", sender="<>"), [3]),
        (Choice(recipient="%@other.test"), []),
    ],
)
async def test_deliveries_are_meant_by_all_that_is_given(
    store: Store, choice: Choice, expected: list[int]
) -> None:
    await put(
        store,
        delivery(1),
        delivery(2, destination="mx:b.test", internet_message_id="<2@x>"),
        delivery(3, mailbox_id=8, sender="", recipients=(Recipient("x@other.test"),)),
    )
    found, _ = await store.read(lambda tx: lookups.page(tx, choice))
    assert sorted(d.message_id for d in found) == expected
    assert (await act(store, "hold", choice)).deliveries == len(expected)
    held, _ = await store.read(lambda tx: lookups.page(tx, state=HELD))
    assert sorted(d.message_id for d in held) == expected


async def test_what_cannot_be_read_keeps_its_bytes(store: Store) -> None:
    await put(store, delivery(state=HELD))
    key = (7, 1, 0)
    where = " WHERE bucket = ? AND message_id = ? AND position = ?"
    await store.write(lambda tx: tx.execute(f"UPDATE deliveries SET document = ?{where}", (b"\xc1", *key)))
    for action in ("release", "hold", "cancel"):
        assert await act(store, action, report=True) == Tally(1, 0), action
    row = await store.read(lambda tx: tx.one(f"SELECT state, document FROM deliveries{where}", key))
    assert row is not None
    assert (row[0], bytes(row[1])) == (DONE, b"\xc1")


async def test_keys_come_in_order_and_in_portions(store: Store) -> None:
    await put(store, *(delivery(n, destination=f"d{9 - n}") for n in range(1, 10)), delivery(99, state=DONE))

    def portion(after: tuple[int, int]) -> Any:
        return store.read(lambda tx: interventions.keys(tx, 7, QUEUED, ANY, after, 4))

    assert await portion((0, -1)) == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert await portion((8, 0)) == [(9, 0)]


async def test_pages_are_newest_first_and_join_without_a_gap(store: Store) -> None:
    await put(store, *(delivery(n, mailbox_id=n % 20, state=(QUEUED, DONE)[n % 2]) for n in range(1, 60)))
    await put(store, *(delivery(60, position=position) for position in range(5)))
    seen: list[tuple[int, int]] = []
    before = lookups.NEWEST
    while before:
        found, before = await store.read(lambda tx, b=before: lookups.page(tx, limit=7, before=b))
        seen += [(d.message_id, d.position) for d in found]
    assert seen == [*((60, p) for p in range(5)), *((n, 0) for n in range(59, 0, -1))]

    async def numbers(choice: Choice = ANY, **how: int) -> list[int]:
        found, _ = await store.read(lambda tx: lookups.page(tx, choice, **how))
        return [d.message_id for d in found]

    assert await numbers(limit=3, state=DONE) == [59, 57, 55]
    assert await numbers(Choice(mailbox_id=3)) == [43, 23, 3]
    assert await numbers(Choice(mailbox_id=3), state=QUEUED) == []
    assert await numbers(Choice(outcome="delivered")) == []


async def test_a_page_that_has_to_look_inside_looks_at_a_bounded_number(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "LOOKED_AT", 10)
    await put(store, *(delivery(n, mailbox_id=n) for n in range(1, 40)))
    rare = Choice(recipient="rare@x.test")
    await put(store, delivery(5, mailbox_id=3, position=1, recipients=(Recipient("rare@x.test"),)))
    pages, before = [], lookups.NEWEST
    while before:
        found, before = await store.read(lambda tx, b=before: lookups.page(tx, rare, limit=5, before=b))
        pages.append([d.message_id for d in found])
    assert pages == [[], [], [], [5]]
