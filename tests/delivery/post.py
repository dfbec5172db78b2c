"""A post office to look into: the real store, worker and settler, a jumping clock, couriers that do as told."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from graphpost.clock import SECOND, Instant
from graphpost.config import AccountSettings, DeliverySettings, LimitSettings, LogSettings, RouteSettings
from graphpost.delivery.acceptance.dispatch import Check, Dispatcher
from graphpost.delivery.acceptance.rationing import Rations
from graphpost.delivery.acceptance.submissions import Submission
from graphpost.delivery.acceptance.submit import Submitter
from graphpost.delivery.arrival.arriving import Arrivals
from graphpost.delivery.arrival.local import LocalDelivery
from graphpost.delivery.arrival.noticing import Noticing
from graphpost.delivery.arrival.ruling import Ruler
from graphpost.delivery.filing import Filer
from graphpost.delivery.queue.attempt import Attempts
from graphpost.delivery.queue.lane import Limits
from graphpost.delivery.queue.rerouting import Rerouter
from graphpost.delivery.queue.settler import Settler
from graphpost.delivery.queue.worker import Worker
from graphpost.delivery.queueing import AutomaticDeliveries
from graphpost.delivery.quotas import Quotas
from graphpost.delivery.responses.absence import Absence
from graphpost.delivery.responses.automatic import AutomaticMail
from graphpost.delivery.responses.receipts import Receipts
from graphpost.delivery.responses.reports import Reporter
from graphpost.delivery.routing import CAPTURE, EXCEEDED, LOCAL, REJECT, UNKNOWN, Router, destination_key
from graphpost.errors import GraphpostError, StoreError
from graphpost.graph.bodies.zones import instant_of
from graphpost.ids import Numbers
from graphpost.mail.dsn import Dsn
from graphpost.mail.mailbox import INBOX, Directory, Mailbox
from graphpost.mail.message import Address, Body, Item, Message
from graphpost.maillog import MailLog
from graphpost.store import contents as stored
from graphpost.store.audit import Actor
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.directory import accounts
from graphpost.store.mailbox import messages
from graphpost.store.queue import deliveries, lookups
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Dialect, Store, Tx
from graphpost.testing.clock import JumpingClock
from graphpost.transport.capture import CaptureCourier
from graphpost.transport.courier import Courier, Deferred, Delivered, Envelope, Failed, Outcome, Reply
from graphpost.transport.reject import RejectCourier

T = TypeVar("T")
HOST = "post.contoso.test"
ONE, TWO = "smtp://one.test:25", "smtp://two.test:25"
ROUTES = (RouteSettings(domains=["one.test"], to=ONE), RouteSettings(domains=["two.test"], to=TWO))
ADELE = Mailbox(mailbox_id=7, object_id="7" * 36, address="adele@contoso.test", name="Adele Vance")
ALEX = Mailbox(
    mailbox_id=8, object_id="8" * 36, address="alex@contoso.test", name="Alex", aliases=("al@contoso.test",)
)
SETTINGS = DeliverySettings(poll_seconds=0.002, retry_jitter=0.0, hostname=HOST)
HOUR = 3600.0

YES = Delivered(Reply(250, "2.0.0", "taken", "mx.one.test"))
LATER = Deferred(Reply(451, "4.3.0", "later", "mx.one.test"))
NEVER = Failed(Reply(550, "5.1.1", "no such user", "mx.one.test"))
DEAD = Deferred(Reply(0, "4.4.1", "connection refused"), whole_destination=True)

Script = Callable[[Envelope], Sequence[Outcome]]


@dataclass
class ScriptedCourier:
    """Answers by its script, and remembers when it was given what; `gate`, when closed, lets it wait."""

    clock: JumpingClock
    script: Script = lambda envelope: [YES] * len(envelope.recipients)
    taken: list[tuple[Instant, Envelope, bytes]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def says(self, *outcomes: Outcome) -> None:
        """The first time this for everybody, then that; the last is repeated."""
        script = list(outcomes)

        def answer(envelope: Envelope) -> Sequence[Outcome]:
            outcome = script.pop(0) if len(script) > 1 else script[0]
            return [outcome] * len(envelope.recipients)

        self.script = answer

    async def deliver(self, envelope: Envelope) -> tuple[Outcome, ...]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            data = b"".join(envelope.data)
            self.taken.append((self.clock.now(), envelope, data))
            return tuple(self.script(envelope))
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """Nothing to let go of."""

    @property
    def times(self) -> list[float]:
        """Seconds between the attempts."""
        instants = [instant for instant, _, _ in self.taken]
        return [(after - before) / SECOND for before, after in itertools.pairwise(instants)]

    @property
    def addresses(self) -> list[str]:
        return [address for _, envelope, _ in self.taken for address in envelope.recipients]


class BreakableStore:
    """A Store that fails on demand: each write that `breaks` says so about raises StoreError, and does nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.dialect: Dialect = store.dialect
        self.breaks: Callable[[Callable[[Tx], Any]], BaseException | None] = lambda fn: None
        self.broke = 0
        self.polls = 0

    async def read(self, fn: Callable[[Tx], T]) -> T:
        result = await self.store.read(fn)
        self.polls += "Claimer.look." in getattr(fn, "__qualname__", "")
        return result

    async def write(self, fn: Callable[[Tx], T]) -> T:
        error = self.breaks(fn)
        if error is not None:
            self.broke += 1
            raise error
        return await self.store.write(fn)

    async def join(self) -> None:
        await self.store.join()

    async def close(self) -> None:
        await self.store.close()


def settling(fn: Callable[[Tx], Any]) -> StoreError | None:
    """Breaks what the settler writes."""
    return StoreError("the disk is full") if fn.__module__ == "graphpost.delivery.queue.settler" else None


def claiming(fn: Callable[[Tx], Any]) -> StoreError | None:
    """Lets a worker claim nothing more nor keep what it has, as if its process hung."""
    name = getattr(fn, "__qualname__", "")
    return StoreError("locked") if "Leases.claim." in name or "Leases._renew." in name else None


def accepting(fn: Callable[[Tx], Any]) -> StoreError | None:
    """Breaks what the submitter writes."""
    return (
        StoreError("the disk is full") if fn.__module__ == "graphpost.delivery.acceptance.accepting" else None
    )


class Office:
    """One process's delivery, on a store that it may share with others."""

    def __init__(
        self,
        store: Store,
        blobs: FileBlobs,
        clock: JumpingClock,
        *,
        settings: DeliverySettings = SETTINGS,
        routes: Sequence[RouteSettings] = ROUTES,
        owner: int = 1,
        limit: int = 3,
        rations: Rations | None = None,
    ) -> None:
        self.store = BreakableStore(store)
        self.blobs, self.clock, self.settings, self.owner = blobs, clock, settings, owner
        self.directory = Directory.of([ADELE, ALEX])
        self.numbers = Numbers(clock.now, node=owner)
        self.refused: list[tuple[Actor, Mailbox, int, GraphpostError]] = []  # of what waited
        self.output = io.StringIO()
        self.log = MailLog(LogSettings(), self.output, clock.now)
        self.quotas = Quotas(self.store, AccountSettings(), clock, self.log)
        self.one, self.two = ScriptedCourier(clock), ScriptedCourier(clock)
        known: dict[str, Courier] = {
            CAPTURE: CaptureCourier(),
            REJECT: RejectCourier(),
            UNKNOWN: RejectCourier(Failed(Reply(550, "5.1.1", "no such mailbox here", HOST))),
            EXCEEDED: RejectCourier(Failed(Reply(550, "5.1.90", "too many recipients", HOST))),
        }
        scripted = {ONE: self.one, TWO: self.two}
        self.couriers = known | {
            key: scripted.setdefault(key, ScriptedCourier(clock)) for key in map(destination_key, routes)
        }
        filer = Filer(blobs, self.numbers, LimitSettings(), 65_536)
        self.router = Router(lambda: self.directory, ["contoso.test"], routes)
        self.reporter = Reporter(filer, HOST)
        deliveries = AutomaticDeliveries(self.router.destination, settings)
        self.automatic = AutomaticMail(filer, deliveries)
        self.receipts = Receipts(self.automatic, HOST, enabled=settings.read_receipts)
        ruler = Ruler(
            filer,
            deliveries,
            self.receipts,
            Absence(self.automatic, lambda: self.directory, self.router.is_ours, instant_of),
        )
        self.noticing = Noticing(self.store, self.log)
        self.settler = Settler(self.store, clock, self.log, owner)
        arrivals = Arrivals(self.store, filer, ruler, self.noticing)
        self.attempts = Attempts(
            store=self.store,
            blobs=blobs,
            couriers=self.couriers.get,
            local=LocalDelivery(arrivals, filer, lambda: self.directory, self.quotas, HOST),
            reporter=self.reporter,
            directory=lambda: self.directory,
            settings=settings,
            clock=clock,
        )
        self.worker = Worker(
            store=self.store,
            attempts=self.attempts,
            settler=self.settler,
            rerouter=Rerouter(
                store=self.store,
                destination_of=self.router.destination,
                is_known=lambda key: key == LOCAL or key in self.couriers,
                log=self.log,
                owner=owner,
            ),
            settings=settings,
            limits_of=lambda destination: Limits(limit),
            clock=clock,
            log=self.log,
            owner=owner,
        )
        self.submitter = Submitter(
            store=self.store,
            blobs=blobs,
            inline_limit=65_536,
            settings=settings,
            router=self.router,
            worker=self.worker,
            numbers=self.numbers,
            clock=clock,
            log=self.log,
            rations=rations,
            quotas=self.quotas,
        )

    def dispatcher(self, check: Check) -> Dispatcher:
        """What sends drafts at their time, when `check` says yes."""
        return Dispatcher(
            store=self.store,
            blobs=self.blobs,
            submitter=self.submitter,
            reporter=self.reporter,
            directory=lambda: self.directory,
            check=check,
            clock=self.clock,
            log=self.log,
            refused=lambda *of: self.refused.append(of),
        )

    async def send(
        self,
        *to: str,
        save: bool = True,
        contents: dict[int, bytes] | None = None,
        dsn: Dsn | None = None,
        mailbox: Mailbox = ADELE,
        **fields: Any,
    ) -> Item:
        given, author = contents or {}, Address(mailbox.address, mailbox.name)
        fields = {"from_": author, "sender": author, **fields}
        return await self.submitter.submit(
            Submission(
                mailbox=mailbox,
                message=letter(*to, **fields),
                contents=given,
                save=save,
                request_id="r",
                dsn=dsn,
            )
        )

    async def queue(self, **options: Any) -> list[Delivery]:
        """Every delivery, the oldest message first."""
        found, _ = await self.store.read(lambda tx: lookups.page(tx, limit=10**6, **options))
        return sorted(found, key=lambda delivery: (delivery.message_id, delivery.position))

    async def inbox(self, mailbox: Mailbox = ADELE) -> list[Item]:
        """The oldest first."""
        found = await self.store.read(
            lambda tx: messages.find(tx, mailbox.mailbox_id, folder_id=INBOX, top=10**6)
        )
        return sorted(found, key=lambda item: item.message_id)

    async def bytes_of(self, item: Item) -> bytes:
        held = await self.store.read(lambda tx: stored.of_message(tx, item.mailbox_id, item.message_id))
        assert item.message.raw is not None
        return b"".join(stored.opener(self.blobs, held)(item.message.raw))

    async def until(self, is_so: Callable[[], Awaitable[bool] | bool], seconds: float = 60.0) -> None:
        """Look until it is so; fails when it is not in that (real) time."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    answer = is_so()
                    if answer if isinstance(answer, bool) else await answer:
                        return
                    self.worker._claimer.look_now()  # where a look took long it would rest first
                    await asyncio.sleep(0)
        except TimeoutError:
            self.log.flush()
            raise AssertionError("it did not become so; the log:\n" + self.output.getvalue()) from None

    async def until_done(self, number: int = 1) -> None:
        """Until so many deliveries are, nothing is queued, and the log says so."""

        async def is_done() -> bool:
            depth, _ = await self.store.read(deliveries.depth)
            return depth == 0 and len(await self.queue(state=deliveries.DONE)) >= number

        await self.until(is_done)
        await self.settler.caught_up()

    async def run_until_done(self, step: float = HOUR / 2) -> None:
        """Let time pass in steps until nothing is queued."""
        while (await self.store.read(deliveries.depth))[0]:
            self.clock.jump_to(self.clock.now() + round(step * SECOND))
            await self.settle_down()

    async def until_attempts(self, courier: ScriptedCourier, number: int) -> None:
        """Until so many were made and settled, and the log says so."""

        async def are_settled() -> bool:
            return len(courier.taken) >= number and not any(d.owner for d in await self.queue(state=0))

        await self.until(are_settled)
        await self.settler.caught_up()

    async def settle_down(self) -> None:
        """Until the worker has looked at the queue, and nobody is at work on anything."""
        await self.settle_down_without_leases()

        async def is_idle() -> bool:
            return not any(delivery.owner for delivery in await self.queue(state=deliveries.QUEUED))

        await self.until(is_idle)

    async def settle_down_without_leases(self) -> None:
        """Until this worker has looked at the queue, and done what it can do now."""
        await self.look_around()
        await self.until(lambda: not self.worker._tasks)

    async def look_around(self) -> None:
        """Until this worker has looked at the queue, and claimed what it can now."""
        polls = self.store.polls + 3  # the second began after we were called, and has claimed at the third
        await self.until(lambda: self.store.polls >= polls)

    def said(self) -> str:
        self.log.flush()
        return self.output.getvalue()


def letter(*to: str, **fields: Any) -> Message:
    sender = Address(ADELE.address, ADELE.name)
    values: dict[str, Any] = {
        "subject": "Lunch",
        "body": Body("Soup.", "text"),
        "from_": sender,
        "sender": sender,
        "to": tuple(map(Address, to)),
    }
    return Message(**{**values, **fields})


async def furnish(store: Store) -> None:
    """Give the people their mailboxes."""

    def make(tx: Tx) -> None:
        for box in (ADELE, ALEX):
            accounts.add_mailbox(tx, box)

    await store.write(make)


def open_sqlite(path: Path) -> SqliteStore:
    return SqliteStore.open(path / "post.db", readers=2)
