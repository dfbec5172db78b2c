"""What invalid tokens cost who has a valid one: 64 clients, with and without a tenth of invalid ones.

In a round 64 keep-alive connections send the same number of valid requests (sendMail, durable) twice: alone, and with
one invalid request after every nine valid ones, so that a tenth of all requests have a token that is refused.  What is
compared is what the valid ones see: their rate, and their median latency; and the server's processor time for
all of it, which a busy machine disturbs less.  The design wants the valid ones slowed by no more than 10 %.

Kinds of invalid tokens: `signed` has a signature that is wrong, another one each time, so that nothing can be known of it
before; `same` is one such token again and again; `garbage` is no token.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path
from statistics import median

from bench.accept import CONNECTIONS, closed_relay, warm
from bench.product import PYTHON, product, request_bytes
from bench.throttled import processor_seconds

ROUNDS = 5
VALID = 18_000
EVERY = 10
KINDS = ("signed", "same", "garbage")
PLACE = "@@@@@@@@"  # what the load client replaces by a number of its own


def invalid(token: str, kind: str) -> str:
    """A token of that kind, made of a right one; another one wherever PLACE is in it."""
    head, payload, signature = token.split(".")
    if kind == "garbage":
        return urlsafe_b64encode(b"no token at all").decode()
    wrong = signature[:40] + PLACE + signature[48:]
    return f"{head}.{payload}.{wrong.replace(PLACE, 'AAAAAAAA') if kind == 'same' else wrong}"


def drive(port: int, valid: bytes, other: bytes | None) -> dict[str, float]:
    """Send VALID valid requests, and between them others; what the valid ones saw."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name in ("valid", "other")]
        paths[0].write_bytes(valid)
        requests, more = VALID, []
        if other is not None:
            paths[1].write_bytes(other)
            requests = VALID * EVERY // (EVERY - 1)
            more = ["--other", str(paths[1]), "--every", str(EVERY), "--other-status", "401"]
        done = subprocess.run(
            [PYTHON, "-m", "bench.load", "--port", str(port), "--requests", str(requests),
             "--connections", str(CONNECTIONS), "--file", str(paths[0]), *more],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    if found["wrong"]:
        raise RuntimeError(f"wrong answers: {found['wrong']}")
    return found


def run() -> list[str]:
    """Print each round, return a row for each kind."""
    rows = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(product(*closed_relay()))
        mailbox, token = server.settings["MAILBOX"], server.token()
        valid = request_bytes(mailbox, token)
        warm(server, valid)
        for kind in KINDS:
            other = request_bytes(mailbox, invalid(token, kind))
            rates, latencies, costs, each = [], [], [], []
            for number in range(ROUNDS):
                found: dict[bool, tuple[float, float, float]] = {}
                for mixed in (True, False) if number % 2 else (False, True):
                    before = processor_seconds(server)
                    seen = drive(server.port, valid, other if mixed else None)
                    spent = (processor_seconds(server) - before) / VALID * 1e6
                    found[mixed] = (seen["requests"] / seen["seconds"], seen["p50_ms"], spent)
                alone, beside = found[False], found[True]
                rates.append(beside[0] / alone[0])
                latencies.append(beside[1] / alone[1])
                costs.append(beside[2] / alone[2])
                each.append((beside[2] - alone[2]) * (EVERY - 1))
                print(
                    f"  {kind} {number + 1}: alone {alone[0]:,.0f}/s {alone[2]:.1f} µs"
                    f"  beside {beside[0]:,.0f}/s {beside[2]:.1f} µs",
                    flush=True,
                )
            rows.append(
                f"tokens: a tenth {kind}: valid ones at {median(rates):.2f} x the rate, {median(latencies):.2f} x the median latency; "
                f"processor time {median(costs):.2f} x a valid request, {median(each):.0f} µs an invalid one (0.9 x the rate wanted)"
            )
    return rows
