"""What an application may ask of a mailbox, and of all mailboxes together.

A request enters before its handler runs and leaves when that is done.  What is refused does not count, so that a client that
waits for as long as `Retry-After` says finds room, if no other takes it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final
from zlib import crc32

from graphpost.clock import Clock, Instant
from graphpost.config import ThrottlingSettings
from graphpost.errors import TooManyRequests
from graphpost.throttling.sharing import Sharing
from graphpost.throttling.window import UNBOUND, Window

Key = tuple[str, int]
TURNS: Final = 3  # seconds over which those are spread who come while others are under way
NO_MAILBOX: Final = 0


class RateExceeded(TooManyRequests):
    """Too many requests in a window, in the words of Graph's documentation."""

    default_code = "TooManyRequests"
    inner = MappingProxyType({"code": "429", "message": "Please retry after", "status": "429"})


class Meter:
    """What one application does in one mailbox; `most` requests at a time."""

    __slots__ = ("_refused", "incoming", "most", "rates", "running")

    def __init__(self, rates: tuple[Window, ...], incoming: Window | None, most: int) -> None:
        self.rates = rates
        self.incoming = incoming  # bytes
        self.most = most
        self.running = 0
        self._refused = 0

    def leave(self) -> None:
        """A request is done."""
        self.running -= 1

    def turn(self) -> int:
        """The seconds that one more has to wait: as many are told the same as can come at a time."""
        self._refused += 1
        return 1 + (self._refused - 1) // self.most % TURNS

    def windows(self) -> tuple[Window, ...]:
        return self.rates if self.incoming is None else (self.incoming, *self.rates)


class Throttle:
    """The limits of requests; of one process, or with others by way of `sharing`."""

    def __init__(self, limits: ThrottlingSettings, clock: Clock, sharing: Sharing) -> None:
        self._limits = limits
        self._now = clock.now
        self._sharing = sharing
        self._meters: dict[Key, Meter] = {}
        self._applications: dict[str, Window] = {}

    def meter(self, client_id: str, mailbox_id: int) -> Meter:
        """What an application does in a mailbox, or (NO_MAILBOX) beside all mailboxes."""
        return self._meters.get((client_id, mailbox_id)) or self._add_meter(client_id, mailbox_id)

    async def enter(self, meter: Meter, size: int) -> None:
        """Let a request with a body of `size` bytes in, or raise TooManyRequests; `leave` follows."""
        while not self.try_enter(meter, size):
            await self._sharing.exchange(meter.windows())

    def try_enter(self, meter: Meter, size: int) -> bool:
        """The same; False when the store is to be asked first."""
        if meter.running >= meter.most:
            raise _over("MailboxConcurrency", meter.turn())
        now, rates, incoming = self._now(), meter.rates, meter.incoming
        for window in rates:
            if window.fresh >= window.bound:
                return False
        if size and incoming is not None:
            if incoming.fresh >= incoming.bound:
                return False
            size = min(size, incoming.limit)
            if not incoming.take(now, size):
                raise _over("IncomingBytes", incoming.wait(now, size))
        for window in rates:
            if not window.take(now):
                self._undo(meter, window, now, size)
                raise _too_many(window.wait(now))
        meter.running += 1
        return True

    def refuse(self, client_id: str) -> TooManyRequests | None:
        """Count a request that leads nowhere as the application's; what it is told when there were too many."""
        now = self._now()
        for window in self.meter(client_id, NO_MAILBOX).rates:
            if not window.take(now):
                return _too_many(window.wait(now))
        return None

    def sweep(self, now: Instant) -> None:
        """Forget who has done nothing for as long as it counts."""
        for key, meter in list(self._meters.items()):
            if not meter.running and all(window.is_idle(now) for window in meter.windows()):
                del self._meters[key]

    def _undo(self, meter: Meter, full: Window, now: Instant, size: int) -> None:
        if size and meter.incoming is not None:
            meter.incoming.give_back(now, size)
        for window in meter.rates[: meter.rates.index(full)]:
            window.give_back(now)

    def _add_meter(self, client_id: str, mailbox_id: int) -> Meter:
        name = client_id.casefold()
        if name != client_id:  # however a token writes it, it is one application
            meter = self._meters[client_id, mailbox_id] = self.meter(name, mailbox_id)
            return meter
        limits, share = self._limits, self._sharing.join
        rates, incoming, most = list[Window](), None, UNBOUND
        if mailbox_id != NO_MAILBOX:
            most = limits.concurrency or UNBOUND
            key = f"{name} {mailbox_id}"
            if limits.requests:
                rates.append(Window(limits.requests, limits.requests_seconds))
                share(rates[0], mailbox_id, f"requests {key}")
            if limits.upload_bytes:
                incoming = Window(limits.upload_bytes, limits.upload_seconds)
                share(incoming, mailbox_id, f"upload {key}")
        if limits.application_requests:
            rates.append(self._application(name))
        meter = self._meters[client_id, mailbox_id] = Meter(tuple(rates), incoming, most)
        return meter

    def _application(self, name: str) -> Window:
        window = self._applications.get(name)
        if window is None:
            window = Window(self._limits.application_requests, self._limits.application_seconds)
            self._applications[name] = window
            self._sharing.join(window, crc32(name.encode()), f"application {name}")
        return window


def _over(limit: str, seconds: int) -> TooManyRequests:
    return TooManyRequests(f"Application is over its {limit} limit.", headers={"Retry-After": str(seconds)})


def _too_many(seconds: int) -> TooManyRequests:
    return RateExceeded("Please retry again later.", headers={"Retry-After": str(seconds)})
