"""Suppressing: what is on the suppression list is not sent to.

Senders are told at once.  The list is remembered in memory and read again when it was changed, here or in another
process.  A suppressed recipient goes to the destination `suppressed`, where everything fails, so that others are
undisturbed and the report is like any other.  When settings say so, addresses that a host refused for good are put on
the list for a time.
"""

from __future__ import annotations

from typing import Final

from graphpost.clock import SECOND, Clock, Instant, to_text
from graphpost.config import SuppressionSettings
from graphpost.delivery.routing import MX
from graphpost.delivery.settle import Conclusion
from graphpost.maillog import MailLog
from graphpost.store.queue import suppressions
from graphpost.store.queue.suppressions import Suppression
from graphpost.store.store import Store, Tx
from graphpost.transport.courier import Envelope, Failed, Reply

DEFAULT_STATUS: Final = "5.7.1"  # RFC 3463: delivery not authorized, message refused
REFRESH_SECONDS: Final = 2.0
MOST_PENDING: Final = 10_000  # bounces not yet written; of more in two seconds some will bounce again


class Suppressions:
    """The list as this process knows it."""

    def __init__(self, store: Store, settings: SuppressionSettings, clock: Clock, log: MailLog) -> None:
        self.entries: dict[str, Instant] = {}
        self._store = store
        self._statuses = frozenset(settings.statuses)
        self._lasting = int(settings.seconds * SECOND)
        self._clock = clock
        self._log = log
        self._revision = -1
        self._pending: dict[str, Suppression] = {}

    def has(self, address: str) -> bool:
        """Whether nothing is sent to an address."""
        if not self.entries:
            return False
        entry = suppressions.entry_of(address)
        return self._is_in_force(entry) or self._is_in_force(f"@{entry.rpartition('@')[2]}")

    def _is_in_force(self, entry: str) -> bool:
        until = self.entries.get(entry)
        return until is not None and (until == 0 or self._clock.now() < until)

    def note(self, conclusion: Conclusion) -> None:
        """Remember recipients whom a host refused for good, if they are to be suppressed."""
        destination = conclusion.delivery.destination
        if not self._statuses or not ("://" in destination or destination.startswith(MX)):
            return
        for recipient in conclusion.failed:
            said = recipient.reply
            if said is None or said.code < 500 or said.status not in self._statuses:
                continue
            if len(self._pending) < MOST_PENDING:
                now, entry = self._clock.now(), suppressions.entry_of(recipient.address)
                reason = f"{said.host or 'its host'} answered {said.code} {said.status} {said.text}"[:500]
                self._pending[entry] = Suppression(
                    entry, reason, said.status, "bounce", now, now + self._lasting
                )

    async def refresh(self) -> None:
        """Read the list again if it is another than ours."""
        revision = await self._store.read(suppressions.revision)
        if revision != self._revision:
            self.entries = await self._store.read(suppressions.load)
            self._revision = revision

    async def watch(self) -> None:
        """Write what was noted, and refresh, for ever."""
        while True:
            await self._clock.sleep(REFRESH_SECONDS)
            try:
                await self.once()
            except Exception as error:  # the next round may succeed; the old list serves meanwhile
                self._log.problem("suppressions", error)

    async def once(self) -> None:
        if self._pending:
            noted, self._pending = self._pending, {}
            try:
                await self._store.write(lambda tx: suppressions.put(tx, noted.values()))
            except BaseException:
                self._pending = noted | self._pending
                raise
            for each in noted.values():
                self._log.suppressed(each.entry, each.reason, each.expires_at)
        await self.refresh()


class SuppressedCourier:
    """Everybody fails, with the reason why nothing is sent."""

    def __init__(self, store: Store, hostname: str) -> None:
        self._store = store
        self._hostname = hostname

    async def deliver(self, envelope: Envelope) -> tuple[Failed, ...]:
        def read(tx: Tx) -> list[Suppression | None]:
            return [suppressions.find(tx, address) for address in envelope.recipients]

        return tuple([Failed(self._reply(each)) for each in await self._store.read(read)])

    def _reply(self, found: Suppression | None) -> Reply:
        """What a sender is told; the entry may be gone by now."""
        text = "not sent: the address is on the suppression list of this server"
        status = DEFAULT_STATUS
        if found is not None:
            status = found.status or DEFAULT_STATUS
            what = f"the domain {found.entry[1:]}" if found.entry.startswith("@") else "the address"
            text = f"not sent: {what} is on the suppression list of this server since {to_text(found.created_at)}"
            text += f": {found.reason}" if found.reason else ""
        return Reply(550, status, text, self._hostname)

    async def close(self) -> None:
        """Nothing to let go of."""
