"""What the store does in a second: durable writes of concurrent callers, the queue, a large mailbox.

python -m bench.store [--postgres] [--callers 64] [--seconds 3] [--mailboxes 2]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from graphpost.clock import SystemClock
from graphpost.ids import Numbers
from graphpost.mail.mailbox import SENT_ITEMS
from graphpost.mail.message import Address, Body, Item, Message
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import folders, messages
from graphpost.store.queue import deliveries, destinations
from graphpost.store.queue.deliveries import Delivery, Recipient
from graphpost.store.store import Store, Tx

CLOCK = SystemClock()
NUMBERS = Numbers(CLOCK.now)
ADELE = Address("adele@example.test", "Adele Vance")
TEXT = "Dear customer, your order has been shipped and will arrive soon. " * 6


class Accept:
    """What accepting one small message writes."""

    __slots__ = ("delivery", "item")

    def __init__(self, mailbox_id: int) -> None:
        now, number = CLOCK.now(), NUMBERS.next()
        message = Message(
            subject="Your order has been shipped",
            body=Body(TEXT, "text"),
            preview=TEXT[:255],
            from_=ADELE,
            sender=ADELE,
            to=(Address("somebody@else.example"),),
            internet_message_id=f"<{number}@example.test>",
            date=now,
            conversation_index=b"\x01" * 22,
        )
        self.item = Item(
            mailbox_id=mailbox_id,
            message_id=number,
            folder_id=SENT_ITEMS,
            message=message,
            created_at=now,
            modified_at=now,
            received_at=now,
            sent_at=now,
            size=900,
            conversation_id=b"\x02" * 16,
        )
        self.delivery = Delivery(
            mailbox_id=mailbox_id,
            message_id=number,
            position=0,
            destination="smtp://127.0.0.1:2525",
            due_at=now,
            created_at=now,
            expires_at=now + 172_800_000_000,
            sender=ADELE.address,
            recipients=(Recipient("somebody@else.example"),),
            subject=message.subject,
            internet_message_id=message.internet_message_id,
        )

    def __call__(self, tx: Tx) -> None:
        messages.add(tx, self.item)
        deliveries.add(tx, self.delivery)


async def measure(store: Store, callers: int, seconds: float, mailboxes: int) -> tuple[float, float, float]:
    """Messages a second, and the median and 99th percentile latency in milliseconds."""
    for mailbox in range(1, mailboxes + 1):
        await store.write(lambda tx, mailbox=mailbox: folders.create_defaults(tx, mailbox))  # type: ignore[misc]
    times: list[float] = []
    start = time.perf_counter()
    end = start + seconds

    async def call(number: int) -> None:
        mailbox = 1 + number % mailboxes
        while (begin := time.perf_counter()) < end:
            await store.write(Accept(mailbox))
            times.append(time.perf_counter() - begin)

    await asyncio.gather(*(call(number) for number in range(callers)))
    took = time.perf_counter() - start
    times.sort()
    return len(times) / took, times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3


def filled(tx: Tx, start: int, number: int, destinations: int) -> None:
    """Rows without the work of a submission: the same message again and again."""
    accept = Accept(1)
    for n in range(start, start + number):
        mailbox = 1 if destinations == 0 else n % 16
        changes = {"received_at": n * 1000, "is_read": n % 3 > 0}
        if destinations:
            to = f"d{n % destinations}"
            deliveries.add(
                tx, replace(accept.delivery, mailbox_id=mailbox, message_id=n, destination=to, due_at=n)
            )
        else:
            messages.add(tx, replace(accept.item, mailbox_id=mailbox, message_id=n, **changes))


async def fill(store: Store, start: int, number: int, destinations: int) -> None:
    await store.write(lambda tx: folders.create_defaults(tx, 1))
    for begin in range(start, number, 2000):
        await store.write(
            partial(filled, start=begin, number=min(2000, number - begin), destinations=destinations)
        )
    if store.dialect.name == "postgres":
        await store.write(lambda tx: tx.execute("ANALYZE"))  # as autovacuum would, a little later


class Queue:
    """Workers that claim and settle what is due, 20 at a time, from 20 destinations of each bucket."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = CLOCK.now()
        self.done = 0
        self.looks: list[float] = []

    async def work(self, bucket: int) -> None:
        begin = time.perf_counter()
        names = await self.store.read(lambda tx: destinations.due_in(tx, bucket, self.now))
        self.looks.append(time.perf_counter() - begin)
        for name in names[:20]:
            await self.drain(bucket, name)

    async def drain(self, bucket: int, name: str) -> None:
        lease = self.now + 60_000_000
        mine = await self.store.write(
            lambda tx: deliveries.claim(tx, bucket, name, self.now, lease, bucket + 1, 20)
        )
        await asyncio.gather(*(self.settle(delivery) for delivery in mine))

    async def settle(self, delivery: Delivery) -> None:
        ended = replace(delivery, state=deliveries.DONE, finished_at=self.now)
        settled = await self.store.write(lambda tx: deliveries.settle(tx, [ended], delivery.owner))
        self.done += len(settled)


async def measure_queue(store: Store) -> tuple[float, float]:
    """(deliveries claimed and settled a second, milliseconds to find what is due in a bucket)."""
    queue = Queue(store)
    start = time.perf_counter()
    await asyncio.gather(*(queue.work(bucket) for bucket in range(16)))
    return queue.done / (time.perf_counter() - start), statistics.median(queue.looks) * 1e3


async def measure_mailbox(store: Store, size: int) -> dict[str, float]:
    """Median milliseconds of a few questions."""
    questions: dict[str, Callable[[Tx], object]] = {
        "newest 50 of a folder": lambda tx: messages.find(tx, 1, folder_id=SENT_ITEMS, top=50),
        "newest 50 of all": lambda tx: messages.find(tx, 1, top=50),
        "get": lambda tx: messages.get(tx, 1, size // 2),
        "count of a folder": lambda tx: messages.count(tx, 1, SENT_ITEMS),
        "unread, newest 50": lambda tx: messages.find(
            tx, 1, folder_id=SENT_ITEMS, where=("is_read = ?", (0,)), top=50
        ),
        "since, newest 50": lambda tx: messages.find(
            tx, 1, folder_id=SENT_ITEMS, where=("received_at > ?", (size * 900,)), top=50
        ),
    }
    took = {}
    for name, question in questions.items():
        times = []
        for _ in range(9):
            begin = time.perf_counter()
            await store.read(question)
            times.append(time.perf_counter() - begin)
        took[name] = statistics.median(times) * 1e3
    return took


async def run_sizes(store: Store, arguments: argparse.Namespace) -> None:
    start = 1
    for size in arguments.queue or arguments.mailbox:
        await fill(store, start, size, 1000 if arguments.queue else 0)
        start = size
        if arguments.queue:
            rate, look = await measure_queue(store)
            begin = time.perf_counter()
            await store.read(deliveries.depth)
            depth = (time.perf_counter() - begin) * 1e3
            print(
                f"{store.dialect.name}: {size:,} queued: {rate:,.0f}/s, due {look:.1f} ms, depth {depth:.0f} ms"
            )
        else:
            took = await measure_mailbox(store, size)
            print(
                f"{store.dialect.name}: {size:,}:",
                ", ".join(f"{name} {ms:.2f} ms" for name, ms in took.items()),
            )


async def run(arguments: argparse.Namespace, stack: ExitStack) -> None:
    store: Store
    if arguments.postgres:
        from graphpost.store.databases.postgres import PostgresStore
        from graphpost.testing.postgres import PostgresServer

        server = stack.enter_context(PostgresServer.start(durable=True))
        store = PostgresStore.open(server.url, connections=arguments.connections)
    else:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.directory))
        store = SqliteStore.open(Path(directory) / "bench.db")
    if arguments.queue or arguments.mailbox:
        await run_sizes(store, arguments)
        await store.close()
        return
    for callers in arguments.callers:
        rate, median, worst = await measure(store, callers, arguments.seconds, arguments.mailboxes)
        print(
            f"{store.dialect.name}: {callers} callers: {rate:,.0f}/s, p50 {median:.2f} ms, p99 {worst:.2f} ms"
        )
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Durable writes a second.")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--mailboxes", type=int, default=2)
    parser.add_argument("--queue", type=int, nargs="+")
    parser.add_argument("--mailbox", type=int, nargs="+")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--directory", default=None)
    with ExitStack() as stack:
        asyncio.run(run(parser.parse_args(), stack))


if __name__ == "__main__":
    main()
