"""What the readers of a body carry along: limits, the present, contents."""

from __future__ import annotations

from msgspec import Struct, field

from graphpost.clock import Instant
from graphpost.config import LimitSettings
from graphpost.ids import Numbers


class Reading(Struct):
    """One body being read.

    `contents` are the bytes of attachments by the number given to them; `level` counts attached messages inside
    attached messages.
    """

    limits: LimitSettings
    numbers: Numbers
    now: Instant
    contents: dict[int, bytes] = field(default_factory=dict)
    level: int = 0

    def keep(self, data: bytes) -> int:
        """The number under which these bytes are stored from now on."""
        content_id = self.numbers.next()
        self.contents[content_id] = data
        return content_id

    def inner(self) -> Reading:
        """For a message attached to this one: its contents end inside its MIME, not in the store."""
        return Reading(self.limits, self.numbers, self.now, level=self.level + 1)
