"""What a mailbox may send, as the submitter asks for it."""

from __future__ import annotations

from typing import Protocol

from graphpost.clock import Instant


class Rations(Protocol):
    """Counts messages and their recipients, by mailbox."""

    async def due(self, mailbox_id: int, recipients: int, now: Instant) -> Instant | None:
        """Count a message: when it may leave, `now` at the earliest; None, and not counted, when it may not."""
        ...

    def give_back(self, mailbox_id: int, recipients: int, due_at: Instant) -> None:
        """A message that was counted, and was to leave then, was not accepted after all."""
        ...
