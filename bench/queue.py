"""Line 8: a queue of 1,000,000 deliveries to 1,000 destinations against one of 10,000.

Of the same form: messages to one recipient at each of 100 destinations, from mailboxes in every bucket.  What a claim costs is
measured in the store, both in turn: to look what is due, and to claim and settle a delivery.  The drain rate is the
product's, from a full queue over SMTP to as many hosts.

BENCH_SIZE: deliveries in the large one (default 1,000,000); BENCH_POSTGRES=1: on PostgreSQL instead of SQLite (claims only).
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from bench.internet import Internet, Population, address, domain, internet
from bench.product import product
from bench.store import CLOCK, Accept
from graphpost.clock import SECOND
from graphpost.config import DeliverySettings, LogSettings, StoreSettings
from graphpost.delivery.queue.leases import Ask, Leases
from graphpost.maillog import MailLog
from graphpost.store.databases.opening import open_store
from graphpost.store.mailbox import folders, messages
from graphpost.store.queue import deliveries, destinations
from graphpost.store.queue.deliveries import BUCKETS, DONE, Delivery, Recipient
from graphpost.store.store import Store, Tx
from graphpost.testing.ports import free_port

DESTINATIONS, RECIPIENTS = 1000, 100
SMALL, LARGE = 10_000, int(os.environ.get("BENCH_SIZE", "1000000"))
ROUNDS = 3
CLAIMS = 12
TOGETHER = 500  # destinations asked for in one transaction, for one delivery each
DRAINED = 8000
FIRST_MAILBOX = 1600

_COPY = (
    "INSERT INTO deliveries (bucket, message_id, position, mailbox_id, destination, state, due_at, owner, attempts,"
    " created_at, finished_at, document) SELECT ?, ?, position, ?, destination, state, due_at, owner, attempts,"
    " created_at, finished_at, document FROM deliveries WHERE bucket = ? AND message_id = ?"
)


PORT = free_port()


def run() -> list[str]:
    with directories() as (small, large):
        rows = asyncio.run(claims(small, large))
        if os.environ.get("BENCH_POSTGRES"):
            return rows
        return [*rows, *drained(large)]


def destination(number: int) -> str:
    """A relay of its own for each: what DNS costs is not asked here."""
    return f"smtp://{address(number)}:{PORT}"


def routes() -> str:
    return "".join(
        f'[[routes]]\ndomains = ["{domain(number)}"]\nto = "{destination(number)}"\n'
        for number in range(DESTINATIONS)
    )


@contextlib.contextmanager
def directories() -> Iterator[tuple[str, str]]:
    """URLs of a small and of a large store, filled."""
    with contextlib.ExitStack() as stack:
        urls = []
        for size in (SMALL, LARGE):
            if os.environ.get("BENCH_POSTGRES"):
                from graphpost.testing.postgres import PostgresServer

                url = stack.enter_context(PostgresServer.start(durable=True)).url
            else:
                base = Path(tempfile.mkdtemp(prefix="graphpost-bench-"))
                stack.callback(shutil.rmtree, base, ignore_errors=True)
                url = f"sqlite:{base / 'graphpost.db'}"
            asyncio.run(fill(url, size))
            urls.append(url)
        yield urls[0], urls[1]


async def fill(url: str, size: int) -> None:
    """Messages with deliveries; in each bucket all but the first to the same destinations are copied in the database."""
    store, started = open_store(StoreSettings(url=url), Path("/")), time.perf_counter()
    for bucket in range(BUCKETS):
        await store.write(partial(fill_bucket, bucket, size // RECIPIENTS))
    if store.dialect.name == "postgres":
        await store.write(lambda tx: tx.execute("ANALYZE"))  # as autovacuum would, a little later
    await store.close()
    print(f"  {size:,} deliveries filled in {time.perf_counter() - started:.0f} s", flush=True)


def fill_bucket(bucket: int, many: int, tx: Tx) -> None:
    mailbox_id, made = FIRST_MAILBOX + bucket, dict[int, int]()
    folders.create_defaults(tx, mailbox_id)
    for number in range(bucket, many, BUCKETS):
        accept = Accept(mailbox_id)
        message_id = accept.item.message_id
        messages.add(tx, accept.item)
        first = (number + number // BUCKETS) * RECIPIENTS % DESTINATIONS  # of its destinations
        if first in made:
            tx.execute(_COPY, (bucket, message_id, mailbox_id, bucket, made[first]))
            continue
        made[first] = message_id
        for position in range(RECIPIENTS):
            to = (Recipient(f"a@{domain(first + position)}"),)
            fields = {"destination": destination(first + position), "siblings": RECIPIENTS}
            deliveries.add(tx, replace(accept.delivery, position=position, recipients=to, **fields))


# Claims


async def claims(small: str, large: str) -> list[str]:
    stores = [open_store(StoreSettings(url=url), Path("/")) for url in (small, large)]
    looks: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    for number in range(CLAIMS):
        for store, look, cost in zip(stores, looks, costs, strict=True):
            took, each = await claim_some(store, number)
            look.append(took)
            cost.append(each)
    for store in stores:
        await store.close()
    rows = [
        f"queue: look what is due: {median(looks[0]):.1f} ms, {median(looks[1]):.1f} ms, a twentieth of the time at most",
        f"queue: claim and settle a delivery: {median(costs[0]):.0f} µs, {median(costs[1]):.0f} µs:"
        f" {median(costs[1]) / median(costs[0]):.2f} (goal <= 2)",
    ]
    print("  " + "\n  ".join(rows), flush=True)
    return rows


async def claim_some(store: Store, number: int) -> tuple[float, float]:
    """Milliseconds to look, microseconds to claim and settle one of 500."""
    now = CLOCK.now()
    began = time.perf_counter()
    due = await store.read(lambda tx: destinations.due(tx, now))
    looked = time.perf_counter()
    names = sorted(due)[number * TOGETHER % DESTINATIONS :][:TOGETHER]
    leases = Leases(store, DeliverySettings(), CLOCK, MailLog(LogSettings(), io.StringIO()), number + 1)
    found = await leases.claim([Ask(name, due[name], 1) for name in names])
    mine = [delivery for one in found for delivery in one.deliveries]
    await store.write(partial(settle, mine, number + 1))
    return (looked - began) * 1e3, (time.perf_counter() - looked) / len(mine) * 1e6


def settle(mine: list[Delivery], owner: int, tx: Tx) -> None:
    done = [replace(one, state=DONE, finished_at=one.created_at + SECOND) for one in mine]
    written = deliveries.settle(tx, done, owner)
    assert len(written) == len(mine)


# Draining


def drained(large: str) -> list[str]:
    rates: list[tuple[float, float]] = []
    with internet(Population(DESTINATIONS), PORT) as peers:
        for number in range(ROUNDS):
            base = Path(tempfile.mkdtemp(prefix="graphpost-bench-"))
            asyncio.run(fill(f"sqlite:{base / 'graphpost.db'}", SMALL))
            few = drain(base, peers)
            many = drain(Path(large.removeprefix("sqlite:")).parent, peers)
            shutil.rmtree(base, ignore_errors=True)
            rates.append((few, many))
            print(f"  round {number + 1}: {few:,.0f}/s of {SMALL:,}, {many:,.0f}/s of {LARGE:,}", flush=True)
    share = median(many / few for few, many in rates)
    few, many = (median(rate[which] for rate in rates) for which in (0, 1))
    return [f"queue: drain rate: {few:,.0f}/s, {many:,.0f}/s: {share:.2f} (goal >= 0.8)"]


def drain(data: Path, peers: Internet) -> float:
    """Deliveries a second, from the first on; connections to all destinations are opened in that time."""
    with ThreadPoolExecutor(1) as pool:  # the server begins before it says that it is ready
        rate = pool.submit(watch, peers, sum(peers.taken()))
        with product(data=data, config=routes()):
            return rate.result()


def watch(peers: Internet, before: int) -> float:
    began = 0.0
    while (taken := sum(peers.taken()) - before) < DRAINED:
        if not taken:
            began = time.perf_counter()
        time.sleep(0.005)
    return taken / (time.perf_counter() - began)
