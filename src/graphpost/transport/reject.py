"""The courier that refuses: forbidden domains, and those that no route leads to."""

from __future__ import annotations

from typing import Final

from graphpost.transport.courier import Deferred, Envelope, Failed, Outcome, Reply

REJECTED: Final = Failed(Reply(550, "5.7.1", "mail to this domain is not allowed here", ""))


class RejectCourier:
    """Every recipient has the same answer, at once."""

    def __init__(self, outcome: Failed | Deferred = REJECTED) -> None:
        self._outcome: Outcome = outcome

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        return (self._outcome,) * len(envelope.recipients)

    async def close(self) -> None:
        """Nothing to let go of."""
