"""The couriers that speak to nobody."""

from __future__ import annotations

import pytest
from tests.transport.letters import envelope

from graphpost.transport.capture import CaptureCourier
from graphpost.transport.courier import Courier, Delivered, Failed, Reply
from graphpost.transport.reject import RejectCourier, refusal

pytestmark = pytest.mark.anyio


async def test_captured_mail_counts_as_delivered() -> None:
    courier: Courier = CaptureCourier()
    outcomes = await courier.deliver(envelope("a@x.test", "b@x.test"))
    assert outcomes == (Delivered(Reply(250, "2.0.0", "captured", "")),) * 2
    await courier.close()


async def test_rejected_mail_fails_for_everybody() -> None:
    courier: Courier = RejectCourier()
    outcomes = await courier.deliver(envelope("a@x.test", "b@x.test"))
    assert [type(outcome) for outcome in outcomes] == [Failed, Failed]
    assert outcomes[0].reply.status == "5.7.1"
    await courier.close()


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("5.7.1 not to them", "5.7.1", "not to them"),
        ("not to them", "5.7.1", "not to them"),
        ("5.1.10 gone", "5.1.10", "gone"),
        ("4.7.1 later", "5.7.1", "4.7.1 later"),
        ("5.7.1", "5.7.1", "5.7.1"),
    ],
)
def test_a_refusal_may_be_in_an_operators_words(words: str, status: str, text: str) -> None:
    assert refusal(words) == Failed(Reply(550, status, text))
