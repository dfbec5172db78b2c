"""Line 3: delivered, from the POST to smtp-sink, against Postfix relaying and smtp-source straight to smtp-sink.

A round ends when the product's queue is empty: every message has the sink's 250 and its outcome is on disk.  One
recipient a message on every side.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from statistics import median

from bench.accept import drive, warm
from bench.peers import find, postfix, smtp_sink, smtp_source
from bench.product import Product, product, send_mail_request

ROUNDS = 3
MESSAGES = 20_000
POSTFIX_MESSAGES = 3000


def run() -> list[str]:
    rounds: list[tuple[float, float, float]] = []
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(smtp_sink())
        relay = stack.enter_context(postfix(sink)) if find("postfix") else None
        server = stack.enter_context(product("--relay", f"smtp://127.0.0.1:{sink}"))
        request = send_mail_request(server)
        warm(server, request)
        wait_for_empty_queue(server)
        for number in range(ROUNDS):
            straight = smtp_source(sink, messages=MESSAGES, sessions=20, size=600)
            delivered = product_rate(server, request)
            relayed = postfix_rate(*relay) if relay else 0.0
            rounds.append((straight, delivered, relayed))
            print(
                f"  round {number + 1}: smtp-source {straight:,.0f}/s  product {delivered:,.0f}/s"
                f"  Postfix {relayed:,.0f}/s",
                flush=True,
            )
    share = median(delivered / straight for straight, delivered, _ in rounds)
    rows = [
        f"delivered: {median(r[1] for r in rounds):,.0f}/s = {share:.2f} x smtp-source to smtp-sink (goal >= 0.45)"
    ]
    if relay:
        times = median(delivered / relayed for _, delivered, relayed in rounds)
        rows.append(f"delivered: {times:.1f} x Postfix's accept and relay (goal >= 15)")
    return rows


def product_rate(server: Product, request: bytes) -> float:
    started = time.perf_counter()
    drive(server.port, request, requests=MESSAGES)
    wait_for_empty_queue(server)
    return MESSAGES / (time.perf_counter() - started)


def wait_for_empty_queue(server: Product, seconds: float = 120.0) -> None:
    end = time.perf_counter() + seconds
    while server.metric("graphpost_queue_depth") > 0:
        if time.perf_counter() > end:
            raise RuntimeError("the queue does not drain")
        time.sleep(0.02)


def postfix_rate(port: int, spool: Path) -> float:
    started = time.perf_counter()
    smtp_source(port, messages=POSTFIX_MESSAGES, sessions=20, size=600)
    queues = [spool / name for name in ("maildrop", "incoming", "active", "deferred")]
    while any(entry.is_file() for queue in queues for entry in queue.rglob("*")):
        time.sleep(0.02)
    return POSTFIX_MESSAGES / (time.perf_counter() - started)
