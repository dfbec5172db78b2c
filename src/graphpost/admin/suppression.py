"""What an administrator can do with the suppression list.

Part of `operations.Operations`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from graphpost.admin import shown
from graphpost.admin.queue import OperationError, QueueOperations, nothing
from graphpost.clock import Instant, from_datetime
from graphpost.config import check_domain
from graphpost.config.people import check_address
from graphpost.errors import ConfigurationError
from graphpost.store.queue import suppressions
from graphpost.store.queue.suppressions import Suppression, entry_of
from graphpost.store.store import Tx

AT_ONCE: Final = 1000  # entries in one request
_STATUS: Final = re.compile(r"5\.[0-9]{1,3}\.[0-9]{1,3}")
_REASON: Final = 500  # characters


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be suppressed: an address or `@domain`; `expires` as lists show it, '' is never."""

    address: str
    reason: str = ""
    expires: str = ""
    status: str = ""
    origin: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class SuppressionOperations(QueueOperations):
    """`suppressions_changed` tells the server that what it remembers of the list is old."""

    suppressions_changed: Callable[[], Awaitable[None]] = nothing

    async def list_suppressions(self, *, after: str = "", limit: int = 100, find: str = "") -> dict[str, Any]:
        """What nothing is sent to, in order; `find`: only what suppresses this address.  `next` is the next `after`."""
        most = max(1, min(limit, AT_ONCE))

        def run(tx: Tx) -> list[Suppression]:
            if find:
                found = suppressions.find(tx, find)
                return [] if found is None else [found]
            return suppressions.listed(tx, after, most + 1)

        found = await self.store.read(run)
        next_ = found[most - 1].entry if len(found) > most else ""
        return {"value": [shown.suppression(each) for each in found[:most]], "next": next_}

    async def add_suppressions(self, *, entries: list[Entry]) -> dict[str, Any]:
        """Send nothing more to addresses or domains; what is on its way is not touched.  How many there were."""
        if len(entries) > AT_ONCE:
            raise ConfigurationError("entries", f"at most {AT_ONCE} at once")
        now = self.clock.now()
        some = [_suppression(each, f"entries[{i}]", now) for i, each in enumerate(entries)]
        await self.store.write(lambda tx: suppressions.put(tx, some))
        await self.suppressions_changed()
        return {"added": len(some)}

    async def remove_suppression(self, *, address: str) -> dict[str, Any]:
        """Send to an address, or a domain, again."""
        entry = entry_of(address)
        if not await self.store.write(lambda tx: suppressions.remove(tx, entry)):
            raise OperationError(f"{address} is not on the suppression list")
        await self.suppressions_changed()
        return {"removed": entry}


def _suppression(given: Entry, key: str, now: Instant) -> Suppression:
    if given.address.startswith("@"):
        check_domain(given.address[1:], f"{key}.address")
    else:
        check_address(given.address, f"{key}.address")
    if not given.reason.isprintable() or len(given.reason) > _REASON:
        raise ConfigurationError(f"{key}.reason", f"must be one line of at most {_REASON} characters")
    if given.status and not _STATUS.fullmatch(given.status):
        raise ConfigurationError(f"{key}.status", f"{given.status!r} is not a status such as 5.1.1")
    until = 0
    if given.expires:
        try:
            until = from_datetime(datetime.fromisoformat(given.expires))
        except (ValueError, TypeError):
            raise ConfigurationError(
                f"{key}.expires", f"{given.expires!r} is not a time such as 2027-01-31T00:00:00Z"
            ) from None
        if until <= now:
            raise ConfigurationError(f"{key}.expires", "is past")
    return Suppression(entry_of(given.address), given.reason, given.status, "administrator", now, until)
