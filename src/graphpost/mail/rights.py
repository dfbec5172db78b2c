"""Rights between mailboxes: who may open another's, and send in its name.

Full Access opens a mailbox to somebody else.  Send As lets somebody be its author, as if the owner had written; Send on
Behalf too, but says who it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

Right = Literal["FullAccess", "SendAs", "SendOnBehalf"]
FULL_ACCESS: Final = "FullAccess"
SEND_AS: Final = "SendAs"
SEND_ON_BEHALF: Final = "SendOnBehalf"
RIGHTS: Final[tuple[Right, ...]] = (FULL_ACCESS, SEND_AS, SEND_ON_BEHALF)
NO_RIGHTS: Final[frozenset[Right]] = frozenset()
GROUP: Final = "group:"

Held = Mapping[tuple[int, int], frozenset[Right]]
"""By the numbers of who has rights, and of the mailbox they are to."""


class Given(Struct, frozen=True, kw_only=True):
    """Rights to a mailbox.  `holder` is an address or an object id, or `group:` and the name of a group."""

    mailbox_id: int
    holder: str
    rights: frozenset[Right]
    origin: Literal["settings", "command"] = "command"


def held(given: Iterable[Given], named: Callable[[str], Iterable[int]]) -> Held:
    """Who has which rights; `named` tells whom a holder stands for.  Nobody has any to the own mailbox."""
    found: dict[tuple[int, int], frozenset[Right]] = {}
    for each in given:
        for number in named(each.holder):
            if number != each.mailbox_id:
                key = number, each.mailbox_id
                found[key] = found.get(key, NO_RIGHTS) | each.rights
    return found
