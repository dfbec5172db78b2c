"""What an administrator can look up in the audit log.

Part of `operations.Operations`.  Records are found newest first, over all mailboxes; each request looks at a bounded number of
them and says where the next one goes on.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from graphpost.admin.queue import OperationError, QueueOperations
from graphpost.clock import Instant, from_datetime
from graphpost.errors import ConfigurationError
from graphpost.ids import NEWEST, number_at, parse_item_id
from graphpost.store import audit
from graphpost.store.audit import NO_MAILBOX, Record, line_of
from graphpost.store.directory import accounts, deleted
from graphpost.store.store import Tx

AT_ONCE: Final = 1000  # records in one answer
LOOKED_AT: Final = 20_000  # records for one answer
_FETCHED: Final = 200


class Wanted(Struct, frozen=True, kw_only=True):
    """What a record has to be; '' and 0 ask for nothing.  Of one that cannot be read nobody knows."""

    message_id: int = 0
    application: str = ""
    user: str = ""
    recipient: str = ""
    remote: str = ""
    action: str = ""
    failed: bool = False

    def takes(self, record: Record) -> bool:
        actor = record.actor
        if actor.kind == "unreadable":  # it may be what is looked for
            return True
        return (
            (not self.message_id or record.message_id == self.message_id)
            and (not self.application or actor.client_id.casefold() == self.application)
            and (not self.user or self.user in (actor.person.casefold(), actor.object_id.casefold()))
            and (not self.recipient or self.recipient in map(str.casefold, record.recipients))
            and (not self.remote or actor.remote == self.remote)
            and (not self.action or self.action in actor.action.casefold())
            and (not self.failed or record.status >= 400)
        )


@dataclass(frozen=True, slots=True)
class AuditOperations(QueueOperations):
    """Nothing is changed."""

    async def search_audit(
        self,
        *,
        mailbox: str = "",
        message: str = "",
        application: str = "",
        user: str = "",
        recipient: str = "",
        remote: str = "",
        action: str = "",
        since: str = "",
        until: str = "",
        failed: bool = False,
        before: str = "",
        limit: int = 100,
    ) -> dict[str, Any]:
        """Records, the newest first; `next`, when there may be more, is the next `before`.

        `message` is the queue's id of a message or Graph's; times are ISO 8601, UTC unless they say otherwise.
        """
        number = _message(message)
        wanted = Wanted(
            message_id=number,
            application=application.casefold(),
            user=user.casefold(),
            recipient=recipient.casefold(),
            remote=remote,
            action=action.casefold(),
            failed=failed,
        )
        least = max(number_at(_time(since, "since")) if since else 0, number)
        most = number_at(_time(until, "until")) if until else NEWEST
        below = min(most, _cursor(before) if before else NEWEST)
        count = max(1, min(limit, AT_ONCE))

        def run(tx: Tx) -> tuple[list[Record], int]:
            return _search(tx, _mailboxes(tx, mailbox, number), wanted, below, least, count)

        found, following = await self.store.read(run)
        shown: dict[str, Any] = {"records": [msgspec.to_builtins(line_of(record)) for record in found]}
        return {**shown, "next": f"{following:016x}"} if following else shown


def _search(
    tx: Tx, boxes: Sequence[int], wanted: Wanted, below: int, least: int, count: int
) -> tuple[list[Record], int]:
    """What is wanted, and the number from which to go on (0: there is no more)."""
    found: list[Record] = []
    each = (_of(tx, box, below, least) for box in boxes)
    for looked_at, record in enumerate(heapq.merge(*each, key=lambda record: -record.number), 1):
        if wanted.takes(record):
            found.append(record)
        if len(found) == count or looked_at == LOOKED_AT:
            return found, record.number
    return found, 0


def _of(tx: Tx, mailbox_id: int, below: int, least: int) -> Iterator[Record]:
    """A mailbox's records, the newest first, fetched as they are needed."""
    while some := audit.below(tx, mailbox_id, below, least, _FETCHED):
        yield from some
        below = some[-1].number


def _mailboxes(tx: Tx, address: str, message_id: int) -> list[int]:
    """Where to look: one that is named, that which sent the message, or all and what is of none."""
    if address:
        gone, box = deleted.find_all(tx, address), accounts.load_directory(tx).find(address)
        if box is None and not gone:
            raise OperationError(f"there is no mailbox {address}")
        return gone if box is None else [*gone, box.mailbox_id]
    boxes = accounts.list_numbers(tx)
    sender = [box for box in boxes if message_id and audit.get(tx, box, message_id) is not None]
    return sender or [NO_MAILBOX, *boxes]


def _message(text: str) -> int:
    if not text:
        return 0
    if len(text) == 16:
        try:
            return int(text, 16)
        except ValueError:
            pass
    try:
        return parse_item_id(text).message_id
    except ValueError:
        raise OperationError(f"{text!r} is no id of a message", 400) from None


def _time(text: str, key: str) -> Instant:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(key, f"{text!r} is no time such as 2026-11-20T09:30:00Z") from None
    return from_datetime(found if found.tzinfo else found.replace(tzinfo=UTC))


def _cursor(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise OperationError(f"{text!r} is not where a list goes on", 400) from None
