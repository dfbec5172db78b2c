"""One attempt at one delivery: read it, compose it, give it to a courier.

Whatever goes wrong ends in a conclusion.  A message that cannot be read or composed is set aside (state `held`, listed
by the queue) and never deleted.  A failure that its sender cannot be told of at the moment is not one yet: the
recipient is tried again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from graphpost.clock import NEVER, SECOND, Clock
from graphpost.config import DeliverySettings
from graphpost.delivery.arrival.local import LocalDelivery
from graphpost.delivery.filing import Filing, say
from graphpost.delivery.queue.lane import Job
from graphpost.delivery.responses.reports import NOTHING, Reporter
from graphpost.delivery.routing import LOCAL, has_several_hosts
from graphpost.delivery.settle import Conclusion, conclude, told
from graphpost.errors import ContentLost, GraphpostError, MimeError, StoreError
from graphpost.mail import relay
from graphpost.mail.address import needs_smtputf8
from graphpost.mail.compose import compose
from graphpost.mail.dsn import Dsn
from graphpost.mail.field import address_field
from graphpost.mail.mailbox import Directory
from graphpost.mail.message import ContentRef, Item, Message
from graphpost.mail.part import Opener
from graphpost.mail.report import RETURNED_WHOLE
from graphpost.maillog import MailLog
from graphpost.store import contents
from graphpost.store.blobs import Blobs
from graphpost.store.contents import Content
from graphpost.store.mailbox import messages
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Store, Tx
from graphpost.transport.courier import Courier, Data, Deferred, Envelope, Failed, Outcome, Reply
from graphpost.transport.reject import RejectCourier


class Attempt(Struct, frozen=True):
    """What was concluded, and what is to be filed with it; `seconds` since the message was accepted."""

    conclusion: Conclusion
    seconds: float = 0.0
    filings: tuple[Filing, ...] = ()
    problem: BaseException | None = None

    def say(self, log: MailLog) -> None:
        """One line per recipient that this attempt decided."""
        conclusion = self.conclusion
        number, destination = conclusion.delivery.message_id, conclusion.delivery.destination
        if self.problem is not None and conclusion.delivery.state == deliveries.HELD:
            log.set_aside(number, destination, self.problem)
        elif self.problem is not None:
            log.problem(f"delivery {number:016x}", self.problem)
        is_open = has_several_hosts(destination)
        for recipient in conclusion.delivered:
            said = recipient.reply or NOTHING
            if recipient.state == "captured":
                log.captured(number, recipient.address, self.seconds)
            else:
                host = said.host if is_open else ""
                log.delivered(
                    number, recipient.address, destination, said.code, said.text, self.seconds, host
                )
        for recipient in conclusion.deferred:
            said = recipient.reply or NOTHING
            text = f"{said.status} {said.text}".strip()
            host = said.host if is_open else ""
            due = max(conclusion.delivery.due_at, recipient.at)
            log.deferred(number, recipient.address, destination, said.code, text, due, host)
        for recipient in conclusion.failed:
            said = recipient.reply or NOTHING
            text = f"{said.status} {said.text}".strip()
            log.failed(number, recipient.address, destination, said.code, text, said.host if is_open else "")
        for filing in self.filings:
            say(filing, log)
        delivery = conclusion.delivery
        if conclusion.delayed and delivery.sender and told(delivery, conclusion.delayed, "DELAY"):
            log.warned(number, delivery.sender)
        if conclusion.failed and delivery.sender and told(delivery, conclusion.failed, "FAILURE"):
            log.bounced(number, delivery.sender)


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

    def make(self, job: Job) -> Awaitable[Attempt]:
        """Try the delivery once.  Always returns a conclusion, except when it is cancelled."""
        return self._carefully(job, None)

    async def hold_back(self, job: Job, why: Reply) -> Attempt:
        """Conclude without trying: nothing is counted, and what goes on waiting keeps its place."""
        return _unattempted(await self._carefully(job, Deferred(why)))

    async def _carefully(self, job: Job, instead: Deferred | None) -> Attempt:
        """Deliver, or take `instead` as everybody's outcome.  One coroutine, for every message has its own."""
        started = self._clock.now()
        delivery = job.delivery
        item, held = job.item, job.contents
        data: Data | None = None
        filings: tuple[Filing, ...] = ()
        outcomes: Sequence[Outcome]
        try:
            if item is None or held is None:
                item, held = await self._read(delivery)
            data = outgoing(item, held, contents.opener(self._blobs, held))
            envelope = envelope_of(delivery, data, item.message)
            if instead is not None:
                outcomes = (instead,) * len(envelope.recipients)
            elif delivery.destination == LOCAL:
                outcomes, filings = await self._local.deliver(envelope, started)
            else:
                outcomes = await self._courier(delivery.destination).deliver(envelope)
            attempt = self._concluded(delivery, outcomes, filings)
        except ContentLost as error:
            return self._set_aside(delivery, error)
        except (StoreError, OSError) as error:
            return self._patient(
                delivery, _later(delivery, f"the message cannot be read at the moment: {error}")
            )
        except (GraphpostError, msgspec.MsgspecError, ValueError) as error:
            return self._set_aside(delivery, error)
        except Exception as error:  # a defect of ours is no reason to give up somebody's mail
            outcomes = _later(delivery, "an internal error; the server's log has the details")
            if item is None or data is None:  # nor can anybody be told of it
                if self._clock.now() >= delivery.expires_at:
                    return self._set_aside(delivery, error)
                return replace(self._patient(delivery, outcomes), problem=error)
            attempt = replace(self._concluded(delivery, outcomes, ()), problem=error)
        conclusion = attempt.conclusion
        if conclusion.failed or conclusion.delayed or (delivery.wants_success and conclusion.relayed):
            return self._reported(delivery, outcomes, attempt, item, data)
        return attempt

    def _courier(self, destination: str) -> Courier:
        courier = self._couriers(destination)
        if courier is None:
            return RejectCourier(Deferred(Reply(0, "4.3.5", f"no route leads to {destination} any more")))
        return courier

    async def _read(self, delivery: Delivery) -> tuple[Item, dict[int, Content]]:
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
        outcomes: Sequence[Outcome],
        filings: tuple[Filing, ...],
    ) -> Attempt:
        now = self._clock.now()
        conclusion = conclude(delivery, outcomes, now, self._settings, self._chance())
        return Attempt(conclusion, (now - delivery.created_at) / SECOND, filings)

    def _reported(
        self, delivery: Delivery, outcomes: Sequence[Outcome], attempt: Attempt, item: Item, data: Data
    ) -> Attempt:
        try:
            return self._with_reports(attempt, item, data)
        except (StoreError, OSError) as error:
            return self._untold(delivery, outcomes, attempt, error)
        except Exception as error:  # what became of the delivery stands, also when nobody can be told
            return replace(attempt, problem=error)

    def _untold(
        self, delivery: Delivery, outcomes: Sequence[Outcome], attempt: Attempt, error: BaseException
    ) -> Attempt:
        """The attempt without what cannot be reported at the moment."""
        softer = [Deferred(said.reply) if isinstance(said, Failed) else said for said in outcomes]
        conclusion = self._patient(delivery, softer).conclusion
        return replace(attempt, conclusion=conclusion, problem=error)

    def _patient(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> Attempt:
        """Nobody is given up, nor told of a delay: that can wait until it can be said."""
        patient = replace(delivery, expires_at=NEVER, warned=True)
        attempt = self._concluded(patient, outcomes, ())
        after = replace(attempt.conclusion.delivery, expires_at=delivery.expires_at, warned=delivery.warned)
        return replace(attempt, conclusion=replace(attempt.conclusion, delivery=after))

    def _with_reports(self, attempt: Attempt, item: Item, data: Data) -> Attempt:
        now, directory = self._clock.now(), self._directory()
        sender, dsn = attempt.conclusion.delivery.sender, attempt.conclusion.delivery.dsn
        # who sent as somebody else did so from the own mailbox; the report is for whose name it was
        mailbox = directory.find_address(sender) or directory.by_id.get(item.mailbox_id)
        if mailbox is None or not sender:
            return attempt
        reports = tuple(self._reporter.filings(attempt.conclusion, mailbox, item, _returned(data, dsn), now))
        return replace(attempt, filings=attempt.filings + reports)

    def _set_aside(self, delivery: Delivery, error: BaseException) -> Attempt:
        conclusion = Conclusion(delivery=replace(delivery, state=deliveries.HELD))
        return Attempt(conclusion, problem=error)


def _later(delivery: Delivery, why: str) -> tuple[Outcome, ...]:
    """Something here is in the way, and nobody has said anything."""
    return (Deferred(Reply(0, "4.3.0", why)),) * len(open_addresses(delivery))


def _unattempted(attempt: Attempt) -> Attempt:
    """What was only looked at is as due as it was when it was accepted."""
    after = attempt.conclusion.delivery
    due_at = after.created_at if after.state == deliveries.QUEUED else after.due_at
    after = replace(after, due_at=due_at, given_back=1)
    return replace(attempt, conclusion=replace(attempt.conclusion, delivery=after))


def outgoing(item: Item, held: Mapping[int, Content], opener: Opener) -> Data:
    """The message as it goes over the wire, without Bcc.  Raises StoreError or MimeError when it cannot be."""
    message = item.message.going_out
    raw = message.raw
    if raw is None:
        return compose(message, opener)
    content = held.get(raw.content_id)
    if content is None:
        raise MimeError("the message does not have its own content")
    sender = _sender_field(message)
    return relay.outgoing(
        content.size, lambda offset: opener(ContentRef(raw.content_id, offset)), sender=sender
    )


def _sender_field(message: Message) -> bytes:
    """The Sender of a message that is from somebody else; its MIME may not have it."""
    author, sender = message.from_, message.sender
    if author is None or sender is None or author.address == sender.address:
        return b""
    return address_field("Sender", (sender,)).encode()


def envelope_of(delivery: Delivery, data: Data, message: Message) -> Envelope:
    recipients = open_addresses(delivery)
    return Envelope(
        sender=delivery.sender,
        recipients=recipients,
        data=data,
        envelope_id=f"{delivery.message_id:016x}",
        wants_success_report=delivery.wants_success,
        needs_smtputf8=any(map(needs_smtputf8, (delivery.sender, *recipients)))
        or (delivery.destination != LOCAL and _names_such(message.going_out) and data.is_8bit),
        is_foreign=message.is_foreign,
        dsn=delivery.dsn,
    )


def _names_such(message: Message) -> bool:
    """Whether the header has an address that needs SMTPUTF8, whoever this goes to (RFC 6531 §3.2)."""
    authors = [author for author in (message.from_, message.sender) if author is not None]
    named = (*authors, *message.to, *message.cc, *message.reply_to)
    return any(needs_smtputf8(each.address) for each in named)


def open_addresses(delivery: Delivery) -> tuple[str, ...]:
    """The recipients that still wait, in order."""
    return tuple([r.address for r in delivery.recipients if r.state in deliveries.OPEN])


def _returned(data: Data, dsn: Dsn | None) -> bytes:
    """What of a message is returned with a report: all of it when that was asked for and it is small (RFC 3461 §4.3)."""
    if dsn is not None and dsn.ret == "FULL" and data.size <= RETURNED_WHOLE:
        return b"".join(data)
    return header_of(data)


def header_of(data: Data) -> bytes:
    """The header section, with its ending empty line."""
    read = b""
    for chunk in data:
        read += chunk
        end = read.find(b"\r\n\r\n")
        if end >= 0:
            return read[: end + 4]
    return read
