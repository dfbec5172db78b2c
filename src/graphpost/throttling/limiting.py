"""The limits that the settings ask for, put together; what is off is not there."""

from __future__ import annotations

from graphpost.clock import Clock
from graphpost.config import ThrottlingSettings
from graphpost.maillog import MailLog
from graphpost.store.store import Store
from graphpost.throttling.profiles import limits_messages, limits_of, limits_requests
from graphpost.throttling.rations import Rations
from graphpost.throttling.sharing import Sharing
from graphpost.throttling.throttle import Throttle


class Throttling:
    """`throttle` holds back requests, `rations` messages; each is None when nothing does."""

    def __init__(self, settings: ThrottlingSettings, store: Store, clock: Clock, log: MailLog) -> None:
        limits = limits_of(settings)
        self._sharing = Sharing(store, clock, log)
        self.throttle = Throttle(limits, clock, self._sharing) if limits_requests(limits) else None
        self.rations = Rations(limits, self._sharing, log) if limits_messages(limits) else None

    async def run(self) -> None:
        """Keep in step with other processes until cancelled, and tell the store what is left; nothing when all is off."""
        sweepers = [each.sweep for each in (self.throttle, self.rations) if each is not None]
        if sweepers:
            try:
                await self._sharing.run(sweepers)
            finally:
                await self._sharing.close()
