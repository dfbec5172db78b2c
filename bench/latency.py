"""Line 2: latency, alone, under load, and beside large messages.

One connection: the median over the disk's fsync, which is measured in the same directory and round.  64 connections:
p99.  Then small requests on 8 connections while 25 MB messages are accepted and delivered, against the same without.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
import threading
import time
import urllib.request
from statistics import median

from bench.accept import closed_relay, drive, warm
from bench.peers import smtp_sink
from bench.product import Product, product, send_mail_request

ROUNDS = 3
LARGE = 25 * 1024 * 1024
LIMITS = "[limits]\nrequest_bytes = 67108864\nexpanded_bytes = 67108864\n"


def run() -> list[str]:
    return [*undisturbed(), *disturbed()]


def undisturbed() -> list[str]:
    over_fsync, busy = [], []
    with product(*closed_relay()) as server:
        request = send_mail_request(server)
        warm(server, request)
        for number in range(ROUNDS):
            disk = fsync_ms()
            single = drive(server.port, request, requests=1000, connections=1)
            many = drive(server.port, request, requests=20_000)
            over_fsync.append(single["p50_ms"] - disk)
            busy.append(many["p99_ms"])
            print(
                f"  round {number + 1}: fsync {disk:.2f} ms, 1 connection p50 {single['p50_ms']:.2f} ms,"
                f" 64 connections p99 {many['p99_ms']:.2f} ms",
                flush=True,
            )
    return [
        f"latency: 1 connection, p50 over fsync {median(over_fsync):.2f} ms (goal <= 1)",
        f"latency: 64 connections, p99 {median(busy):.1f} ms (goal <= 20)",
    ]


def disturbed() -> list[str]:
    ratios = []
    with smtp_sink() as sink, product("--relay", f"smtp://127.0.0.1:{sink}", config=LIMITS) as server:
        request = send_mail_request(server)
        warm(server, request)
        for number in range(ROUNDS):
            calm = drive(server.port, request, requests=10**9, connections=8, seconds=3.0)
            with large_messages(server) as sent:
                rough = drive(server.port, request, requests=10**9, connections=8, seconds=3.0)
            ratios.append(rough["p99_ms"] / calm["p99_ms"])
            print(
                f"  round {number + 1}: p99 {calm['p99_ms']:.2f} ms, beside {len(sent)} messages of 25 MB"
                f" {rough['p99_ms']:.2f} ms",
                flush=True,
            )
    return [f"latency: p99 beside 25 MB messages {median(ratios):.1f} x the undisturbed (goal <= 5)"]


@contextlib.contextmanager
def large_messages(server: Product):  # type: ignore[no-untyped-def]
    """Send 25 MB messages one after the other until the block ends; the list grows by one for each."""
    body = json.dumps(
        {
            "message": {
                "subject": "large",
                "toRecipients": [{"emailAddress": {"address": "b@example.org"}}],
                "attachments": [
                    {
                        "@odata.type": "#microsoft.graph.fileAttachment",
                        "name": "large.bin",
                        "contentBytes": base64.b64encode(os.urandom(LARGE)).decode(),
                    }
                ],
            }
        }
    ).encode()
    token, ends, sent = server.token(), threading.Event(), []  # type: ignore[var-annotated]

    def send() -> None:
        while not ends.is_set():
            request = urllib.request.Request(
                f"{server.url}/v1.0/users/{server.settings['MAILBOX']}/sendMail",
                data=body,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as answer:
                sent.append(answer.status)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        ends.set()
        thread.join()


def fsync_ms() -> float:
    """The median time of writing and syncing 4 KB at the end of a file."""
    times = []
    with tempfile.TemporaryFile() as file:
        for _ in range(300):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return median(times) * 1000
