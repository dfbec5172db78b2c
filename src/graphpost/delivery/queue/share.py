"""A share: how much of something scarce each of many destinations may have.

Half of the total is for whoever wants it, but nobody gets more of that half than is left of it (the dynamic thresholds of
Choudhury and Hahne, 1998): one alone has a quarter of the total, the more there are the less has each, and something is
always free.  The other half is for those who have nearly nothing, so that destinations which hold on to what they have
never keep others out.
"""

from __future__ import annotations


class Share:
    """`total` of something, `used` of which are taken; up to `least` for one come from the half that is kept back."""

    __slots__ = ("_common", "_least", "_total", "used")

    def __init__(self, total: int, least: int) -> None:
        self._total = total
        self._common = total // 2
        self._least = least
        self.used = 0

    @property
    def is_full(self) -> bool:
        return self.used >= self._total

    def room(self, held: int) -> int:
        """How many more somebody who holds `held` may take now; negative when that is too much already."""
        used, common = self.used, self._common
        fair = (common - used - held) // 2  # held + n <= common - (used + n)
        if held > self._least:
            return fair
        return max(0, fair, min(self._least - held, self._total - used))
