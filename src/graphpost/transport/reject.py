"""The courier that refuses: forbidden domains, and those that no route leads to."""

from __future__ import annotations

import re
from typing import Final

from graphpost.transport.courier import Deferred, Envelope, Failed, Outcome, Reply
from graphpost.transport.wire import one_line

REJECTED: Final = Failed(Reply(550, "5.7.1", "mail to this domain is not allowed here", ""))


_STATUS: Final = re.compile(r"(5\.\d{1,3}\.\d{1,3})\s+(\S.*)", re.DOTALL)


def refusal(words: str) -> Failed:
    """A refusal in an operator's words, which may begin with an enhanced status of class 5 (RFC 3463)."""
    if found := _STATUS.fullmatch(words):
        return Failed(Reply(550, found[1], one_line(found[2])))
    return Failed(Reply(550, "5.7.1", one_line(words)))


class RejectCourier:
    """Every recipient has the same answer, at once."""

    def __init__(self, outcome: Failed | Deferred = REJECTED) -> None:
        self._outcome: Outcome = outcome

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        return (self._outcome,) * len(envelope.recipients)

    async def close(self) -> None:
        """Nothing to let go of."""
