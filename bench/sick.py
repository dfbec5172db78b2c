"""Healthy destinations beside sick ones: a thousand, of which a hundred are dead, fifty slow and fifty flaky.

The same 20,000 messages, at a rate the server can keep up with, once to destinations that are all healthy and once to
these.  What counts is the time in the queue of those to the destinations that are healthy in both, as the server's log tells
it.  At the end nothing is lost: what the healthy, slow and flaky hosts took is what was sent to them, and the rest waits.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from statistics import median

from bench.internet import Population, domain, internet
from bench.product import Product, product
from graphpost.testing.ports import free_port

HEALTHY = Population(1000)
SICK = Population(800, dead=100, slow=50, flaky=50)
MESSAGES, RATE = 20_000, 500
CONNECTIONS = 16
ROUNDS = 2
WAIT_SECONDS = 120.0
DELIVERY = (
    "[delivery]\nconnect_seconds = 10.0\nreply_seconds = 10.0\nretry_seconds = [5.0, 10.0, 20.0, 60.0]\n"
)
_DELIVERED = re.compile(r" delivered message=\S+ recipient=a@d(\d+)\.test .* seconds=([\d.]+)")


def run() -> list[str]:
    shares, rows = [], []
    for number in range(ROUNDS):
        alone, beside = (measure(population) for population in (HEALTHY, SICK))
        shares.append(beside / alone)
        rows.append((alone, beside))
        print(
            f"  round {number + 1}: p99 {alone * 1e3:.0f} ms, beside sick ones {beside * 1e3:.0f} ms",
            flush=True,
        )
    few, many = (median(row[which] for row in rows) for which in (0, 1))
    return [
        f"sick: p99 in the queue, healthy destinations: {few * 1e3:.0f} ms, beside sick ones {many * 1e3:.0f} ms:"
        f" {median(shares):.2f} (goal <= 2)"
    ]


def measure(population: Population) -> float:
    """Seconds in the queue, p99 of the messages to the destinations that are healthy in every run."""
    with (
        internet(population, free_port()) as peers,
        product(config=DELIVERY + peers.settings) as server,
    ):
        asyncio.run(send(server))
        sent = Counter(number % population.total for number in range(MESSAGES))
        wanted = [0 if population.kind(n) == "dead" else sent[n] for n in range(population.total)]
        end = time.perf_counter() + WAIT_SECONDS
        while (taken := peers.taken()) != wanted:
            if time.perf_counter() > end:
                raise RuntimeError(f"{sum(wanted) - sum(taken)} messages did not arrive")
            time.sleep(0.2)
        time.sleep(0.5)  # the log is written
        left, waiting = server.metric("graphpost_queue_depth"), MESSAGES - sum(wanted)
        if left != waiting:
            raise RuntimeError(f"{left:.0f} wait, and not {waiting}")
        found = _DELIVERED.findall(server.log.read_text())
    times = sorted(float(seconds) for number, seconds in found if int(number) < SICK.healthy)
    return times[len(times) * 99 // 100]


async def send(server: Product) -> None:
    """Message n to domain n modulo their number, each at its time."""
    began, token = time.perf_counter(), server.token()
    await asyncio.gather(
        *(
            send_some(server, token, began, range(first, MESSAGES, CONNECTIONS))
            for first in range(CONNECTIONS)
        )
    )


async def send_some(server: Product, token: str, began: float, numbers: range) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for number in numbers:
        await asyncio.sleep(began + number / RATE - time.perf_counter())
        writer.write(request(server, token, number % HEALTHY.total))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 202"):
            raise RuntimeError(head.decode())
    writer.close()


def request(server: Product, token: str, number: int) -> bytes:
    to = {"emailAddress": {"address": f"a@{domain(number)}"}}
    message = {"subject": "Lunch", "body": {"content": "x" * 420}, "toRecipients": [to]}
    body = json.dumps({"message": message}).encode()
    head = (
        f"POST /v1.0/users/{server.settings['MAILBOX']}/sendMail HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
