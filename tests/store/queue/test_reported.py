"""What reports said is kept by recipient, the most that was said."""

from __future__ import annotations

import pytest
from tests.store.made import delivery, item

from graphpost.mail.mailbox import SENT_ITEMS
from graphpost.store.mailbox import messages
from graphpost.store.queue import deliveries, reported
from graphpost.store.queue.reported import Reported
from graphpost.store.store import Store

pytestmark = pytest.mark.anyio
READ = Reported("Zoe@one.test", "read", 100, "2.0.0", "displayed")


async def test_what_was_said_comes_back(store: Store) -> None:
    assert await store.write(lambda tx: reported.note(tx, 7, 1, READ))
    found = await store.read(lambda tx: reported.of_message(tx, 7, 1))
    assert found == {"zoe@one.test": Reported("zoe@one.test", "read", 100, "2.0.0", "displayed")}
    assert await store.read(lambda tx: reported.of_message(tx, 7, 2)) == {}


async def test_less_does_not_replace_more(store: Store) -> None:
    states = ("delayed", "relayed", "delivered", "bounced", "read")
    for state in states:
        said = Reported("z@one.test", state, 100)
        assert await store.write(lambda tx, said=said: reported.note(tx, 7, 1, said))
    for state in states:
        said = Reported("z@one.test", state, 200)
        assert not await store.write(lambda tx, said=said: reported.note(tx, 7, 1, said))


async def test_a_message_in_sent_items_is_found_by_its_id(store: Store) -> None:
    kept = item(5, folder_id=SENT_ITEMS, internet_message_id="<A.b@x.test>")
    await store.write(lambda tx: [messages.add(tx, kept), messages.add(tx, item(6))])
    assert await store.read(lambda tx: reported.find_sent(tx, 7, "<a.B@x.test>")) == 5
    assert await store.read(lambda tx: reported.find_sent(tx, 7, "<1@contoso.test>")) is None
    assert await store.read(lambda tx: reported.find_sent(tx, 8, "<a.b@x.test>")) is None


async def test_only_what_the_queue_still_knows_is_kept(store: Store) -> None:
    await store.write(lambda tx: deliveries.add(tx, delivery(1)))
    await store.write(lambda tx: [reported.note(tx, 7, number, READ) for number in (1, 2)])
    assert await store.write(lambda tx: reported.prune(tx, 7)) == 1
    assert list(await store.read(lambda tx: reported.of_message(tx, 7, 1))) == ["zoe@one.test"]
