"""Giving queued mail another destination: others take a delivery's place."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Tx


def put_in_place(tx: Tx, claimed: Delivery, owner: int, parts: Sequence[Delivery]) -> bool:
    """Replace a delivery that is still `owner`'s by its parts; False, and nothing done, when it is not.

    The first part keeps the position; the others get positions that the message does not have yet.
    """
    gone = tx.execute(
        "DELETE FROM deliveries"
        " WHERE bucket = ? AND message_id = ? AND position = ? AND owner = ? AND attempts = ? AND state = 0",
        (
            deliveries.bucket_of(claimed.mailbox_id),
            claimed.message_id,
            claimed.position,
            owner,
            claimed.attempts,
        ),
    )
    if gone != 1:
        return False
    others = deliveries.get(tx, claimed.mailbox_id, claimed.message_id)
    free = max((claimed.position, *(other.position for other in others))) + 1
    total = len(others) + len(parts)
    for index, part in enumerate(parts):
        position = free + index - 1 if index else claimed.position
        deliveries.add(tx, replace(part, position=position, siblings=total))
    return True
