"""What invalid tokens cost who has a valid one: 64 clients, with and without a tenth of invalid ones.

64 keep-alive connections send the same number of valid requests (sendMail, durable) again and again: alone, and by turns
with one other request after every nine, so that it is a tenth of all.  Each run beside others is compared with the mean of
the two alone before and after it, because the machine is not the same from second to second: what the valid
ones see, their mean latency and their rate, and the server's processor time.  The valid ones are to be slowed by no more
than 10 %: that is the latency.  The rate says how the connections' time is divided too: where the others are answered no
sooner than the valid ones, which keeps these in step, nine tenths of it are left to the valid ones.

The others: `signed` has a token whose signature is wrong, another one each time, so that nothing can be known of it
before; `same` is one such token again and again; `garbage` is no token; `right` has the valid token and asks for what
there is not: what a tenth of anything else costs, because requests of one kind keep step with each other's commits.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path
from statistics import mean, median

from bench.accept import CONNECTIONS, closed_relay, warm
from bench.product import PYTHON, Product, product, request_bytes
from bench.throttled import processor_seconds

ROUNDS = 9
VALID = 9_000
EVERY = 10
KINDS = {"right": 400, "signed": 401, "same": 401, "garbage": 401}  # with the answer
PLACE = "@@@@@@@@"  # what the load client replaces by a number of its own


def invalid(token: str, kind: str) -> str:
    """A token of that kind, made of a right one; another one wherever PLACE is in it."""
    head, payload, signature = token.split(".")
    if kind == "garbage":
        return urlsafe_b64encode(b"no token at all").decode()
    wrong = signature[:40] + PLACE + signature[48:]
    return f"{head}.{payload}.{wrong.replace(PLACE, 'AAAAAAAA') if kind == 'same' else wrong}"


def others(mailbox: str, token: str) -> dict[str, bytes]:
    """The request of each kind."""
    missing = f"GET /v1.0/users/{mailbox}/mailFolders/none HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    invalid_ones = {
        kind: request_bytes(mailbox, invalid(token, kind)) for kind in KINDS if KINDS[kind] == 401
    }
    return {"right": missing.encode(), **invalid_ones}


def drive(port: int, valid: bytes, other: bytes = b"", status: int = 0) -> dict[str, float]:
    """Send VALID valid requests, and between them others; what the valid ones saw."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name in ("valid", "other")]
        paths[0].write_bytes(valid)
        requests, more = VALID, []
        if other:
            paths[1].write_bytes(other)
            requests = VALID * EVERY // (EVERY - 1)
            more = ["--other", str(paths[1]), "--every", str(EVERY), "--other-status", str(status)]
        done = subprocess.run(
            [PYTHON, "-m", "bench.load", "--port", str(port), "--requests", str(requests),
             "--connections", str(CONNECTIONS), "--file", str(paths[0]), *more],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    if found["wrong"]:
        raise RuntimeError(f"wrong answers: {found['wrong']}")
    return found


Seen = tuple[float, ...]
"""Valid requests a second, their mean latency in ms, and processor time for each in µs."""


def measured(server: Product, valid: bytes, other: bytes = b"", status: int = 0) -> Seen:
    before = processor_seconds(server)
    seen = drive(server.port, valid, other, status)
    spent = (processor_seconds(server) - before) / VALID * 1e6
    return seen["requests"] / seen["seconds"], seen["mean_ms"], spent


def run() -> list[str]:
    """Print each round, return a row for each kind."""
    rounds: dict[str, list[tuple[Seen, Seen]]] = {kind: [] for kind in KINDS}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(product(*closed_relay()))
        mailbox, token = server.settings["MAILBOX"], server.token()
        valid, requests = request_bytes(mailbox, token), others(mailbox, token)
        warm(server, valid)
        before = measured(server, valid)
        for number in range(ROUNDS):
            for kind in KINDS if number % 2 else reversed(KINDS):
                beside = measured(server, valid, requests[kind], KINDS[kind])
                after = measured(server, valid)
                alone = tuple(map(mean, zip(before, after, strict=True)))
                rounds[kind].append((alone, beside))
                print(
                    f"  round {number + 1}: alone {alone[0]:,.0f}/s {alone[2]:.0f} µs; {kind} {beside[0]:,.0f}/s {beside[2]:.0f} µs",
                    flush=True,
                )
                before = after
    return [_row(kind, pairs) for kind, pairs in rounds.items()]


def _row(kind: str, pairs: list[tuple[Seen, Seen]]) -> str:
    rate, latency, cost = (median(beside[at] / alone[at] for alone, beside in pairs) for at in range(3))
    return f"tokens: beside a tenth {kind}: {latency:.2f} x the mean latency (<= 1.1), {rate:.2f} x the rate (>= 0.9), {cost:.2f} x the processor time"
