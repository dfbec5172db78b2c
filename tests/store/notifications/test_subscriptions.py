"""Subscriptions and their feeds: kept, claimed once, settled, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.store.made import feed, item, subscription

from graphpost.clock import NEVER
from graphpost.mail.mailbox import INBOX, SENT_ITEMS
from graphpost.store.mailbox import changes, folders, messages
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.notifications.feeds import CHANGES, GONE, LIFECYCLE, MISSED, REAUTHORIZE
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio


async def test_a_subscription_is_kept_as_it_is(store: Store) -> None:
    made = subscription(lifecycle_url="https://b.test/", filter="isRead eq false", changes=("created",))
    await store.write(lambda tx: subscriptions.add(tx, made))
    assert await store.read(lambda tx: subscriptions.get(tx, made.subscription_id)) == made
    changed = subscriptions.renewed(made, 5000, 30)
    assert await store.write(lambda tx: subscriptions.change(tx, changed))
    assert await store.read(lambda tx: subscriptions.get(tx, made.subscription_id)) == changed
    assert (changed.expires_at, changed.terms.created_at) == (5000, 30)
    assert await store.write(lambda tx: subscriptions.remove(tx, made.subscription_id))
    assert await store.read(lambda tx: subscriptions.get(tx, made.subscription_id)) is None
    assert not await store.write(lambda tx: subscriptions.change(tx, changed))


@pytest.mark.parametrize("text", ["", "x", "G0000000", "7", "é", "70000000-0000-4000-8000-000000000001"])
async def test_what_is_no_id_of_ours_names_nothing(store: Store, text: str) -> None:
    assert await store.read(lambda tx: subscriptions.get(tx, text)) is None


def test_an_id_tells_the_bucket_of_its_mailbox() -> None:
    for mailbox_id in (0, 7, 31, 2**62 + 10):
        assert int(subscriptions.new_id(mailbox_id)[0], 16) == mailbox_id % 16


async def test_owners_see_their_own_in_pages(store: Store) -> None:
    mine = [subscription(n, mailbox_id=m) for m in (1, 7, 18) for n in (1, 2)]
    others = [
        subscription(3, object_id="somebody"),
        subscription(4, client_id="another"),
        subscription(5, expires_at=50),
        subscription(6, state=subscriptions.REMOVED),
    ]

    def add(tx: Tx) -> None:
        for each in (*mine, *others):
            subscriptions.add(tx, each)

    await store.write(add)
    ids = sorted(each.subscription_id for each in mine)
    first = await store.read(lambda tx: subscriptions.owned(tx, "app", "owner", 100, limit=4))
    rest = await store.read(
        lambda tx: subscriptions.owned(tx, "app", "owner", 100, first[-1].subscription_id, limit=4)
    )
    assert [each.subscription_id for each in (*first, *rest)] == ids
    assert len(first) == 4
    assert await store.read(lambda tx: subscriptions.count(tx, 7, 100)) == 4


async def test_what_is_over_is_removed_with_its_feeds(store: Store) -> None:
    def run(tx: Tx) -> tuple[int, int, int]:
        for number, end in ((1, 50), (2, 150)):
            subscriptions.add(tx, subscription(number, expires_at=end))
            feeds.add(tx, feed(number))
            feeds.add(tx, feed(number, channel=LIFECYCLE))
        return subscriptions.remove_expired(tx, 7, 100), len(feeds.all_of(tx, 7)), len(feeds.all_of(tx, 6))

    assert await store.write(run) == (1, 2, 0)


async def test_a_feed_is_claimed_once(store: Store) -> None:
    made = feed(changed=5, message_id=6, began=4)
    await store.write(lambda tx: feeds.add(tx, made))
    claimed = await store.write(lambda tx: feeds.claim(tx, made, 100, 200, owner=1))
    assert claimed == replace(made, due_at=200, owner=1)
    assert await store.write(lambda tx: feeds.claim(tx, made, 199, 300, owner=2)) is None
    taken_over = await store.write(lambda tx: feeds.claim(tx, made, 200, 300, owner=2))
    assert taken_over is not None
    assert not await store.write(lambda tx: feeds.settle(tx, claimed, replace(made, changed=9)))
    after = replace(made, changed=9, message_id=10, began=9, due_at=400, failures=3, failing_since=7)
    assert await store.write(lambda tx: feeds.settle(tx, taken_over, after))
    assert await store.read(lambda tx: feeds.all_of(tx, 7)) == [after]
    assert await store.write(lambda tx: feeds.claim(tx, made, 399, 500, owner=2)) is None


async def test_of_two_nodes_one_gets_it(open_store: Callable[[], Store]) -> None:
    first = open_store()
    second = open_store() if first.dialect.name == "postgres" else first
    made = feed()
    await first.write(lambda tx: feeds.add(tx, made))
    for now in range(0, 1000, 50):
        claims = await asyncio.gather(
            *(
                node.write(lambda tx, owner=owner, now=now: feeds.claim(tx, made, now, now + 50, owner))
                for owner, node in ((1, first), (2, second), (3, first), (4, second))
            )
        )
        assert len([each for each in claims if each]) == 1
    await first.close()
    if second is not first:
        await second.close()


async def test_events_that_come_while_others_are_told_stay(store: Store) -> None:
    made = feed(channel=LIFECYCLE, events=MISSED)

    def run(tx: Tx) -> list[int]:
        feeds.add(tx, made)
        claimed = feeds.claim(tx, made, 100, 200, owner=1)
        assert claimed is not None
        assert feeds.tell(tx, 7, made.subscription_id, GONE)
        assert feeds.settle(tx, claimed, replace(claimed, events=0, due_at=0))
        return [each.events for each in feeds.all_of(tx, 7)]

    assert await store.write(run) == [GONE]


async def test_nobody_is_told_of_events_who_did_not_want_to(store: Store) -> None:
    await store.write(lambda tx: feeds.add(tx, feed()))
    assert not await store.write(lambda tx: feeds.tell(tx, 7, feed().subscription_id, MISSED))


async def test_an_owner_is_reminded_once_and_again_after_renewing(store: Store) -> None:
    made = feed(channel=LIFECYCLE, remind_at=100)

    def run(tx: Tx) -> list[object]:
        feeds.add(tx, made)
        found: list[object] = [feeds.has_news(tx, made, 99), feeds.has_news(tx, made, 100)]
        found += [feeds.remind(tx, made, 100, NEVER), feeds.remind(tx, made, 100, NEVER)]
        found.append(feeds.all_of(tx, 7)[0].events)
        feeds.renew(tx, 7, made.subscription_id, 300)
        (after,) = feeds.all_of(tx, 7)
        return [*found, after.events, after.remind_at]

    assert await store.write(run) == [False, True, True, False, REAUTHORIZE, 0, 300]


async def test_a_feed_moves_to_another_url_at_once(store: Store) -> None:
    made = feed(due_at=900, owner=3, failures=4, failing_since=2)

    def run(tx: Tx) -> list[feeds.Feed]:
        feeds.add(tx, made)
        feeds.add(tx, feed(channel=LIFECYCLE))
        feeds.move(tx, 7, made.subscription_id, "https://new.test/")
        return feeds.all_of(tx, 7)

    moved, lifecycle = await store.write(run)
    assert moved == feed(url="https://new.test/")
    assert lifecycle == feed(channel=LIFECYCLE)


async def test_a_run_that_ended_leaves_no_lease_behind(store: Store) -> None:
    def run(tx: Tx) -> tuple[int, list[tuple[int, int]]]:
        feeds.add(tx, feed(1, due_at=900, owner=3))
        feeds.add(tx, feed(2, due_at=800))
        return feeds.release(tx, 7, 100), [(each.due_at, each.owner) for each in feeds.all_of(tx, 7)]

    assert await store.write(run) == (1, [(100, 0), (800, 0)])


async def test_every_change_of_a_message_is_news(store: Store) -> None:
    """Whatever is done to a message or folder: who looks cheaply sees that there is something to read."""
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    made = item(1, folder_id=INBOX)

    async def news(folder: int = 0) -> bool:
        horizon = await store.read(changes.latest)
        at_rest = feed(began=seen[0], folder_id=folder)
        found = await store.read(lambda tx: feeds.has_news(tx, at_rest, 0))
        if folder == 0:
            seen[0] = horizon
        return found

    seen = [await store.read(changes.latest)]
    assert not await news()
    for step in (
        lambda tx: messages.add(tx, made),
        lambda tx: messages.change(tx, made, replace(made, is_read=True)),
        lambda tx: messages.change(tx, (now := _now(tx)), replace(now, modified_at=9)),
        lambda tx: messages.change(tx, (now := _now(tx)), replace(now, folder_id=SENT_ITEMS)),
        lambda tx: messages.remove(tx, _now(tx)),
    ):
        await store.write(step)
        assert await news(folder=INBOX) or await news(folder=SENT_ITEMS)
        assert await news()
        assert not await news()


def _now(tx: Tx) -> messages.Item:
    found = messages.get(tx, 7, 1)
    assert found is not None
    return found


async def test_a_folder_that_is_gone_is_news(store: Store) -> None:
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    began = await store.read(changes.latest)
    assert await store.read(lambda tx: feeds.has_news(tx, feed(began=began, folder_id=99), 0))
    assert not await store.read(lambda tx: feeds.has_news(tx, feed(began=began, folder_id=INBOX), 0))


async def test_of_some_messages_those_that_meet_a_condition(store: Store) -> None:
    def run(tx: Tx) -> set[int]:
        folders.create_defaults(tx, 7)
        for number in (1, 2, 3):
            messages.add(tx, item(number, is_read=number == 2))
        messages.add(tx, item(4, mailbox_id=8))
        return messages.matching(tx, 7, [1, 2, 4], ("is_read = ? OR is_read = ?", (0, 0)))

    assert await store.write(run) == {1}
    assert await store.read(lambda tx: messages.matching(tx, 7, [], ("1 = 1", ()))) == set()


async def test_whoever_watches_is_told_which_mailboxes_changed(store: Store) -> None:
    told: list[set[int]] = []
    store.watch(lambda mailboxes: told.append(set(mailboxes)))
    await store.write(lambda tx: folders.create_defaults(tx, 7))
    await store.write(lambda tx: messages.add(tx, item(1)))
    await store.write(lambda tx: feeds.add(tx, feed()))

    def fail(tx: Tx) -> None:
        messages.add(tx, item(2, mailbox_id=8))
        raise LookupError

    results = await asyncio.gather(
        store.write(lambda tx: messages.add(tx, item(3))), store.write(fail), return_exceptions=True
    )
    assert [type(each) for each in results] == [type(None), LookupError]
    await store.close()  # of several writers each tells behind its answers; by now all have
    assert set().union(*told) == {7}
    assert {7} in told


def test_channels_are_told_apart() -> None:
    assert feed().key != feed(channel=LIFECYCLE).key
    assert CHANGES != LIFECYCLE
