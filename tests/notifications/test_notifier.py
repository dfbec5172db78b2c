"""The notifier over hours and accidents: retries, giving up, crashes, several processes, lifecycle events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from tests.notifications.bureau import ADELE, APP, DAY, Bureau, came, ids
from tests.notifications.receiver import Receiver, Say
from tests.store.conftest import open_store, postgres_url

from graphpost.clock import NEVER, SECOND
from graphpost.mail.mailbox import Directory
from graphpost.store.mailbox import folders, messages, removals
from graphpost.store.notifications import subscriptions
from graphpost.store.notifications.feeds import CHANGES, LIFECYCLE
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock

__all__ = ["open_store", "postgres_url"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def bureau(anyio_backend: str, open_store: Callable[[], Store]) -> AsyncIterator[Bureau]:
    store = open_store()
    made = Bureau(store, JumpingClock(), concurrency=4)
    await made.furnish()
    yield made
    await made.close()
    await store.close()


@contextmanager
def silent(receiver: Receiver, *paths: str) -> Iterator[threading.Event]:
    """The receiver takes requests to these paths, says so, and answers at the end."""
    arrived, done = threading.Event(), threading.Event()

    def behave(taken: Any) -> Say:
        if taken.path in paths:
            arrived.set()
            done.wait(60)
        return Say(202)

    receiver.behave = behave
    try:
        yield arrived
    finally:
        done.set()


def told_to(receiver: Receiver, path: str) -> list[str]:
    return [key for taken in list(receiver.requests) if taken.path == path for key in ids(taken.value)]


async def test_a_receiver_that_fails_is_tried_again_later_and_later(
    bureau: Bureau, receiver: Receiver
) -> None:
    await bureau.subscribe(receiver.url())
    await bureau.open()
    receiver.behave = lambda taken: Say(503)
    expected = await bureau.arrive()
    for number, wait in enumerate((10, 30, 60, 120, 300, 600, 600)):
        feed = (await bureau.until(lambda found, number=number: found[CHANGES].failures == number + 1))[
            CHANGES
        ]
        assert (feed.due_at - bureau.clock.now()) / SECOND == wait
        await bureau.jump(wait - 1)
        await bureau.at_rest()
        assert len(receiver.requests) == number + 1
        await bureau.jump(1)
    await bureau.until(lambda found: found[CHANGES].failures == 8)
    receiver.behave = lambda taken: Say(202)
    await bureau.jump(600)
    feed = (await bureau.until(lambda found: found[CHANGES].failures == 0))[CHANGES]
    assert (feed.failing_since, feed.due_at) == (0, 0)
    assert {ids(taken.value)[0] for taken in receiver.requests} == set(expected)
    bureau.log.flush()
    assert bureau.log.metrics.notifications == 1
    assert bureau.log.metrics.notifications_failed == 8
    assert "notification-failed to=http://localhost" in bureau.output.getvalue()
    assert 'reason="the answer was 503"' in bureau.output.getvalue()


@pytest.mark.parametrize("status", [300, 301, 307, 400, 404, 410, 429, 500])
async def test_anything_but_2xx_is_a_failure(bureau: Bureau, receiver: Receiver, status: int) -> None:
    await bureau.subscribe(receiver.url())
    await bureau.open()
    receiver.behave = lambda taken: Say(status, location=receiver.url("/else"))
    await bureau.arrive()
    await bureau.until(lambda found: found[CHANGES].failures == 1)
    assert [taken.path for taken in receiver.requests] == ["/hook"]


async def test_what_came_while_a_receiver_failed_is_told_at_once_when_it_works(
    bureau: Bureau, receiver: Receiver
) -> None:
    await bureau.subscribe(receiver.url())
    await bureau.open()
    receiver.behave = lambda taken: Say(500)
    expected = await bureau.arrive()
    await bureau.until(lambda found: found[CHANGES].failures == 1)
    expected += await bureau.arrive(3)
    receiver.requests.clear()
    receiver.behave = lambda taken: Say(202)
    await bureau.jump(10)
    assert sorted(ids(await came(receiver, 4))) == sorted(expected)
    assert len(receiver.requests) == 1


async def test_after_four_hours_it_is_dropped_and_the_owner_is_told_so(
    bureau: Bureau, receiver: Receiver
) -> None:
    made = await bureau.subscribe(receiver.url(), lifecycle=receiver.url("/life"))
    await bureau.open()
    receiver.behave = lambda taken: Say(202 if taken.path == "/life" else 500)
    await bureau.arrive(3)
    await bureau.until(lambda found: found[CHANGES].failures == 1)
    for attempt in range(2, 100):
        wait = ((await bureau.feeds())[CHANGES].due_at - bureau.clock.now()) / SECOND
        await bureau.jump(wait)
        found = await bureau.until(
            lambda found, n=attempt: found[CHANGES].failures == n or not found[CHANGES].failing_since
        )
        if not found[CHANGES].failing_since:
            break
    await asyncio.to_thread(receiver.wait, lambda r: any(taken.path == "/life" for taken in r.requests))
    [event] = [taken.value for taken in receiver.requests if taken.path == "/life"]
    assert event == [
        {
            "subscriptionId": made.subscription_id,
            "subscriptionExpirationDateTime": event[0]["subscriptionExpirationDateTime"],
            "clientState": "state",
            "tenantId": "11111111-2222-3333-4444-555555555555",
            "lifecycleEvent": "missed",
        }
    ]
    receiver.requests.clear()
    receiver.behave = lambda taken: Say(202)
    [fresh] = await bureau.arrive()
    assert ids(await came(receiver, 1)) == [fresh]
    bureau.log.flush()
    assert bureau.log.metrics.notifications_dropped == 1
    assert (
        f"notifications-dropped to=http://localhost:{receiver.port} subscription={made.subscription_id}"
        in (bureau.output.getvalue())
    )


async def test_a_restart_loses_nothing(bureau: Bureau, receiver: Receiver) -> None:
    await bureau.subscribe(receiver.url())
    first = await bureau.open()
    receiver.behave = lambda taken: Say(500)
    expected = await bureau.arrive(2)
    await bureau.until(lambda found: found[CHANGES].failures > 0)
    await first.stop()
    expected += await bureau.arrive(2)
    receiver.requests.clear()
    receiver.behave = lambda taken: Say(202)
    await bureau.open()
    await bureau.jump(700)
    assert sorted(ids(await came(receiver, 4))) == sorted(expected)


async def test_what_a_dead_process_was_telling_is_told_by_another(bureau: Bureau, receiver: Receiver) -> None:
    """At least once: the receiver may have had it before."""
    await bureau.subscribe(receiver.url())
    doomed = await bureau.open()
    with silent(receiver, "/hook") as arrived:
        expected = await bureau.arrive()
        assert await asyncio.to_thread(arrived.wait, 60)
        await doomed.stop(0.0)
    receiver.requests.clear()
    other = await bureau.open()
    if (
        bureau.store.dialect.name == "postgres"
    ):  # nobody knows that the other one is dead before its lease ends
        await bureau.jump(59)
        await bureau.subscribe(receiver.url("/other"))
        await bureau.arrive()
        await asyncio.to_thread(receiver.wait, lambda r: told_to(r, "/other"))
        assert told_to(receiver, "/hook") == []
        await bureau.jump(2)
    await asyncio.to_thread(receiver.wait, lambda r: told_to(r, "/hook"))
    assert told_to(receiver, "/hook")[:1] == expected
    await other.stop()


async def test_two_processes_tell_everything_once(
    anyio_backend: str, open_store: Callable[[], Store], receiver: Receiver
) -> None:
    first = open_store()
    second = open_store() if first.dialect.name == "postgres" else first
    clock = JumpingClock()
    bureaus = [Bureau(store, clock, poll_seconds=0.05, batch=7) for store in (first, second)]
    await bureaus[0].furnish()
    for number in range(3):
        await bureaus[0].subscribe(receiver.url(f"/{number}"))
    for number, each in enumerate(bureaus):
        await each.open(owner=100 + number)
        for notifier, _ in each._opened:
            notifier.wake()
    expected: list[str] = []
    for _ in range(10):
        expected += await bureaus[0].arrive(10)
    found = await came(receiver, 300)
    for path in ("/0", "/1", "/2"):
        told = [key for taken in receiver.requests if taken.path == path for key in ids(taken.value)]
        assert sorted(told) == sorted(expected)
    assert len(found) == 300
    for each in bureaus:
        await each.close()
    await first.close()
    if second is not first:
        await second.close()


async def test_a_receiver_that_hangs_holds_up_nobody_else(bureau: Bureau, receiver: Receiver) -> None:
    await bureau.subscribe(receiver.url("/hangs"))
    await bureau.subscribe(receiver.url("/works"))
    await bureau.open()
    with silent(receiver, "/hangs") as arrived:
        for number in range(1, 4):
            await bureau.arrive()
            assert await asyncio.to_thread(arrived.wait, 60)
            await asyncio.to_thread(receiver.wait, lambda r, n=number: len(told_to(r, "/works")) == n)
        assert len(told_to(receiver, "/hangs")) == 1


async def test_those_that_failed_have_places_of_their_own(bureau: Bureau, receiver: Receiver) -> None:
    """However many of them hang, whoever works is told."""
    await bureau.open()
    bad = [f"/bad{number}" for number in range(10)]
    receiver.behave = lambda taken: Say(500)
    for path in bad:
        await bureau.subscribe(receiver.url(path))
    await bureau.arrive()
    await asyncio.to_thread(receiver.wait, lambda r: len(r.requests) == 10)
    await bureau.at_rest()
    receiver.requests.clear()
    with silent(receiver, *bad) as arrived:
        await bureau.jump(10)
        assert await asyncio.to_thread(arrived.wait, 60)
        await bureau.subscribe(receiver.url("/works"))
        await bureau.arrive()
        await asyncio.to_thread(receiver.wait, lambda r: len(told_to(r, "/works")) == 1)
        assert len(receiver.requests) == 2  # a quarter of four places is for the others


async def test_much_is_told_in_bounded_requests_and_in_order(bureau: Bureau, receiver: Receiver) -> None:
    bureau.settings = replace(bureau.settings, batch=20)
    await bureau.subscribe(receiver.url())
    expected = [key for _ in range(5) for key in await bureau.arrive(13)]
    await bureau.open()
    found = ids(await came(receiver, 65))
    assert sorted(found) == sorted(expected)
    batches = [len(taken.value) for taken in receiver.requests]
    assert max(batches) <= 20 + 13  # what came in one transaction stays together
    assert len(batches) <= 5
    await bureau.at_rest()


async def test_what_changed_several_times_is_told_once(bureau: Bureau, receiver: Receiver) -> None:
    await bureau.subscribe(receiver.url())
    [key] = await bureau.arrive()

    def read(tx: Any) -> None:
        found = messages.get(tx, ADELE.mailbox_id, 1)
        assert found is not None
        messages.change(tx, found, replace(found, is_read=not found.is_read))

    for _ in range(5):
        await bureau.store.write(read)
    await bureau.open()
    [told] = await came(receiver, 1)
    assert (told["changeType"], told["resourceData"]["id"]) == ("created", key)
    await bureau.at_rest()
    await bureau.store.write(read)
    assert [each["changeType"] for each in await came(receiver, 2)] == ["created", "updated"]


async def test_the_owner_is_asked_to_renew_once(bureau: Bureau, receiver: Receiver) -> None:
    made = await bureau.subscribe(receiver.url(), lifecycle=receiver.url("/life"))
    await bureau.open()
    await bureau.jump(DAY * 0.75 - 10)
    await bureau.at_rest()
    assert receiver.requests == []
    await bureau.jump(11)
    [event] = await came(receiver, 1)
    assert (event["lifecycleEvent"], event["subscriptionId"]) == (
        "reauthorizationRequired",
        made.subscription_id,
    )
    await bureau.jump(3600)
    found = await bureau.at_rest()
    assert (found[LIFECYCLE].events, found[LIFECYCLE].remind_at) == (0, NEVER)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "directory",
    [
        Directory.of([ADELE], []),
        Directory.of([], [APP]),
        Directory.of([ADELE], [replace(APP, enabled=False)]),
        Directory.of([replace(ADELE, enabled=False)], [APP]),
        Directory.of([ADELE], [replace(APP, delegated_permissions=("Mail.Send",))]),
        Directory.of([replace(ADELE, object_id="eeeeeeee-0000-4000-8000-000000000001")], [APP]),
    ],
    ids=[
        "no application",
        "no mailbox",
        "application off",
        "mailbox off",
        "permission taken",
        "another user",
    ],
)
async def test_whoever_may_read_no_more_is_told_that_and_nothing_else(
    bureau: Bureau, receiver: Receiver, directory: Directory
) -> None:
    made = await bureau.subscribe(receiver.url(), lifecycle=receiver.url("/life"))
    await bureau.open()
    bureau.directory = directory
    await bureau.arrive()
    [event] = await came(receiver, 1)
    assert (event["lifecycleEvent"], receiver.requests[0].path) == ("subscriptionRemoved", "/life")
    await bureau.until(lambda found: found == {})
    assert await bureau.store.read(lambda tx: subscriptions.get(tx, made.subscription_id)) is None
    assert f"subscription-removed subscription={made.subscription_id} why=access" in await bureau.said()


async def test_what_another_issuer_permitted_counts_for_as_long_as_the_subscription_lasts(
    bureau: Bureau, receiver: Receiver
) -> None:
    bureau.directory = Directory.of([ADELE], [replace(APP, delegated_permissions=())])
    await bureau.subscribe(receiver.url(), permissions=frozenset({"Mail.Read"}))
    other = await bureau.subscribe(receiver.url("/other"), permissions=frozenset({"Mail.Send"}))
    await bureau.open()
    await bureau.arrive()
    [event] = await came(receiver, 1)
    assert event["changeType"] == "created"
    await bureau.until(
        lambda found: all(each.subscription_id != other.subscription_id for each in found.values())
    )
    assert [request.path for request in receiver.requests] == ["/hook"]


async def test_whoever_wants_no_lifecycle_events_gets_none(bureau: Bureau, receiver: Receiver) -> None:
    made = await bureau.subscribe(receiver.url())
    await bureau.open()
    bureau.directory = Directory.of([ADELE], [])
    await bureau.arrive()
    await bureau.until(lambda found: found == {})
    assert await bureau.store.read(lambda tx: subscriptions.get(tx, made.subscription_id)) is None
    assert receiver.requests == []


async def test_a_folder_that_goes_ends_its_subscriptions(bureau: Bureau, receiver: Receiver) -> None:
    await bureau.store.write(
        lambda tx: folders.add(tx, folders.Folder(mailbox_id=7, folder_id=99, parent_id=1, name="Gone"))
    )
    await bureau.subscribe(receiver.url(), lifecycle=receiver.url("/life"), folder=99)
    await bureau.open()
    [key] = await bureau.arrive(folder=99)
    assert ids(await came(receiver, 1)) == [key]
    await bureau.at_rest()

    def erase(tx: Any) -> None:
        found = messages.get(tx, ADELE.mailbox_id, 1)
        assert found is not None
        messages.remove(tx, found)
        folders.remove(tx, ADELE.mailbox_id, 99)

    await bureau.store.write(erase)
    told, event = (await came(receiver, 3))[1:]
    assert (told["changeType"], told["resourceData"]["id"]) == ("deleted", key)
    assert event["lifecycleEvent"] == "subscriptionRemoved"
    await bureau.until(lambda found: found == {})


async def test_what_is_over_is_told_nothing_and_forgotten(bureau: Bureau, receiver: Receiver) -> None:
    await bureau.subscribe(receiver.url(), lifecycle=receiver.url("/life"))
    await bureau.open()
    await bureau.at_rest()
    bureau.clock.jump_to(bureau.clock.now() + DAY * SECOND)
    await bureau.arrive()
    await bureau.jump(61)
    await bureau.until(lambda found: found == {})
    assert receiver.requests == []


async def test_removals_that_were_forgotten_are_missed(bureau: Bureau, receiver: Receiver) -> None:
    await bureau.subscribe(receiver.url(), lifecycle=receiver.url("/life"))
    await bureau.arrive()
    now = bureau.clock.now()
    await bureau.store.write(lambda tx: removals.note_time(tx, now))
    await bureau.store.write(lambda tx: removals.forget(tx, now + 1))
    await bureau.open()
    await asyncio.to_thread(receiver.wait, lambda r: len(r.notifications) == 2)
    assert {each.get("lifecycleEvent") for each in receiver.notifications} == {None, "missed"}


async def test_the_log_tells_neither_secret_nor_path(bureau: Bureau, receiver: Receiver) -> None:
    await bureau.subscribe(receiver.url("/secret-path?code=secret-code"), client_state="secret-state")
    await bureau.open()
    await bureau.arrive()
    await came(receiver, 1)
    receiver.behave = lambda taken: Say(500)
    await bureau.arrive()
    await bureau.until(lambda found: found[CHANGES].failures == 1)
    bureau.log.flush()
    text = bureau.output.getvalue()
    assert f"notified to=http://localhost:{receiver.port} notifications=1" in text
    assert "secret" not in text


async def test_an_address_that_is_allowed_no_more_fails_like_any_other(
    bureau: Bureau, receiver: Receiver
) -> None:
    await bureau.subscribe(receiver.url())
    bureau.settings = replace(bureau.settings, allow=[])
    await bureau.open()
    await bureau.arrive()
    await bureau.until(lambda found: found[CHANGES].failures == 1)
    assert receiver.requests == []
