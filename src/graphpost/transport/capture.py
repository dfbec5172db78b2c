"""The courier that keeps: all is delivered, and nothing leaves the machine."""

from __future__ import annotations

from typing import Final

from graphpost.transport.courier import Delivered, Envelope, Outcome, Reply

CAPTURED: Final = Delivered(Reply(250, "2.0.0", "captured", ""))


class CaptureCourier:
    """Where no route leads: the message stays in the store, where it can be looked at."""

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        return (CAPTURED,) * len(envelope.recipients)

    async def close(self) -> None:
        """Nothing to let go of."""
