"""What an attempt's outcomes make of a delivery: pure."""

from itertools import product

import pytest
from tests.delivery.post import DEAD, LATER, NEVER, YES

from graphpost.clock import SECOND
from graphpost.config import DeliverySettings
from graphpost.delivery.settle import Conclusion, conclude, unfiled
from graphpost.store.queue.deliveries import DONE, HELD, QUEUED, Delivery, Recipient, Saying
from graphpost.transport.courier import Deferred, Delivered, Outcome, Reply

HOUR = 3600 * SECOND
T0 = 1_790_000_000 * SECOND
SETTINGS = DeliverySettings(retry_seconds=[60, 600], retry_jitter=0.5)
WITH_DSN = Delivered(YES.reply, speaks_dsn=True)
STATES = {YES: "delivered", LATER: "deferred", NEVER: "failed", DEAD: "deferred"}


def delivery(*states: str, attempts: int = 1, **changes: object) -> Delivery:
    recipients = tuple(Recipient(f"r{index}@one.test", state) for index, state in enumerate(states))  # type: ignore[arg-type]
    values = {
        "mailbox_id": 7,
        "message_id": 1,
        "position": 0,
        "destination": "smtp://one.test:25",
        "due_at": T0 + 600 * SECOND,
        "created_at": T0,
        "expires_at": T0 + 48 * HOUR,
        "sender": "adele@contoso.test",
        "owner": 3,
        "attempts": attempts,
        "recipients": recipients,
    }
    return Delivery(**{**values, **changes})  # type: ignore[arg-type]


def concluded(given: Delivery, *outcomes: Outcome, at: int = T0) -> Conclusion:
    return conclude(given, outcomes, at, SETTINGS, 0.5)


@pytest.mark.parametrize("outcomes", list(product((YES, LATER, NEVER, DEAD), repeat=3)))
def test_every_mix_of_outcomes_gives_each_recipient_its_own_state(outcomes: tuple[Outcome, ...]) -> None:
    result = concluded(delivery("queued", "deferred", "queued"), *outcomes, at=T0 + 5)
    after = result.delivery
    assert [recipient.state for recipient in after.recipients] == [STATES[outcome] for outcome in outcomes]
    assert {recipient.at for recipient in after.recipients} == {T0 + 5}
    waiting = "deferred" in [STATES[outcome] for outcome in outcomes]
    assert after.state == (QUEUED if waiting else DONE)
    assert after.due_at == (T0 + 5 + 60 * SECOND if waiting else 0)
    assert after.finished_at == (0 if waiting else T0 + 5)
    for state, named in (
        ("delivered", result.delivered),
        ("failed", result.failed),
        ("deferred", result.deferred),
    ):
        assert [r.address for r in named] == [r.address for r in after.recipients if r.state == state]
    assert result.relayed == result.delivered
    assert result.delayed == ()
    assert result.destination_said == (DEAD.reply if DEAD in outcomes else None)


@pytest.mark.parametrize(
    ("reply", "is_at_once"),
    [
        (Reply(452, "4.5.3", "too many recipients"), True),
        (Reply(452, "4.3.1", "too many recipients"), True),
        (Reply(552, "5.5.3", "too many recipients"), True),
        (Reply(452, "4.2.2", "over quota"), False),
        (Reply(450, "4.2.0", "greylisted"), False),
    ],
)
def test_who_was_one_too_many_goes_at_once_behind_those_that_were_taken(
    reply: Reply, is_at_once: bool
) -> None:
    now = T0 + 5
    after = concluded(delivery("queued", "queued"), YES, Deferred(reply), at=now).delivery
    assert after.due_at == (now if is_at_once else now + 60 * SECOND)
    after = concluded(delivery("delivered", "queued"), Deferred(reply), at=now).delivery
    assert after.due_at == now + 60 * SECOND, "nobody was taken now: the host is to be left alone"
    after = concluded(delivery("queued", "queued", "queued"), YES, Deferred(reply), LATER, at=now).delivery
    assert after.due_at == now + 60 * SECOND


def test_the_remote_reply_is_kept_whole() -> None:
    (recipient,) = concluded(delivery("queued"), NEVER).delivery.recipients
    assert recipient.reply == Saying(550, "5.1.1", "no such user", "mx.one.test")


def test_recipients_settled_before_are_not_asked_and_stay() -> None:
    given = delivery("delivered", "queued", "failed", "cancelled", "deferred", "captured")
    after = concluded(given, NEVER, YES).delivery
    assert [r.state for r in after.recipients] == [
        "delivered",
        "failed",
        "failed",
        "cancelled",
        "delivered",
        "captured",
    ]
    assert [after.recipients[index] for index in (0, 2, 3, 5)] == [
        given.recipients[index] for index in (0, 2, 3, 5)
    ]


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 60), (2, 600), (7, 600)])
def test_the_next_attempt_follows_the_schedule(attempts: int, seconds: int) -> None:
    assert concluded(delivery("queued", attempts=attempts), LATER).delivery.due_at == T0 + seconds * SECOND


def test_the_last_attempt_is_at_the_expiry_and_not_after_it() -> None:
    given = delivery("queued", attempts=2)
    assert concluded(given, LATER, at=given.expires_at - 5 * SECOND).delivery.due_at == given.expires_at


@pytest.mark.parametrize("outcome", [LATER, DEAD])
def test_a_deferral_after_the_expiry_is_a_failure_that_names_the_last_answer(outcome: Outcome) -> None:
    given = delivery("queued", "queued")
    result = concluded(given, outcome, YES, at=given.expires_at)
    assert result.delivery.state == DONE
    assert [r.state for r in result.delivery.recipients] == ["failed", "delivered"]
    (failed,) = result.failed
    assert failed.reply is not None
    assert failed.reply.status == "4.4.7"
    assert failed.reply.code == outcome.reply.code
    assert failed.reply.text == f"delivery time expired; last answer: {outcome.reply.text}"
    assert failed.reply.host == outcome.reply.host


def test_a_delay_is_told_once_after_four_hours_and_only_of_who_still_waits() -> None:
    given = delivery("queued", "queued", attempts=9)
    early = concluded(given, LATER, LATER, at=T0 + 4 * HOUR - 1)
    assert (early.delayed, early.delivery.warned) == ((), False)
    late = concluded(given, LATER, YES, at=T0 + 4 * HOUR)
    assert [r.address for r in late.delayed] == ["r0@one.test"]
    assert late.delivery.warned
    again = concluded(late.delivery, LATER, at=T0 + 9 * HOUR)
    assert (again.delayed, again.delivery.warned) == ((), True)


@pytest.mark.parametrize("outcome", [YES, NEVER])
def test_nobody_is_told_of_a_delay_that_is_over(outcome: Outcome) -> None:
    result = concluded(delivery("queued"), outcome, at=T0 + 5 * HOUR)
    assert (result.delayed, result.delivery.warned) == ((), False)


def test_a_host_that_speaks_dsn_sends_the_receipt_itself() -> None:
    result = concluded(delivery("queued", "queued", wants_success=True), WITH_DSN, YES)
    assert [r.address for r in result.delivered] == ["r0@one.test", "r1@one.test"]
    assert [r.address for r in result.relayed] == ["r1@one.test"]


def test_what_is_captured_is_not_delivered_and_gives_no_receipt() -> None:
    result = concluded(
        delivery("queued", destination="capture", wants_success=True), Delivered(Reply(250, "2.0.0", "x"))
    )
    assert [r.state for r in result.delivery.recipients] == ["captured"]
    assert len(result.delivered) == 1
    assert result.relayed == ()


def test_a_local_delivery_that_cannot_be_filed_is_set_aside_with_its_recipients_open() -> None:
    result = unfiled(concluded(delivery("failed", "queued", "queued", destination="local"), YES, NEVER))
    assert result.delivery.state == HELD
    assert [r.state for r in result.delivery.recipients] == ["failed", "queued", "failed"]
    assert result.delivered == ()


def test_the_answers_of_all_attempts_are_kept_the_latest_ten() -> None:
    now, state = delivery("queued"), []
    for attempt in range(1, 14):
        later = Deferred(Reply(450, "4.2.0", f"attempt {attempt}", "mx.test"))
        now = concluded(now, later, at=T0 + attempt).delivery
        (recipient,) = now.recipients
        state.append((recipient.reply.text if recipient.reply else "", len(recipient.earlier)))
    assert state[:3] == [("attempt 1", 0), ("attempt 2", 1), ("attempt 3", 2)]
    assert state[-1] == ("attempt 13", 10)
    assert [(each.reply.text, each.at) for each in recipient.earlier] == [
        (f"attempt {n}", T0 + n) for n in range(3, 13)
    ]
    (done,) = concluded(now, YES, at=T0 + 20).delivery.recipients
    assert done.earlier[-1].reply.text == "attempt 13"
