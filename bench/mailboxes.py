"""Two mailboxes of one server, a small and a large one, filled before it starts, and questions put to both in turn.

BENCH_SIZE: messages in the large one (default 1,000,000); BENCH_POSTGRES=1: on PostgreSQL instead of SQLite.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from bench.product import Product, product
from graphpost.clock import SECOND, to_text
from graphpost.config import StoreSettings
from graphpost.ids import message_id_text
from graphpost.mail.mailbox import INBOX
from graphpost.mail.message import Address, Body, Item, Message
from graphpost.store.databases.opening import open_store
from graphpost.store.directory import accounts
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx

SMALL, LARGE = 10_000, int(os.environ.get("BENCH_SIZE", "1000000"))
RARE = 50  # messages from one sender, and unread ones, spread over all
START = 1_700_000_000 * SECOND
MINUTE = 60 * SECOND
ROUNDS = 25
_CHUNK = 5000
TEXT = "Dear customer, your order has been shipped and will arrive soon. " * 6
TO = (Address("adele@example.test", "Adele Vance"),)


@dataclass(frozen=True)
class Box:
    """A filled mailbox: message n was received n minutes after START."""

    address: str
    object_id: str
    size: int

    def path(self, rest: str) -> str:
        return f"/v1.0/users/{self.address}{rest}"

    def message(self, number: int) -> str:
        return message_id_text(self.object_id.lower(), number + 1, 0)

    def received(self, number: int) -> str:
        return to_text(START + number * MINUTE)


class Client:
    """The application, on one connection."""

    def __init__(self, server: Product) -> None:
        self._authorization = {"Authorization": f"Bearer {server.token()}"}
        self._connection = http.client.HTTPConnection("localhost", server.port, timeout=600)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        data = None if body is None else json.dumps(body)
        fields = {**self._authorization, "Content-Type": "application/json", **headers}
        self._connection.request(method, quote(path, safe="/?&=$%()',:;"), data, fields)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status}: {text!r}")
        return text


@contextlib.contextmanager
def filled() -> Iterator[tuple[Client, Box, Box]]:
    """A server with a small and a large mailbox."""
    with contextlib.ExitStack() as stack:
        base = Path(tempfile.mkdtemp(prefix="graphpost-bench-"))
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        environment = {}
        if os.environ.get("BENCH_POSTGRES"):
            from graphpost.testing.postgres import PostgresServer

            environment["GRAPHPOST_STORE_URL"] = stack.enter_context(PostgresServer.start(durable=True)).url
        with product(data=base, environment=environment):
            pass  # makes the mailboxes
        url = environment.get("GRAPHPOST_STORE_URL", f"sqlite:{base / 'graphpost.db'}")
        small, large = asyncio.run(fill_all(url))
        server = stack.enter_context(product(data=base, environment=environment))
        yield Client(server), small, large


async def fill_all(url: str) -> tuple[Box, Box]:
    store = open_store(StoreSettings(url=url), Path("/"))
    started = time.perf_counter()
    directory = await store.read(accounts.load_directory)
    small, large = (
        Box(box.address, box.object_id, size)
        for box, size in zip(directory.by_id.values(), (SMALL, LARGE), strict=True)
    )
    for number, box in zip(directory.by_id, (small, large), strict=True):
        for begin in range(0, box.size, _CHUNK):
            await store.write(partial(fill, number, begin, box.size))
    if store.dialect.name == "postgres":
        await store.write(lambda tx: tx.execute("ANALYZE"))  # as autovacuum would, a little later
    await store.close()
    print(
        f"  {small.size + large.size:,} messages filled in {time.perf_counter() - started:.0f} s", flush=True
    )
    return small, large


def fill(mailbox_id: int, begin: int, size: int, tx: Tx) -> None:
    for number in range(begin, min(begin + _CHUNK, size)):
        is_rare = number % (size // RARE) == size // RARE // 2
        sender = Address("rare@example.org" if is_rare else f"sender{number % 100}@example.org", "Somebody")
        when = START + number * MINUTE
        message = Message(
            subject=f"Order {number}",
            body=Body(TEXT, "text"),
            preview=TEXT[:255],
            from_=sender,
            sender=sender,
            to=TO,
            internet_message_id=f"<{number}@example.org>",
            date=when,
        )
        item = Item(
            mailbox_id=mailbox_id,
            message_id=number + 1,
            folder_id=INBOX,
            message=message,
            created_at=when,
            modified_at=when,
            received_at=when,
            sent_at=when,
            is_read=not is_rare,
            size=900,
            conversation_id=number.to_bytes(16, "big"),
        )
        messages.add(tx, item)


def compare(name: str, small: Callable[[], object], large: Callable[[], object], goal: float) -> str:
    """Both in turn, round by round; a row with the medians and their ratio."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 2):
        for question, took in zip((small, large), times, strict=True):
            begin = time.perf_counter()
            question()
            seconds = time.perf_counter() - begin
            if number >= 2:  # warm
                took.append(seconds * 1e3)
        if seconds > 1 and number >= 4:
            break  # slow enough to be seen
    few, many = median(times[0]), median(times[1])
    row = f"{name}: {few:.2f} ms, {many:.2f} ms: {many / few:.2f} (goal <= {goal:g})"
    print(f"  {row}", flush=True)
    return row
