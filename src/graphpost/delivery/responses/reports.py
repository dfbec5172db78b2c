"""Reports: failures, delays, successes, as mail for the sender (RFC 3464)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphpost.clock import Instant
from graphpost.delivery.filing import Filer, Filing
from graphpost.delivery.routing import LOCAL
from graphpost.delivery.settle import Conclusion, told
from graphpost.ids import new_guid
from graphpost.mail.dsn import Dsn, in_ascii
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Item, Message
from graphpost.mail.report import (
    Action,
    NdrFacts,
    RecipientFact,
    delay_report,
    non_delivery_report,
    success_report,
    unsent_report,
)
from graphpost.mail.thread import child_index
from graphpost.store.queue.deliveries import Recipient, Saying
from graphpost.transport.wire import from_xtext

NOTHING = Saying(0, "", "", "")
UNSENT_STATUS = "5.7.0"  # RFC 3463: other or undefined security status: it may not be sent as it is


class Reporter:
    """Writes reports in the name of this host."""

    def __init__(self, filer: Filer, hostname: str) -> None:
        self._filer = filer
        self._hostname = hostname
        self._postmaster = Address(f"postmaster@{hostname}", "Mail Delivery System")

    def filings(
        self, conclusion: Conclusion, mailbox: Mailbox, item: Item, original: bytes, now: Instant
    ) -> list[Filing]:
        """The reports that this conclusion calls for; `original` is the message as it was sent, or its header."""
        delivery = conclusion.delivery
        is_local = delivery.destination == LOCAL
        receipts = conclusion.relayed if delivery.wants_success else ()
        wanted: tuple[tuple[Action, Callable[[NdrFacts], bytes], Sequence[Recipient]], ...] = (
            ("failed", non_delivery_report, told(delivery, conclusion.failed, "FAILURE")),
            ("delayed", delay_report, told(delivery, conclusion.delayed, "DELAY")),
            ("delivered" if is_local else "relayed", success_report, told(delivery, receipts, "SUCCESS")),
        )
        dsn = delivery.dsn

        def facts(action: Action, recipients: Sequence[Recipient]) -> NdrFacts:
            return self._facts(
                item.message.going_out,
                original if action == "failed" else _header_alone(original),
                now,
                recipient=Address(delivery.sender, mailbox.name),
                arrived_at=delivery.created_at,
                recipients=tuple(_fact(recipient, action, now, dsn) for recipient in recipients),
                envelope_id=from_xtext(dsn.envelope_id if dsn else "") or f"{delivery.message_id:016x}",
                retry_until=delivery.expires_at if action == "delayed" else 0,
            )

        return [
            self._filer.prepare(mailbox, write(facts(action, recipients)), now)
            for action, write, recipients in wanted
            if recipients
        ]

    def unsent(
        self, mailbox: Mailbox, item: Item, header: bytes, submitted_at: Instant, reason: str, now: Instant
    ) -> Filing:
        """The report on a draft that could not be sent at its time; `header` is the draft's, as it would go out."""
        facts = self._facts(
            item.message,
            header,
            now,
            recipient=Address(mailbox.address, mailbox.name),
            arrived_at=submitted_at,
            recipients=tuple(
                RecipientFact(address=each.address, action="failed", status=UNSENT_STATUS, text=reason)
                for each in item.message.recipients
            ),
            envelope_id=f"{item.message_id:016x}",
        )
        return self._filer.prepare(mailbox, unsent_report(facts, reason), now)

    def delivered(
        self,
        filed: Item,
        sender: str,
        envelope_id: str,
        recipients: tuple[RecipientFact, ...],
        header: bytes,
        now: Instant,
    ) -> bytes:
        """The report for somebody elsewhere on a message that is in a mailbox now."""
        facts = self._facts(
            filed.message,
            header,
            now,
            recipient=Address(sender),
            arrived_at=filed.received_at,
            recipients=recipients,
            envelope_id=envelope_id,
        )
        return success_report(facts)

    def _facts(
        self,
        message: Message,
        header: bytes,
        now: Instant,
        *,
        recipient: Address,
        arrived_at: Instant,
        recipients: tuple[RecipientFact, ...],
        envelope_id: str,
        retry_until: Instant = 0,
    ) -> NdrFacts:
        return NdrFacts(
            message_id=f"<{new_guid()}@{self._hostname}>",
            date=now,
            sender=self._postmaster,
            recipient=recipient,
            reporting_mta=self._hostname,
            arrived_at=arrived_at,
            recipients=recipients,
            original=header,
            subject=message.subject,
            original_message_id=message.internet_message_id,
            references=message.references,
            conversation_index=child_index(message.conversation_index, now),
            envelope_id=envelope_id,
            retry_until=retry_until,
        )


def original_recipient(orcpt: str) -> str:
    """`rfc822; address`, of an ORCPT; what is not ASCII stays in the form of RFC 6533."""
    kind, _, address = orcpt.partition(";")
    if not address:
        return ""
    return f"{kind}; {in_ascii(address) if kind.lower() == 'utf-8' else from_xtext(address)}"


def _header_alone(original: bytes) -> bytes:
    """What is returned with anything but a failure (RFC 3461 §4.3)."""
    return original.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _fact(recipient: Recipient, action: Action, now: Instant, dsn: Dsn | None) -> RecipientFact:
    said = recipient.reply or NOTHING
    return RecipientFact(
        address=recipient.address,
        action=action,
        status=said.status,
        remote_mta=said.host,
        code=said.code,
        text=said.text,
        last_attempt_at=now,
        original=original_recipient(dsn.of(recipient.address).original) if dsn else "",
    )
