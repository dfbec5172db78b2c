"""The courier that refuses: for domains the configuration forbids."""

from __future__ import annotations

from typing import Final

from graphpost.transport.courier import Envelope, Failed, Outcome, Reply

REJECTED: Final = Failed(Reply(550, "5.7.1", "mail to this domain is not allowed here", ""))


class RejectCourier:
    """Every recipient fails at once, with the same answer."""

    def __init__(self, outcome: Failed = REJECTED) -> None:
        self._outcome = outcome

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        return (self._outcome,) * len(envelope.recipients)

    async def close(self) -> None:
        """Nothing to let go of."""
