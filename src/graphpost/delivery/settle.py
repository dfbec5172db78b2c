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

from graphpost.clock import SECOND, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery import filing
from graphpost.delivery.filing import Filing
from graphpost.delivery.schedule import next_attempt
from graphpost.store import contents, deliveries, messages
from graphpost.store.deliveries import Delivery, Recipient, Saying
from graphpost.store.store import Tx
from graphpost.transport.courier import Deferred, Delivered, Failed, Outcome, Reply

EXPIRED_STATUS: Final = "4.4.7"

Key = tuple[int, int]  # message_id, position


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
    written = deliveries.settle_all(tx, (delivery for delivery, _ in known.values()), owner)
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
    reached: dict[str, list[Recipient]] = {"delivered": [], "relayed": [], "failed": [], "deferred": []}
    whole: Reply | None = None
    for recipient in delivery.recipients:
        if recipient.state not in ("queued", "deferred"):
            settled.append(recipient)
            continue
        outcome = next(answers)
        after = _after(recipient, outcome, now, delivery, expired)
        settled.append(after)
        if after.state in ("delivered", "captured"):
            reached["delivered"].append(after)
            if isinstance(outcome, Delivered) and not outcome.speaks_dsn and after.state == "delivered":
                reached["relayed"].append(after)
        else:
            reached[after.state].append(after)
        if isinstance(outcome, Deferred) and outcome.whole_destination:
            whole = outcome.reply
    waiting = bool(reached["deferred"])
    warn = (
        waiting
        and not delivery.warned
        and now >= delivery.created_at + int(settings.delay_warning_seconds * SECOND)
    )
    due = next_attempt(now, delivery.attempts, settings.retry_seconds, settings.retry_jitter, chance)
    return Conclusion(
        delivery=replace(
            delivery,
            state=deliveries.QUEUED if waiting else deliveries.DONE,
            due_at=min(due, delivery.expires_at) if waiting else 0,
            finished_at=0 if waiting else now,
            warned=delivery.warned or warn,
            recipients=tuple(settled),
        ),
        delivered=tuple(reached["delivered"]),
        relayed=tuple(reached["relayed"]),
        failed=tuple(reached["failed"]),
        deferred=tuple(reached["deferred"]),
        delayed=tuple(reached["deferred"]) if warn else (),
        destination_said=whole,
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
            state = "captured" if delivery.destination == "capture" else "delivered"
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
    return replace(
        recipient, state=state, reply=Saying(reply.code, reply.status, reply.text, reply.host), at=now
    )


def _is_captured(delivery: Delivery) -> bool:
    return any(recipient.state == "captured" for recipient in delivery.recipients)


def _forget(tx: Tx, delivery: Delivery) -> None:
    """Remove a message that was kept only to be delivered, when nothing of it is left to do."""
    if delivery.siblings > 1:
        others = deliveries.get(tx, delivery.mailbox_id, delivery.message_id)
        if any(other.state != deliveries.DONE or _is_captured(other) for other in others):
            return
    item = messages.get(tx, delivery.mailbox_id, delivery.message_id)
    if item is not None:
        contents.remove(tx, item.mailbox_id, item.message_id)
        messages.remove(tx, item)
