"""Settle: what an attempt's outcomes make of a delivery, and the reports on it.

`conclude` is pure: a delivery, its outcomes and the time in; the delivery's next state and who reached it out.
`apply` writes many of them in one transaction, each with what it files, so that a bounce exists exactly when its
delivery has failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import NEVER, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery import filing
from graphpost.delivery.filing import Filing
from graphpost.delivery.routing import CAPTURE
from graphpost.delivery.schedule import next_attempt, speak_at
from graphpost.mail.dsn import Event
from graphpost.store.mailbox import forgetting, messages
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Answer, Delivery, Recipient, Saying
from graphpost.store.store import Tx
from graphpost.transport.courier import Deferred, Delivered, Failed, Outcome, Reply

EXPIRED_STATUS: Final = "4.4.7"

_TOO_MANY: Final = {(452, "4.5.3"), (552, "5.5.3"), (452, "4.3.1")}  # the last is what 452 alone is taken for

Key = tuple[int, int]  # message_id, position


def told(delivery: Delivery, recipients: Sequence[Recipient], event: Event) -> Sequence[Recipient]:
    """Those of whom the delivery's sender is to be told that this became of them (RFC 3461 §4.1)."""
    dsn = delivery.dsn
    return recipients if dsn is None else [each for each in recipients if dsn.wants(each.address, event)]


class Conclusion(Struct, frozen=True):
    """`delivery` is as it shall be; the tuples hold the recipients that this attempt brought to that state."""

    delivery: Delivery
    delivered: tuple[Recipient, ...] = ()
    relayed: tuple[Recipient, ...] = ()  # delivered to a host that will send no success report
    failed: tuple[Recipient, ...] = ()
    deferred: tuple[Recipient, ...] = ()
    delayed: tuple[Recipient, ...] = ()  # still deferred, and the sender is to be told so now
    destination_said: Reply | None = None  # the host was the reason, not this message: hold it back


def apply(tx: Tx, concluded: Iterable[tuple[Delivery, Sequence[Filing]]], owner: int) -> set[Key]:
    """Write what was concluded, and file what goes with it; the keys of those that were still the owner's.

    Of a delivery that somebody else holds by now nothing is written.
    """
    known = {(delivery.message_id, delivery.position): (delivery, filings) for delivery, filings in concluded}
    written = deliveries.settle(tx, (delivery for delivery, _ in known.values()), owner)
    for key in written:
        delivery, filings = known[key]
        for one in filings:
            filing.add(tx, one)
        if delivery.hidden and delivery.state == deliveries.DONE and not _is_captured(delivery):
            _forget(tx, delivery)
    return written


def conclude(
    delivery: Delivery, outcomes: Sequence[Outcome], now: Instant, settings: DeliverySettings, chance: float
) -> Conclusion:
    """What becomes of a delivery.  `outcomes` answer its queued recipients, in their order."""
    answers = iter(outcomes)
    expired = now >= delivery.expires_at
    settled: list[Recipient] = []
    delivered: list[Recipient] = []
    relayed: list[Recipient] = []
    failed: list[Recipient] = []
    deferred: list[Recipient] = []
    said: Reply | None = None
    for recipient in delivery.recipients:
        if recipient.state not in deliveries.OPEN:
            settled.append(recipient)
            continue
        outcome = next(answers)
        after = _after(recipient, outcome, now, delivery, expired)
        settled.append(after)
        if after.state == "deferred":
            deferred.append(after)
        elif after.state == "failed":
            failed.append(after)
        else:
            delivered.append(after)
            if type(outcome) is Delivered and not outcome.speaks_dsn and after.state == "delivered":
                relayed.append(after)
        if type(outcome) is Deferred and outcome.whole_destination:
            said = outcome.reply
    is_rest = bool(delivered) and bool(deferred) and all(map(_is_one_too_many, deferred))
    warns = bool(deferred) and _is_warning_due(delivery, now, settings)
    return Conclusion(
        delivery=_renewed(delivery, tuple(settled), now, settings, chance, warns=warns, at_once=is_rest)
        if deferred
        else _done(delivery, tuple(settled), now),
        delivered=tuple(delivered),
        relayed=tuple(relayed),
        failed=tuple(failed),
        deferred=tuple(deferred),
        delayed=tuple(deferred) if warns else (),
        destination_said=said,
    )


def _is_warning_due(delivery: Delivery, now: Instant, settings: DeliverySettings) -> bool:
    return not delivery.warned and now >= speaks_at(replace(delivery, expires_at=NEVER), settings)


def _done(delivery: Delivery, recipients: tuple[Recipient, ...], now: Instant) -> Delivery:
    return replace(delivery, state=deliveries.DONE, due_at=0, finished_at=now, recipients=recipients)


def _renewed(
    delivery: Delivery,
    recipients: tuple[Recipient, ...],
    now: Instant,
    settings: DeliverySettings,
    chance: float,
    *,
    warns: bool,
    at_once: bool,
) -> Delivery:
    due = next_attempt(now, delivery.attempts, settings.retry_seconds, settings.retry_jitter, chance)
    after = replace(delivery, warned=delivery.warned or warns, recipients=recipients)
    return replace(after, due_at=now if at_once else min(due, speaks_at(after, settings)))


def _is_one_too_many(recipient: Recipient) -> bool:
    """Whether a host that took others of the same message had enough of them (RFC 5321 §4.5.3.1.10)."""
    said = recipient.reply
    return said is not None and (said.code, said.status) in _TOO_MANY


def speaks_at(delivery: Delivery, settings: DeliverySettings) -> Instant:
    """When something is to be said to its sender, unless it is delivered by then."""
    return speak_at(
        delivery.created_at, delivery.expires_at, settings.delay_warning_seconds, warned=delivery.warned
    )


def unfiled(conclusion: Conclusion) -> Conclusion:
    """What a local delivery comes to when its filings cannot be stored: nobody has it yet, and it is set aside."""
    recipients = tuple(
        replace(recipient, state="queued", reply=None) if recipient in conclusion.delivered else recipient
        for recipient in conclusion.delivery.recipients
    )
    delivery = replace(
        conclusion.delivery, state=deliveries.HELD, recipients=recipients, due_at=0, finished_at=0
    )
    return Conclusion(delivery)


def _after(
    recipient: Recipient, outcome: Outcome, now: Instant, delivery: Delivery, expired: bool
) -> Recipient:
    state: Literal["delivered", "captured", "deferred", "failed"]
    match outcome:
        case Delivered(reply):
            state = "captured" if delivery.destination == CAPTURE else "delivered"
        case Failed(reply):
            state = "failed"
        case Deferred(reply):
            state = "failed" if expired else "deferred"
            if expired:
                reply = Reply(
                    reply.code,
                    EXPIRED_STATUS,
                    f"delivery time expired; last answer: {reply.text}",
                    reply.host,
                )
    said = Saying(reply.code, reply.status, reply.text, reply.host)
    if recipient.reply is None:
        return Recipient(recipient.address, state, said, now)
    earlier = (*recipient.earlier, Answer(recipient.reply, recipient.at))[-deliveries.ANSWERS :]
    return Recipient(recipient.address, state, said, now, earlier)


def _is_captured(delivery: Delivery) -> bool:
    return any(recipient.state == "captured" for recipient in delivery.recipients)


def _forget(tx: Tx, delivery: Delivery) -> None:
    """Remove a message that was kept only to be delivered, when nothing of it is left to do."""
    if delivery.siblings > 1:
        # Locks the message, so that of two siblings settled at once on two nodes the second sees the first as done.
        messages.get(tx, delivery.mailbox_id, delivery.message_id)
        others = deliveries.get(tx, delivery.mailbox_id, delivery.message_id)
        if any(other.state != deliveries.DONE or _is_captured(other) for other in others):
            return
    remove_unwanted(tx, delivery)


def remove_unwanted(tx: Tx, delivery: Delivery) -> None:
    """Remove the message of a hidden delivery, if it is still there."""
    item = messages.get(tx, delivery.mailbox_id, delivery.message_id)
    if item is not None:
        forgetting.remove(tx, item)
