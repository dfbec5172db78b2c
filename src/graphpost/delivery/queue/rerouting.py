"""Rerouting: mail for a destination the settings no longer know goes elsewhere.

A destination key is stored with each delivery.  When its route was taken out of the settings (or its relay has moved),
the recipients that still wait are routed again; when they part ways, so does the delivery.  What was settled before
stays as it is, and so do the message's age and expiry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from graphpost.clock import NEVER, Instant
from graphpost.maillog import MailLog
from graphpost.store.queue import deliveries, destinations, rerouting
from graphpost.store.queue.deliveries import Delivery, Recipient
from graphpost.store.store import Store, Tx


class Rerouter:
    """`destination_of` an address says the router, `is_known` of a destination say the outlets."""

    def __init__(
        self,
        *,
        store: Store,
        destination_of: Callable[[str], str],
        is_known: Callable[[str], bool],
        log: MailLog,
        owner: int,
    ) -> None:
        self._store = store
        self._destination_of = destination_of
        self._log = log
        self._owner = owner
        self.is_known = is_known

    async def reroute(self, claimed: Sequence[Delivery], now: Instant) -> None:
        """Move deliveries that are leased to us; they are due at once."""
        moves = [(delivery, divided(delivery, self._destination_of, now)) for delivery in claimed]

        def move(tx: Tx) -> list[bool]:
            return [rerouting.put_in_place(tx, delivery, self._owner, parts) for delivery, parts in moves]

        for (delivery, parts), moved in zip(moves, await self._store.write(move), strict=True):
            if moved:
                for part in parts:
                    self._log.rerouted(delivery.message_id, delivery.destination, part.destination)

    async def open_gates(self) -> None:
        """Hold nothing back for the sake of a destination that is none any more."""

        def unknown(tx: Tx) -> set[str]:
            return {
                destination for destination in destinations.due(tx, NEVER) if not self.is_known(destination)
            }

        for destination in sorted(await self._store.read(unknown)):
            await self._open(destination)

    async def _open(self, destination: str) -> None:
        await self._store.write(lambda tx: destinations.hold(tx, destination, 0, 0))


def divided(delivery: Delivery, destination_of: Callable[[str], str], now: Instant) -> list[Delivery]:
    """The delivery by where its waiting recipients go now; the first part keeps those already settled."""
    groups: dict[str, list[Recipient]] = {}
    settled: list[Recipient] = []
    for recipient in delivery.recipients:
        if recipient.state in deliveries.OPEN:
            groups.setdefault(destination_of(recipient.address), []).append(recipient)
        else:
            settled.append(recipient)
    parts: list[Delivery] = []
    for destination, waiting in groups.items():
        recipients = tuple(waiting) if parts else (*settled, *waiting)
        parts.append(
            replace(delivery, destination=destination, recipients=recipients, owner=0, attempts=0, due_at=now)
        )
    return parts
