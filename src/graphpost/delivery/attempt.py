"""One attempt at one delivery: read it, compose it, give it to a courier.

Whatever goes wrong ends in a conclusion.  A message that cannot be read or composed is set aside (state `held`, listed
by the queue) and never deleted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.filing import Filing
from graphpost.delivery.lane import Job
from graphpost.delivery.local import LocalDelivery
from graphpost.delivery.reports import Reporter
from graphpost.delivery.routing import LOCAL
from graphpost.delivery.settle import Conclusion, conclude
from graphpost.errors import GraphpostError, MimeError, StoreError
from graphpost.mail import relay
from graphpost.mail.address import needs_smtputf8
from graphpost.mail.compose import compose
from graphpost.mail.mailbox import Directory
from graphpost.mail.message import ContentRef, Item
from graphpost.mail.part import Opener
from graphpost.maillog import MailLog
from graphpost.store import contents, deliveries, messages
from graphpost.store.blobs import Blobs
from graphpost.store.contents import Content
from graphpost.store.deliveries import Delivery, Saying
from graphpost.store.store import Store, Tx
from graphpost.transport.courier import Courier, Data, Deferred, Envelope, Outcome, Reply


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was concluded, and what is to be filed with it."""

    conclusion: Conclusion
    seconds: float = 0.0
    filings: tuple[Filing, ...] = ()
    problem: BaseException | None = None

    def say(self, log: MailLog) -> None:
        """One line per recipient that this attempt decided."""
        conclusion = self.conclusion
        number, destination = conclusion.delivery.message_id, conclusion.delivery.destination
        if self.problem is not None:
            log.set_aside(number, destination, self.problem)
        for recipient in conclusion.delivered:
            said = recipient.reply or NOTHING
            if recipient.state == "captured":
                log.captured(number, recipient.address, self.seconds)
            else:
                log.delivered(number, recipient.address, destination, said.code, said.text, self.seconds)
        for recipient in conclusion.deferred:
            said = recipient.reply or NOTHING
            text = f"{said.status} {said.text}".strip()
            log.deferred(number, recipient.address, destination, said.code, text, conclusion.delivery.due_at)
        for recipient in conclusion.failed:
            said = recipient.reply or NOTHING
            log.failed(
                number, recipient.address, destination, said.code, f"{said.status} {said.text}".strip()
            )
        for filing in self.filings:
            log.filed(filing.item.message_id, filing.mailbox, "inbox")
        if conclusion.failed and conclusion.delivery.sender:
            log.bounced(number, conclusion.delivery.sender)


NOTHING = Saying(0, "", "", "")


class Attempts:
    """Makes attempts; knows the couriers by destination key."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        couriers: Callable[[str], Courier | None],
        local: LocalDelivery,
        reporter: Reporter,
        directory: Callable[[], Directory],
        settings: DeliverySettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._couriers = couriers
        self._local = local
        self._reporter = reporter
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._chance = random.Random().random  # noqa: S311 - spreads retries, keeps no secret

    async def make(self, job: Job) -> Attempt:
        """Try the delivery once.  Always returns a conclusion, except when it is cancelled."""
        started = self._clock.now()
        try:
            item, held = await self._loaded(job)
            data = outgoing(item, held, contents.opener(self._blobs, held))
        except StoreError as error:
            reply = Reply(0, "4.3.0", f"the message cannot be read at the moment: {error}")
            return self._concluded(
                job.delivery, [Deferred(reply)] * len(open_addresses(job.delivery)), started, ()
            )
        except (GraphpostError, ValueError, OSError) as error:
            return self._set_aside(job.delivery, error)
        delivery = job.delivery
        envelope = envelope_of(delivery, data)
        outcomes: tuple[Outcome, ...]
        filings: tuple[Filing, ...] = ()
        if delivery.destination == LOCAL:
            outcomes, filings = await self._local.deliver(envelope, started)
        else:
            outcomes = await self._relayed(delivery.destination, envelope)
        attempt = self._concluded(delivery, outcomes, started, filings)
        conclusion = attempt.conclusion
        if conclusion.failed or conclusion.delayed or (delivery.wants_success and conclusion.relayed):
            return await self._with_reports(attempt, item, data)
        return attempt

    async def _relayed(self, destination: str, envelope: Envelope) -> tuple[Outcome, ...]:
        courier = self._couriers(destination)
        if courier is None:
            reply = Reply(0, "4.3.5", f"no route leads to {destination} any more")
            return (Deferred(reply),) * len(envelope.recipients)
        return await courier.deliver(envelope)

    async def _loaded(self, job: Job) -> tuple[Item, dict[int, Content]]:
        if job.item is not None and job.contents is not None:
            return job.item, job.contents
        delivery = job.delivery

        def read(tx: Tx) -> tuple[Item | None, dict[int, Content]]:
            return (
                messages.get(tx, delivery.mailbox_id, delivery.message_id),
                contents.of_message(tx, delivery.mailbox_id, delivery.message_id),
            )

        item, held = await self._store.read(read)
        if item is None:
            raise GraphpostError("its message is gone")
        return item, held

    def _concluded(
        self,
        delivery: Delivery,
        outcomes: tuple[Outcome, ...] | list[Outcome],
        started: Instant,
        filings: tuple[Filing, ...],
    ) -> Attempt:
        now = self._clock.now()
        conclusion = conclude(delivery, outcomes, now, self._settings, self._chance())
        return Attempt(conclusion, (now - started) / SECOND, filings)

    async def _with_reports(self, attempt: Attempt, item: Item, data: Data) -> Attempt:
        now = self._clock.now()
        mailbox = self._directory().by_id.get(item.mailbox_id)
        if mailbox is None or not attempt.conclusion.delivery.sender:
            return attempt
        reports = tuple(self._reporter.filings(attempt.conclusion, mailbox, item, header_of(data), now))
        return Attempt(attempt.conclusion, attempt.seconds, attempt.filings + reports)

    def _set_aside(self, delivery: Delivery, error: BaseException) -> Attempt:
        conclusion = Conclusion(delivery=replace(delivery, state=deliveries.HELD))
        return Attempt(conclusion, problem=error)


def outgoing(item: Item, held: Mapping[int, Content], opener: Opener) -> Data:
    """The message as it goes over the wire, without Bcc.  Raises StoreError or MimeError when it cannot be."""
    raw = item.message.raw
    if raw is None:
        return compose(item.message, opener)
    content = held.get(raw.content_id)
    if content is None:
        raise MimeError("the message does not have its own content")
    return relay.outgoing(content.size, lambda offset: opener(ContentRef(raw.content_id, offset)))


def envelope_of(delivery: Delivery, data: Data) -> Envelope:
    recipients = open_addresses(delivery)
    return Envelope(
        sender=delivery.sender,
        recipients=recipients,
        data=data,
        envelope_id=f"{delivery.message_id:016x}",
        wants_success_report=delivery.wants_success,
        needs_smtputf8=any(map(needs_smtputf8, (delivery.sender, *recipients))),
    )


def open_addresses(delivery: Delivery) -> tuple[str, ...]:
    """The recipients that still wait, in order."""
    return tuple(r.address for r in delivery.recipients if r.state in ("queued", "deferred"))


def header_of(data: Data) -> bytes:
    """The header section, with its ending empty line."""
    read = b""
    for chunk in data:
        read += chunk
        end = read.find(b"\r\n\r\n")
        if end >= 0:
            return read[: end + 4]
    return read
