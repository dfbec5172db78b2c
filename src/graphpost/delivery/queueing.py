"""What is queued of a message: one delivery per destination."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from graphpost.clock import SECOND, Instant
from graphpost.config import DeliverySettings
from graphpost.delivery.routing import EXCEEDED
from graphpost.mail.address import to_wire
from graphpost.mail.answerable import fields_of, suppresses
from graphpost.mail.dsn import Dsn
from graphpost.mail.message import Address, Item, Message
from graphpost.store.queue.deliveries import Delivery, Recipient

NOBODY: Final = Address("")
Reserve = Callable[[str, Instant], tuple[int, int, Instant]]
"""Of a destination and the present: owner, attempts and due time of a new delivery (`Worker.reserve`)."""


def deliveries_of(
    item: Item,
    recipients: Iterable[Address],
    sender: Address | None,
    destination_of: Callable[[str], str],
    reserve: Reserve,
    now: Instant,
    expires_at: Instant,
    *,
    hidden: bool,
    not_before: Instant | None = 0,
    dsn: Dsn | None = None,
) -> list[Delivery]:
    """The deliveries of an item; `hidden`: it is kept only until they are done.

    They wait until `not_before`; with None, their sender has sent to too many.  `dsn` is what the envelope asked for.
    """
    if not_before is None:
        destination_of = _exceeded
    elif not_before > now:
        reserve = _waiting(not_before)
    message, groups = item.message, dict[str, list[Recipient]]()
    for address in unique(recipients):
        destination = destination_of(address)
        group = groups.get(destination)
        if group is None:
            groups[destination] = [Recipient(address)]
        else:
            group.append(Recipient(address))
    queued = []
    for position, (destination, group) in enumerate(groups.items()):
        owner, attempts, due_at = reserve(destination, now)
        queued.append(
            Delivery(  # of more than 15 keywords Python makes a dictionary first, which costs tenfold
                item.mailbox_id,
                item.message_id,
                position,
                destination,
                due_at=due_at,
                owner=owner,
                attempts=attempts,
                created_at=now,
                expires_at=expires_at,
                sender=to_wire((sender or NOBODY).address),
                recipients=tuple(group),
                subject=message.subject[:255],
                internet_message_id=message.internet_message_id,
                siblings=len(groups),
                wants_success=bool(message.is_delivery_receipt_requested)
                and not _suppresses_success(message),
                hidden=hidden,
            )
        )
    return queued if dsn is None else [_asking(delivery, dsn, message) for delivery in queued]


def _asking(delivery: Delivery, dsn: Dsn, message: Message) -> Delivery:
    """The delivery with what the envelope asked for, of its own recipients, in place of what the message asks for."""
    own = dsn.only([each.address for each in delivery.recipients])
    wants = any(own.wants(each.address, "SUCCESS") for each in delivery.recipients)
    return replace(delivery, dsn=own, wants_success=wants and not _suppresses_success(message))


class AutomaticDeliveries:
    """Deliveries of what a mailbox sends by itself: due at once, and no copy of it is kept."""

    def __init__(self, destination_of: Callable[[str], str], settings: DeliverySettings) -> None:
        self._destination_of = destination_of
        self._lasting = int(settings.expiry_seconds * SECOND)

    def of(
        self, item: Item, to: Iterable[Address], sender: Address | None, now: Instant
    ) -> tuple[Delivery, ...]:
        """Those of one item."""
        return tuple(
            deliveries_of(
                item,
                to,
                sender,
                self._destination_of,
                _waiting(now),
                now,
                now + self._lasting,
                hidden=True,
            )
        )


def _exceeded(address: str) -> str:
    return EXCEEDED


def _waiting(due_at: Instant) -> Reserve:
    return lambda destination, now: (0, 0, due_at)


def _suppresses_success(message: Message) -> bool:
    return suppresses(fields_of(message.headers), "DR")


def unique(addresses: Iterable[Address]) -> list[str]:
    """Each address once, as SMTP has it, the first spelling kept; letter case does not make two of one.

    Lower case, not casefolded: straße and strasse are two people.
    """
    found: dict[str, str] = {}
    for address in addresses:
        spelled = to_wire(address.address)
        found.setdefault(spelled.lower(), spelled)
    return list(found.values())
