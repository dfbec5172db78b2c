"""How many messages a second the store takes: durable writes from concurrent callers.

python -m bench.store [--postgres] [--callers 64] [--seconds 3] [--mailboxes 2]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from graphpost.clock import SystemClock
from graphpost.ids import Numbers
from graphpost.mail.mailbox import SENT_ITEMS
from graphpost.mail.message import Address, Body, Item, Message
from graphpost.store import deliveries, folders, messages
from graphpost.store.deliveries import Delivery, Recipient
from graphpost.store.sqlite import SqliteStore
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


async def run(arguments: argparse.Namespace, stack: ExitStack) -> None:
    store: Store
    if arguments.postgres:
        from graphpost.store.postgres import PostgresStore
        from graphpost.testing.postgres import PostgresServer

        server = stack.enter_context(PostgresServer.start(durable=True))
        store = PostgresStore.open(server.url, connections=arguments.connections)
    else:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.directory))
        store = SqliteStore.open(Path(directory) / "bench.db")
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
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--directory", default=None)
    with ExitStack() as stack:
        asyncio.run(run(parser.parse_args(), stack))


if __name__ == "__main__":
    main()
