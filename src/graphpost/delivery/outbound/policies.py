"""MTA-STS policies of domains that mail goes to (RFC 8461): found, kept, renewed.

A domain's record is looked up every ten minutes at most, while there is mail for it.  Its policy is fetched when there
is none, when the record's id has changed, and once a day (earlier, when it lasts for less than two), the last also when no
mail is going there.  A policy that was fetched counts until its end, whatever record and host say meanwhile; no
answer is no reason to forget it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec import Struct

from graphpost.clock import SECOND, Clock, Instant
from graphpost.config import RouteSettings
from graphpost.delivery.outbound.levels import DAY, REMEMBERED
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.queue import tls
from graphpost.store.queue.deliveries import BUCKETS
from graphpost.store.queue.tls import StoredPolicy
from graphpost.store.store import Store, Tx
from graphpost.transport.mta_sts import Policy, PolicyError, parse_policy, parse_records
from graphpost.transport.policy_host import PolicyHost
from graphpost.transport.resolver import LookupFailedError, NoSuchDomainError, Records

LOOK_SECONDS: Final = 600
SOONEST_SECONDS: Final = 60  # a policy's max_age may be less, and no message is to cost a fetch
RETRY_SECONDS: Final = 300  # after a fetch that failed (§3.3)
ROUND_SECONDS: Final = 3600.0
_KEPT: Final = 10_000  # domains in memory
_ROUND: Final = 1000  # policies refreshed in a round, of one bucket


class _Known(Struct, frozen=True):
    """What is known of a domain until `look_at`; without a policy all but that is empty."""

    look_at: Instant
    policy: Policy | None = None
    record_id: str = ""
    fetched_at: Instant = 0
    expires_at: Instant = 0

    @property
    def refresh_at(self) -> Instant:
        return self.fetched_at + min(DAY, (self.expires_at - self.fetched_at) // 2)


class Policies:
    """Finds the policy of a domain; one event loop."""

    def __init__(self, store: Store, resolver: Records, host: PolicyHost, clock: Clock, log: MailLog) -> None:
        self._store = store
        self._resolver = resolver
        self._host = host
        self._clock = clock
        self._log = log
        self._known: dict[str, _Known] = {}
        self._looking: dict[str, asyncio.Task[_Known]] = {}

    async def find(self, domain: str, route: RouteSettings) -> Policy | None:
        """The policy that counts now; whoever asks meanwhile waits for the same look.  Raises StoreError."""
        now = self._clock.now()
        known = self._known.get(domain)
        if known is None or now >= known.look_at:
            known = await asyncio.shield(self._look_once(domain, route))
        return known.policy if now < known.expires_at else None

    def forget(self, domain: str) -> None:
        """Read it from the store again, and look."""
        self._known.pop(domain, None)

    async def run(self, route_of: Callable[[str], RouteSettings | None]) -> None:
        """Once an hour refresh what is due, and let go of what is over; for ever."""
        while True:
            await self._clock.sleep(ROUND_SECONDS)
            for bucket in range(BUCKETS):
                try:
                    await self._round(bucket, route_of)
                except Exception as error:  # the next round may succeed
                    self._log.problem("mta-sts", error)

    async def close(self) -> None:
        """End what is being looked up."""
        tasks = list(self._looking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self, bucket: int, route_of: Callable[[str], RouteSettings | None]) -> None:
        now = self._clock.now()
        await self._store.write(lambda tx: tls.prune(tx, bucket, now - REMEMBERED, now))

        def due(tx: Tx) -> list[StoredPolicy]:
            return tls.policies_to_refresh(tx, bucket, now, _ROUND)

        for stored in await self._store.read(due):
            route = route_of(stored.domain)
            if route is not None and route.mta_sts and now >= _known_of(stored, now).refresh_at:
                await asyncio.shield(self._look_once(stored.domain, route))

    def _look_once(self, domain: str, route: RouteSettings) -> asyncio.Task[_Known]:
        task = self._looking.get(domain)
        if task is None:
            task = self._looking[domain] = asyncio.create_task(self._look(domain, route))
            task.add_done_callback(partial(self._looked, domain))
        return task

    def _looked(self, domain: str, task: asyncio.Task[_Known]) -> None:
        del self._looking[domain]
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; nobody may be left

    async def _look(self, domain: str, route: RouteSettings) -> _Known:
        now = self._clock.now()
        stored = await self._store.read(lambda tx: tls.find_policy(tx, domain))
        known = _Known(now) if stored is None or now >= stored.expires_at else _known_of(stored, now)
        record_id = await self._record_id(domain)
        wait = LOOK_SECONDS
        if record_id and (record_id != known.record_id or now >= known.refresh_at):
            try:
                known = await self._fetch(domain, route, record_id)
            except PolicyError as error:
                self._log.policy_unavailable(domain, str(error))
                wait = RETRY_SECONDS
        return self._keep(domain, known, now + wait * SECOND)

    async def _record_id(self, domain: str) -> str | None:
        try:
            return parse_records(await self._resolver.texts(f"_mta-sts.{domain}"))
        except (NoSuchDomainError, LookupFailedError):
            return None

    async def _fetch(self, domain: str, route: RouteSettings, record_id: str) -> _Known:
        policy, text = await self._host.fetch(domain, ca_file=route.ca_file, allow_local=route.allow_local)
        now = self._clock.now()
        stored = StoredPolicy(domain, record_id, text, now, now + policy.max_age * SECOND)
        try:
            await self._store.write(lambda tx: tls.put_policy(tx, stored))
        except StoreError as error:  # it is in memory at least
            self._log.problem("mta-sts", error)
        return _known_of(stored, now)

    def _keep(self, domain: str, known: _Known, look_at: Instant) -> _Known:
        self._known.pop(domain, None)
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        if known.policy is not None:
            soonest = self._clock.now() + SOONEST_SECONDS * SECOND
            look_at = min(look_at, max(known.expires_at, soonest))
        kept = self._known[domain] = _Known(
            look_at, known.policy, known.record_id, known.fetched_at, known.expires_at
        )
        return kept


def _known_of(stored: StoredPolicy, now: Instant) -> _Known:
    """What was stored; as if there were nothing when it cannot be read any more."""
    try:
        policy = parse_policy(stored.policy)
    except PolicyError:
        return _Known(now)
    return _Known(now, policy, stored.record_id, stored.fetched_at, stored.expires_at)
