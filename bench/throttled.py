"""What limits cost: durable accept with throttling on, against off, in processor time for a request.

Two servers at a time, one of which counts everything against limits that nobody reaches; rounds are interleaved, and which
goes first alternates.  Processor time is the server's own, so that a busy machine disturbs it less than a rate.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from statistics import median

from bench.accept import REQUESTS, closed_relay, drive, warm
from bench.product import Product, product, send_mail_request

ROUNDS = 7
LIMITS = {
    "PROFILE": "custom",
    "REQUESTS": "1000000000",
    "CONCURRENCY": "1000",
    "UPLOAD_BYTES": "1000000000000",
    "APPLICATION_REQUESTS": "1000000000",
    "MESSAGES": "1000000000",
    "RECIPIENTS": "1000000000",
}


def processor_seconds(found: Product) -> float:
    """User and system time of the server so far."""
    fields = Path(f"/proc/{found.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(found: Product, request: bytes) -> float:
    """Microseconds of processor time for a request."""
    before = processor_seconds(found)
    drive(found.port, request)
    return (processor_seconds(found) - before) / REQUESTS * 1e6


def run() -> list[str]:
    """Print each round, return the table's row."""
    environment = {f"GRAPHPOST_THROTTLING_{name}": value for name, value in LIMITS.items()}
    rounds: list[tuple[float, float]] = []
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(product(*closed_relay(), environment=more)) for more in ({}, environment)
        ]
        requests = [send_mail_request(server) for server in servers]
        for server, request in zip(servers, requests, strict=True):
            warm(server, request)
        for number in range(ROUNDS):
            found = [0.0, 0.0]
            for index in (0, 1) if number % 2 else (1, 0):
                found[index] = cost(servers[index], requests[index])
            rounds.append((found[0], found[1]))
            print(f"  round {number + 1}: off {found[0]:.1f} µs  on {found[1]:.1f} µs", flush=True)
    off, on = (median(column) for column in zip(*rounds, strict=True))
    more = median(on - off for off, on in rounds)
    return [f"throttled: {on:.1f} µs of processor time a request, {off:.1f} without limits: {more:+.1f}"]
