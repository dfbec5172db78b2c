"""The notifier: finds feeds with something to tell, and tells it.

It is woken by this process's commits, and looks by itself for what other processes committed and for what is due
again.  A feed is claimed before it is read and settled after its receiver answered (`store.notifications.feeds`), so two processes
don't tell the same thing, and a process that dies loses nothing.  What one URL gets goes in one request, whosever
subscriptions they are; receivers that failed have a share of the places of their own, so that they never hold up the
others.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from graphpost.clock import NEVER, SECOND, Clock, Instant, rest_after
from graphpost.config import NotificationSettings
from graphpost.maillog import MailLog
from graphpost.notifications.gathering import Told, Wording, gather
from graphpost.notifications.guard import EndpointError, parse_endpoint
from graphpost.notifications.handshake import Handshake
from graphpost.notifications.posting import Poster
from graphpost.notifications.settling import Outcome, Settled, settle
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.notifications.feeds import Feed
from graphpost.store.queue.deliveries import BUCKETS
from graphpost.store.store import Store, Tx

JSON_TYPE: Final = "application/json; charset=utf-8"
EXPIRY_SECONDS: Final = 60.0
_CLAIMED: Final = 100  # feeds in one request
_encode: Final = msgspec.json.Encoder().encode
Key = tuple[str, int]


class Notifier:
    """Runs in the server's event loop; `owner` tells this process's leases from others'.

    `handshake` and `settings` are for those who make subscriptions; they call `wake` afterwards.
    """

    def __init__(
        self,
        *,
        store: Store,
        poster: Poster,
        wording: Wording,
        settings: NotificationSettings,
        clock: Clock,
        log: MailLog,
        owner: int,
    ) -> None:
        self._store = store
        self._poster = poster
        self._wording = wording
        self.settings = self._settings = settings
        self.handshake = Handshake(poster, log)
        self._clock = clock
        self._log = log
        self._owner = owner
        self._feeds: dict[Key, Feed] = {}
        self._by_mailbox: dict[int, list[Key]] = {}
        self._waiting: dict[str, set[Key]] = defaultdict(set)  # by URL
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._running = False
        self._looking: asyncio.Task[None] | None = None
        self._expire_at: Instant = 0
        few = max(1, settings.concurrency // 4)
        self._places = {
            False: asyncio.Semaphore(max(1, settings.concurrency - few)),
            True: asyncio.Semaphore(few),
        }

    # Life

    async def start(self) -> None:
        """Take over what an earlier run left behind, then begin."""
        if self._store.dialect.name == "sqlite":
            now = self._clock.now()
            await self._store.write(lambda tx: [feeds.release(tx, bucket, now) for bucket in range(BUCKETS)])
        self._running = True
        loop = asyncio.get_running_loop()
        self._store.watch(lambda mailboxes: self._committed(loop, mailboxes))
        self._looking = asyncio.create_task(self._look_forever())

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Finish what is being sent, within that time; the rest is told after the next start."""
        self._running = False
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if tasks := list(self._telling.values()):
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def wake(self) -> None:
        """Look now: subscriptions have changed."""
        self._wake.set()

    # What there is to tell

    def _committed(self, loop: asyncio.AbstractEventLoop, mailboxes: Collection[int]) -> None:
        """Messages of these mailboxes changed; called by the store's threads, for every commit."""
        subscribed = self._by_mailbox
        if subscribed and not subscribed.keys().isdisjoint(mailboxes):
            try:
                loop.call_soon_threadsafe(self._changed, mailboxes)
            except RuntimeError:
                return  # the loop is closed: this is the end

    def _changed(self, mailboxes: Collection[int]) -> None:
        now = self._clock.now()
        for mailbox_id in mailboxes:
            for key in self._by_mailbox.get(mailbox_id, ()):
                feed = self._feeds.get(key)
                if feed is not None and feed.channel == feeds.CHANGES and self._is_free(feed, now):
                    self._offer(feed)

    def _is_free(self, feed: Feed, now: Instant) -> bool:
        """Whether it may be told now, or right after what we are telling it."""
        return feed.due_at <= now or feed.owner == self._owner

    async def _look_forever(self) -> None:
        while True:
            began = self._clock.now()
            try:
                await self._look(began)
            except Exception as error:  # the next round may succeed
                self._log.problem("notifications", error)
            took = (self._clock.now() - began) / SECOND
            try:
                async with asyncio.timeout(rest_after(took, self._settings.poll_seconds)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _look(self, now: Instant) -> None:
        """Read every feed, and offer those with something to tell."""
        if now >= self._expire_at:
            await self._store.write(lambda tx: _expire(tx, now))
            self._expire_at = now + int(EXPIRY_SECONDS * SECOND)
        found, news = await self._store.read(lambda tx: _look(tx, now))
        self._feeds = {feed.key: feed for feed in found}
        by_mailbox: dict[int, list[Key]] = defaultdict(list)
        for feed in found:
            by_mailbox[feed.mailbox_id].append(feed.key)
        self._by_mailbox = dict(by_mailbox)
        late = [feed for feed in news if feed.channel == feeds.LIFECYCLE and feed.remind_at <= now]
        if late:
            await self._store.write(lambda tx: [feeds.remind(tx, feed, now, NEVER) for feed in late])
        for feed in news:
            self._offer(feed)

    def _offer(self, feed: Feed) -> None:
        if not self._running:
            return
        self._waiting[feed.url].add(feed.key)
        if feed.url not in self._telling:
            self._telling[feed.url] = asyncio.create_task(self._tell(feed.url))

    # Telling it

    async def _tell(self, url: str) -> None:
        """Tell one URL what waits for it, request after request."""
        waiting = self._waiting[url]
        try:
            while waiting and self._running:
                offered = [feed for key in waiting if (feed := self._feeds.get(key)) is not None][:_CLAIMED]
                waiting.difference_update([feed.key for feed in offered] if offered else list(waiting))
                if offered:
                    async with self._places[any(feed.failures for feed in offered)]:
                        waiting.update(await self._tell_some(url, offered))
        except Exception as error:  # the leases run out, and somebody tries again
            self._log.problem("notifications", error)
        finally:
            del self._telling[url]
            if not waiting:
                self._waiting.pop(url, None)

    async def _tell_some(self, url: str, offered: list[Feed]) -> set[Key]:
        """One request at most; the feeds that have more to tell at once."""
        now = self._clock.now()
        lease_end = now + int(self._settings.lease_seconds * SECOND)
        claimed = await self._store.write(lambda tx: _claim(tx, offered, now, lease_end, self._owner))
        if not claimed:
            return set()
        limit = max(1, self._settings.batch // len(claimed))
        told = await self._store.read(
            lambda tx: [gather(tx, feed, self._wording, now, limit) for feed in claimed]
        )
        outcome = Outcome(await self._post(url, told), self._clock.now(), self._settings)
        settled = await self._store.write(lambda tx: [settle(tx, each, outcome) for each in told])
        return self._note(settled, outcome)

    def _note(self, settled: list[Settled], outcome: Outcome) -> set[Key]:
        """Remember how far the feeds are, and say what became of them; those that have more to tell."""
        for each in settled:
            if each.feed is not None and each.feed.key in self._feeds:
                self._feeds[each.feed.key] = each.feed
            if each.dropped:
                self._log.notifications_dropped(_shown(each.told.feed.url), each.told.feed.subscription_id)
            if each.ended:
                self._log.subscription_removed(each.told.feed.subscription_id, each.ended)
        if outcome.failure:
            first = settled[0].feed or settled[0].told.feed
            self._log.notification_failed(_shown(first.url), outcome.failure, first.due_at)
        if any(each.has_events for each in settled):
            self._wake.set()
        return {each.told.feed.key for each in settled if each.told.more and not outcome.failure}

    async def _post(self, url: str, told: Iterable[Told]) -> str:
        """Send the notifications; what went wrong, '' when nothing did or there are none."""
        notifications = [each for one in told for each in one.notifications]
        if not notifications:
            return ""
        began = self._clock.now()
        try:
            endpoint = parse_endpoint(url)
            answer = await self._poster.post(endpoint, _encode({"value": notifications}), JSON_TYPE)
        except EndpointError as error:
            return str(error)
        if not 200 <= answer.status < 300:
            return f"the answer was {answer.status}"
        self._log.notified(endpoint.shown, len(notifications), (self._clock.now() - began) / SECOND)
        return ""


def _look(tx: Tx, now: Instant) -> tuple[list[Feed], list[Feed]]:
    """Every feed, and those that are due and have something to tell."""
    found = [feed for bucket in range(BUCKETS) for feed in feeds.all_of(tx, bucket)]
    return found, [feed for feed in found if feed.due_at <= now and feeds.has_news(tx, feed, now)]


def _claim(tx: Tx, offered: list[Feed], now: Instant, lease_end: Instant, owner: int) -> list[Feed]:
    claimed = [feeds.claim(tx, feed, now, lease_end, owner) for feed in offered]
    return [feed for feed in claimed if feed is not None]


def _expire(tx: Tx, now: Instant) -> None:
    for bucket in range(BUCKETS):
        subscriptions.remove_expired(tx, bucket, now)


def _shown(url: str) -> str:
    """The URL as far as it is for the log."""
    try:
        return parse_endpoint(url).shown
    except EndpointError:
        return "(no URL)"
