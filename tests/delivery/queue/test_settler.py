"""Conclusions that cannot be written: kept, set aside, and nothing is sent again."""

import inspect
from collections.abc import Callable

import pytest
from tests.delivery.post import ALEX, NEVER, Office, settling

from graphpost.errors import Unstorable
from graphpost.store.queue.deliveries import HELD

pytestmark = pytest.mark.anyio


async def test_conclusions_that_cannot_be_written_are_kept_and_the_message_is_not_sent_again(
    office: Office,
) -> None:
    office.store.breaks = settling
    await office.send("a@one.test", "b@two.test")
    for tries in range(1, 5):
        await office.until(lambda least=tries: office.store.broke >= least)  # type: ignore[misc]
        await office.clock.until_sleeping(2)
        await office.clock.advance(1)
    office.store.breaks = lambda fn: None
    await office.clock.advance(1)
    await office.until_done(2)
    assert (office.one.addresses, office.two.addresses) == (["a@one.test"], ["b@two.test"])
    assert "problem where=settle" in office.said()


def breaking(times: int) -> Callable[[object], Exception | None]:
    """The first so many settlements fail in a way that is not the store's."""
    left = [times]

    def breaks(fn: object) -> Exception | None:
        if fn.__module__ != "graphpost.delivery.queue.settler" or not left[0]:
            return None
        left[0] -= 1
        return TypeError("cannot be stored")

    return breaks


async def test_a_bounce_that_cannot_be_stored_does_not_send_the_message_again(office: Office) -> None:
    office.one.says(NEVER)
    office.store.breaks = breaking(1)
    await office.send("a@one.test")
    await office.until_done()
    assert len(office.one.taken) == 1
    assert await office.inbox() == []
    assert "problem where=settle" in office.said()


async def test_a_local_message_that_cannot_be_stored_is_set_aside(office: Office) -> None:
    office.store.breaks = breaking(1)
    await office.send("alex@contoso.test")

    async def is_held() -> bool:
        return len(await office.queue(state=HELD)) == 1

    await office.until(is_held)
    ((recipient,),) = [d.recipients for d in await office.queue()]
    assert recipient.state == "queued"
    assert await office.inbox(ALEX) == []


async def test_what_the_store_refuses_holds_up_no_others(office: Office) -> None:
    """However often it is tried: its report is left out, and what became of its delivery counts."""
    office.one.says(NEVER)
    office.store.breaks = refusing
    await office.send(*(f"{name}@one.test" for name in ("a", "b")))
    await office.send("poison@one.test")
    await office.send("c@one.test", "d@two.test")
    await office.until_done(4)
    assert len(office.one.taken) == 3
    told = [await office.bytes_of(item) for item in await office.inbox()]
    assert len(told) == 2
    assert not any(b"poison" in text for text in told)
    assert "problem where=settle" in office.said()


def refusing(fn: Callable[[object], object]) -> Exception | None:
    """Refuses reports on one address."""
    if fn.__module__ != "graphpost.delivery.queue.settler":
        return None
    batch = inspect.getclosurevars(fn).nonlocals["batch"]
    is_refused = any(
        attempt.filings and attempt.conclusion.delivery.recipients[0].address == "poison@one.test"
        for attempt, _ in batch
    )
    return Unstorable("it is too long for an index") if is_refused else None
