"""The claimer: brings what is due from the database into the lanes.

Once in `poll_seconds` it looks what is due, by destination and bucket; a look that took long is not repeated before it was
a twentieth of the time, or half a minute has passed.  Between looks it fetches for lanes that run low what was seen to be left for them, for many of
them in one transaction.  Whose turn comes first changes from look to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final

from graphpost.clock import SECOND, Clock, Instant, rest_after
from graphpost.config import DeliverySettings
from graphpost.delivery.queue.lane import Job, Lane
from graphpost.delivery.queue.lanes import Lanes
from graphpost.delivery.queue.leases import Ask, Found, Leases
from graphpost.delivery.queue.rerouting import Rerouter
from graphpost.errors import StoreError
from graphpost.maillog import MailLog
from graphpost.store.mailbox import messages
from graphpost.store.queue import destinations
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Store, Tx

AT_ONCE: Final = 500  # deliveries claimed by one transaction
STEPS: Final = (500, 200, 100, 50, 20, 10, 5, 2, 1)  # each number is a statement of its own
CHEAP_SECONDS: Final = 0.05
LARGE: Final = 16_384  # bytes of a message that is read again when its turn comes
FORGET_EVERY: Final = 60 * SECOND


class Claimer:
    """`take` is given each job, in the order of their turns."""

    def __init__(
        self,
        *,
        store: Store,
        lanes: Lanes,
        leases: Leases,
        rerouter: Rerouter,
        take: Callable[[Job], None],
        settings: DeliverySettings,
        clock: Clock,
        log: MailLog,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._leases = leases
        self._rerouter = rerouter
        self._take = take
        self._settings = settings
        self._clock = clock
        self._log = log
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._hungry: dict[str, Lane] = {}
        self._look_at = 0.0  # by the event loop's clock
        self._forget_at: Instant = 0
        self._random = Random()  # noqa: S311 - spreads turns, keeps no secret

    def look_now(self) -> None:
        """Somebody made something due."""
        self._look_at = 0.0
        self._wake.set()

    def fetch(self, lane: Lane) -> None:
        """The lane runs low, and there is more for it."""
        self._hungry[lane.destination] = lane
        self._wake.set()

    def stop(self) -> None:
        """Claim no more.  What is being claimed is still taken, so that it can be given back."""
        self._is_stopping = True
        self._wake.set()

    async def run(self, after_look: Callable[[], None]) -> None:
        """Until it is stopped; `after_look` is called after each look at all that is due."""
        loop = asyncio.get_running_loop()
        while not self._is_stopping:
            try:
                await self._fetch_for_hungry()
                if loop.time() >= self._look_at:
                    await self._look_in_time(loop)
                    after_look()
            except Exception as error:  # the next round may succeed
                self._log.problem("queue", error)
            try:
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _look_in_time(self, loop: asyncio.AbstractEventLoop) -> None:
        began = loop.time()
        self._look_at = began + self._settings.poll_seconds
        await self.look()
        took = loop.time() - began
        if took > CHEAP_SECONDS and self._look_at:
            self._look_at = loop.time() + rest_after(took, self._settings.poll_seconds)

    async def look(self) -> None:
        """See what is due, and fetch as much of it as there is room for."""
        now = self._clock.now()
        self._forget(now)
        due = await self._store.read(lambda tx: destinations.due(tx, now))
        for destination, buckets in due.items():
            self._lanes.lane(destination).left = buckets
        names = list(due)
        first = self._random.randrange(len(names)) if names else 0
        await self._fetch(self._lanes.lane(name) for name in names[first:] + names[:first])

    async def _fetch_for_hungry(self) -> None:
        hungry, self._hungry = self._hungry, {}
        if hungry:
            await self._fetch(hungry.values())

    async def _fetch(self, lanes: Iterable[Lane]) -> None:
        for asks in self._asks(lanes):
            if self._is_stopping:
                return
            try:
                await self._claim(asks)
            except StoreError as error:
                self._log.problem("queue", error)

    def _asks(self, lanes: Iterable[Lane]) -> Iterator[list[tuple[Lane, Ask]]]:
        """What to ask for, as much together as one transaction is to claim; its room is taken."""
        asks: list[tuple[Lane, Ask]] = []
        total = 0
        for lane in lanes:
            room = _step(self._lanes.room_for_stored(lane))
            if not room or not lane.left or lane.is_held(self._clock.now()):
                continue
            self._lanes.hold(lane, room)
            asks.append((lane, Ask(lane.destination, lane.left, room)))
            total += room
            if total >= AT_ONCE:
                yield asks
                asks, total = [], 0
        if asks:
            yield asks

    async def _claim(self, asks: list[tuple[Lane, Ask]]) -> None:
        """Ask.  What is found keeps its room, the rest is let go."""
        found = [Found([], ask.buckets) for _, ask in asks]
        try:
            found = await self._leases.claim([ask for _, ask in asks])
        except StoreError:
            raise
        except Exception as error:  # a row that cannot be read is no reason to stop the others
            self._log.problem(f"queue for {asks[0][1].destination}", error)
            if len(asks) > 1:
                for lane, ask in asks:
                    self._lanes.hold(lane, ask.room)
                    await self._claim([(lane, ask)])
                return
        finally:
            for (lane, ask), one in zip(asks, found, strict=True):
                self._lanes.let_go(lane, ask.room - len(one.deliveries))
        await self._distribute([lane for lane, _ in asks], found)

    async def _distribute(self, lanes: list[Lane], found: list[Found]) -> None:
        mine: list[Delivery] = []
        for lane, one in zip(lanes, found, strict=True):
            lane.left = one.left
            lane.low = len(one.deliveries) // 2
            if self._rerouter.is_known(lane.destination):
                mine += one.deliveries
            elif one.deliveries:
                self._lanes.let_go(lane, len(one.deliveries))
                await self._reroute(one.deliveries)
        for job in await self._read(mine):
            self._take(job)

    async def _reroute(self, claimed: list[Delivery]) -> None:
        try:
            await self._rerouter.reroute(claimed, self._clock.now())
        except Exception as error:  # what was claimed with it is to be attempted all the same
            self._log.problem("queue", error)
            await self._leases.give_back(claimed)
        else:
            self.look_now()

    async def _read(self, claimed: list[Delivery]) -> list[Job]:
        """The deliveries with their messages, or without when one is unreadable: its own attempt finds out."""
        if not claimed:
            return []
        try:
            return await self._store.read(lambda tx: [_job(tx, delivery) for delivery in claimed])
        except Exception as error:
            self._log.problem("queue", error)
            return [Job(delivery) for delivery in claimed]

    def _forget(self, now: Instant) -> None:
        if abs(now - self._forget_at) >= FORGET_EVERY:
            self._forget_at = now
            self._lanes.forget(now)


def _step(room: int) -> int:
    return next((step for step in STEPS if step <= room), 0)


def _job(tx: Tx, delivery: Delivery) -> Job:
    """A claimed delivery with its message, when that is small; contents are read when their turn comes."""
    item = messages.get(tx, delivery.mailbox_id, delivery.message_id)
    if item is None or item.size > LARGE:
        return Job(delivery)
    message = item.message.going_out
    is_plain = message.raw is None and not message.attachments
    return Job(delivery, item, {}) if is_plain else Job(delivery)
