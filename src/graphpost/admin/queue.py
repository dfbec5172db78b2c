"""What an administrator can see of the queue and do with it.

Part of `operations.Operations`.  Work on many deliveries is done in steps: each looks at a bounded number of them, in
short transactions, and says where the next one begins, so that a queue of any size is worked on while mail goes on.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from graphpost.admin import shown
from graphpost.clock import Clock, Instant
from graphpost.errors import ConfigurationError, GraphpostError
from graphpost.ids import Numbers, parse_item_id
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import Mailbox
from graphpost.store.directory import accounts
from graphpost.store.mailbox import deferrals, messages
from graphpost.store.mailbox.deferrals import Deferral
from graphpost.store.queue import deliveries, depths, interventions, lookups, reported
from graphpost.store.queue.deliveries import Delivery, RecipientState
from graphpost.store.queue.interventions import STATES, Action, Key, Tally
from graphpost.store.queue.lookups import Choice
from graphpost.store.queue.reported import Reported
from graphpost.store.store import Store, Tx

QueueState = Literal[
    "waiting", "queued", "done", "held", "deferred", "delivered", "captured", "failed", "cancelled"
]
STEP: Final = 5000  # deliveries that one request looks at
AT_ONCE: Final = 250  # to a transaction
MOST_LISTED: Final = 10_000

_QUEUE_ID: Final = re.compile(r"[0-9A-Fa-f]{16}")
_CURSOR: Final = re.compile(r"([0-2])\.(\d{1,2})\.(\d{1,19})\.(\d{1,5})")
_STATES: Final = {"queued": deliveries.QUEUED, "done": deliveries.DONE, "held": deliveries.HELD}
_OUTCOMES: Final[dict[str, RecipientState]] = {each: each for each in get_args(RecipientState)}
_NOTHING: Final[dict[Action, str]] = {
    "retry": "nothing of it is waiting",
    "hold": "nothing of it is waiting",
    "release": "nothing of it is held",
    "cancel": "nothing of it can be stopped any more",
}


class OperationError(GraphpostError):
    """It cannot be done; `status` is HTTP's: 404 when there is no such thing, 409 when its state forbids it."""

    def __init__(self, message: str, status: int = 404) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a step begins: the state and bucket that are looked at, and the last delivery of them that was."""

    state: int
    bucket: int = 0
    after: Key = (0, -1)

    @classmethod
    def parse(cls, text: str, states: tuple[int, ...]) -> Cursor:
        if not text:
            return cls(states[0])
        found = _CURSOR.fullmatch(text)
        numbers = [int(each) for each in found.groups()] if found else [0, 99, 0, 0]
        state, bucket, message_id, position = numbers
        if bucket >= deliveries.BUCKETS or state not in states or message_id >= 2**63:
            raise ConfigurationError("after", f"{text!r} is not what an earlier step answered")
        return cls(state, bucket, (message_id, position))

    def __str__(self) -> str:
        return f"{self.state}.{self.bucket}.{self.after[0]}.{self.after[1]}"

    def onward(self, states: tuple[int, ...]) -> Cursor | None:
        """The next bucket, or the first one of the next state; None after the last."""
        if self.bucket + 1 < deliveries.BUCKETS:
            return Cursor(self.state, self.bucket + 1, (0, 0))
        later = states[states.index(self.state) + 1 :]
        return Cursor(later[0], 0, (0, 0)) if later else None


async def nothing(*_: object) -> None:
    """Nobody has to be told."""


@dataclass(frozen=True, slots=True)
class QueueOperations:
    """`queue_changed` tells the server that something is due; `relinquish` has it give back what it does not attempt yet."""

    store: Store
    numbers: Numbers
    clock: Clock
    queue_changed: Callable[[], object] = lambda: None
    relinquish: Callable[[Callable[[Delivery], bool]], Awaitable[None]] = nothing

    async def list_queue(
        self,
        *,
        state: QueueState | None = None,
        mailbox: str = "",
        destination: str = "",
        sender: str = "",
        recipient: str = "",
        message_id: str = "",
        limit: int = 100,
        before: str = "",
    ) -> dict[str, Any]:
        """Deliveries, and drafts that wait for their time, newest first: of a state, a sender's mailbox and so on when
        given.  `next` is the `before` of the next page; a page may have less than `limit` messages though there is one.
        """
        most = max(1, min(limit, MOST_LISTED))
        below = _number(before) if before else lookups.NEWEST

        def run(tx: Tx) -> dict[str, Any]:
            box = find_mailbox(tx, mailbox).mailbox_id if mailbox else None
            choice = Choice(
                mailbox_id=box,
                destination=destination_of(destination),
                sender=sender,
                recipient=recipient,
                internet_message_id=_in_brackets(message_id),
                outcome=None if state in _STATES else _OUTCOMES.get(state or ""),
            )
            found, next_ = [], 0
            if state != "waiting":
                row_state = _STATES.get(state or "", deliveries.QUEUED if state == "deferred" else None)
                rows, next_ = lookups.page(tx, choice, state=row_state, limit=most, before=below)
                found += _shown(tx, rows)
            if state in (None, "waiting") and not before and not (destination or choice.looks_inside()):
                found += _shown_deferrals(tx, deferrals.listed(tx, most, box))
            found.sort(key=lambda entry: str(entry["id"]), reverse=True)
            return {"value": found, "next": f"{next_:016x}" if next_ else ""}

        return await self.store.read(run)

    async def list_destinations(self, *, limit: int = 100) -> dict[str, Any]:
        """Where deliveries wait or are held, the deepest first, and what each destination said last."""
        most, now = max(1, min(limit, MOST_LISTED)), self.clock.now()

        def run(tx: Tx) -> dict[str, Any]:
            found = list(depths.by_destination(tx, now).items())
            value = [
                shown.destination(name, each, depths.last_answer(tx, name) if each.later else None)
                for name, each in found[:most]
            ]
            return {"value": value, "destinations": len(found)}

        return await self.store.read(run)

    async def show_message(self, *, queue_id: str) -> dict[str, Any]:
        """A message's way to each recipient; `queue_id` may be Graph's id of the message, too."""
        return await self.store.read(lambda tx: _message(tx, queue_id))

    async def retry_message(self, *, queue_id: str, recipient: str = "") -> dict[str, Any]:
        """Make what is waiting of a message due now; a draft that waits for its time is sent."""
        return await self._act(queue_id, "retry", recipient, deferrals.hasten)

    async def hold_message(self, *, queue_id: str, recipient: str = "") -> dict[str, Any]:
        """Let what is waiting of a message wait until it is released."""
        return await self._act(queue_id, "hold", recipient)

    async def release_message(self, *, queue_id: str, recipient: str = "") -> dict[str, Any]:
        """Make what is held of a message due now."""
        return await self._act(queue_id, "release", recipient)

    async def cancel_message(
        self, *, queue_id: str, recipient: str = "", report: bool = False
    ) -> dict[str, Any]:
        """Give up what has not been delivered of a message; the sender gets a report when that is asked for.

        A draft that waits stays a draft.
        """
        return await self._act(queue_id, "cancel", recipient, deferrals.cancel, report=report)

    async def act_on_queue(
        self,
        *,
        action: Action,
        mailbox: str = "",
        destination: str = "",
        sender: str = "",
        recipient: str = "",
        everything: bool = False,
        report: bool = False,
        after: str = "",
    ) -> dict[str, Any]:
        """A step of retrying, holding, releasing or cancelling all that is meant; `next` is the `after` of the next one.

        All there is only when `everything` says so.  What is being attempted is left, and counted as `under_way`.
        """
        if not (mailbox or destination or sender or recipient or everything):
            raise ConfigurationError(
                "everything", "name a mailbox, destination, sender or recipient, or say so"
            )
        box = await self.store.read(lambda tx: find_mailbox(tx, mailbox).mailbox_id) if mailbox else None
        choice = Choice(
            mailbox_id=box, destination=destination_of(destination), sender=sender, recipient=recipient
        )
        cursor: Cursor | None = Cursor.parse(after, STATES[action])
        if not after and action in ("hold", "cancel"):
            await self.relinquish(choice.means)
        tally, looked_at = Tally(), 0
        while cursor is not None and looked_at < STEP:
            done, seen, cursor = await self._step(cursor, action, choice, STEP - looked_at, report=report)
            tally, looked_at = tally + done, looked_at + seen
        if tally.deliveries:
            self.queue_changed()
        return {
            "deliveries": tally.deliveries,
            "recipients": tally.recipients,
            "under_way": tally.under_way,
            "looked_at": looked_at,
            "next": str(cursor) if cursor else "",
        }

    async def _step(
        self, cursor: Cursor, action: Action, choice: Choice, most: int, *, report: bool
    ) -> tuple[Tally, int, Cursor | None]:
        """Deal with up to `most` deliveries of a bucket: what was done, how many were looked at, and where it goes on."""
        bucket, now = cursor.bucket, self.clock.now()
        if choice.mailbox_id is not None and bucket != deliveries.bucket_of(choice.mailbox_id):
            return Tally(), 0, cursor.onward(STATES[action])
        some = await self.store.read(
            lambda tx: interventions.keys(tx, bucket, cursor.state, choice, cursor.after, most)
        )
        tally = Tally()
        for start in range(0, len(some), AT_ONCE):
            part = some[start : start + AT_ONCE]
            tally += await self.store.write(
                lambda tx, part=part: interventions.act(  # type: ignore[misc]
                    tx, action, bucket, part, choice, now, report=report
                )
            )
        if len(some) < most:
            return tally, len(some), cursor.onward(STATES[action])
        return tally, len(some), Cursor(cursor.state, bucket, some[-1])

    async def _act(
        self,
        queue_id: str,
        action: Action,
        recipient: str,
        act_on_draft: Callable[[Tx, Deferral, Instant], Deferral] | None = None,
        *,
        report: bool = False,
    ) -> dict[str, Any]:
        now, choice, number = self.clock.now(), Choice(recipient=recipient), _number(queue_id)
        if action in ("hold", "cancel"):
            await self.relinquish(lambda each: each.message_id == number)

        def run(tx: Tx) -> dict[str, Any]:
            found, row = _find(tx, queue_id)
            if row is not None:
                if act_on_draft is None or recipient:
                    raise OperationError(
                        f"{queue_id}: it waits in Drafts for its time, not in the queue", 409
                    )
                after = act_on_draft(tx, row, now)
                state = "waiting" if deferrals.find(tx, row.message_id) else "cancelled"
                return shown.message(f"{row.message_id:016x}", _shown_deferrals(tx, [after], state))
            if recipient and not any(map(choice.wants, (each for of in found for each in of.recipients))):
                raise OperationError(f"{queue_id}: it is not for {recipient}")
            bucket = deliveries.bucket_of(found[0].mailbox_id)
            places = [(each.message_id, each.position) for each in found]
            tally = interventions.act(tx, action, bucket, places, choice, now, report=report)
            if not tally.deliveries:
                why = "it is being attempted at this moment" if tally.under_way else _NOTHING[action]
                raise OperationError(f"{queue_id}: {why}", 409)
            return {**_message(tx, f"{places[0][0]:016x}"), "under_way": tally.under_way}

        result = await self.store.write(run)
        self.queue_changed()
        return result


def destination_of(text: str) -> str:
    """A destination key; a bare domain means its mail exchangers."""
    return f"mx:{domain_of(f'a@{text}')}" if "." in text and ":" not in text else text


def _in_brackets(message_id: str) -> str:
    return message_id if not message_id or message_id.startswith("<") else f"<{message_id}>"


def _number(queue_id: str) -> int:
    number = int(queue_id, 16) if _QUEUE_ID.fullmatch(queue_id) else -1
    if 0 <= number < 2**63:
        return number
    try:
        return parse_item_id(queue_id).message_id
    except ValueError:
        raise OperationError(f"there is no message {queue_id!r} in the queue") from None


def _find(tx: Tx, queue_id: str) -> tuple[list[Delivery], Deferral | None]:
    """A message's deliveries, or what it waits for before there are any."""
    number = _number(queue_id)
    if found := deliveries.find(tx, number):
        return found, None
    row = deferrals.find(tx, number)
    if row is not None and _shown_deferrals(tx, [row]):
        return [], row
    raise OperationError(f"there is no message {queue_id!r} in the queue")


def _message(tx: Tx, queue_id: str) -> dict[str, Any]:
    found, row = _find(tx, queue_id)
    if row is not None:
        return shown.message(f"{row.message_id:016x}", _shown_deferrals(tx, [row]))
    first = found[0]
    said = reported.of_message(tx, first.mailbox_id, first.message_id)
    return shown.message(f"{first.message_id:016x}", _shown(tx, found, said))


def _shown_deferrals(tx: Tx, rows: Iterable[Deferral], state: str = "waiting") -> list[dict[str, Any]]:
    """Those whose draft is still there."""
    addresses = {box.mailbox_id: box.address for box in accounts.list_mailboxes(tx)}
    found = []
    for row in rows:
        item = messages.get(tx, row.mailbox_id, row.message_id)
        if item is not None and item.is_draft:
            found.append(shown.deferral(row, item, addresses.get(row.mailbox_id, ""), state))
    return found


def _shown(
    tx: Tx, found: Iterable[Delivery], said: Mapping[str, Reported] = MappingProxyType({})
) -> list[dict[str, Any]]:
    addresses = {box.mailbox_id: box.address for box in accounts.list_mailboxes(tx)}
    return [shown.delivery(delivery, addresses.get(delivery.mailbox_id, ""), said) for delivery in found]


def find_mailbox(tx: Tx, address: str) -> Mailbox:
    """The mailbox of a primary address or an object id."""
    wanted = address.casefold()
    for box in accounts.list_mailboxes(tx):
        if wanted in (box.address.casefold(), box.object_id):
            return box
    raise OperationError(f"there is no mailbox {address}")
