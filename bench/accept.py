"""Line 1: durable accept, against uvicorn answering 202 and against Postfix's queue.

Rounds are interleaved: bare uvicorn, the product, Postfix (smtp-source to a queue that holds everything), again and
again; ratios are taken within a round and the median is quoted.  The product's relay is closed (nothing listens), so
what is measured is accepting: token, validation, one transaction with fsync, 202.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from statistics import median

from bench.peers import find, postfix, smtp_source, wait_for_port
from bench.product import PYTHON, Product, product, send_mail_request
from graphpost.testing.ports import free_port

ROUNDS = 3
REQUESTS = 20_000
CONNECTIONS = 64


@contextlib.contextmanager
def bare_uvicorn() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([PYTHON, "-m", "bench.bare", str(port)])
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def drive(
    port: int,
    request: bytes,
    *,
    requests: int = REQUESTS,
    connections: int = CONNECTIONS,
    seconds: float = 0.0,
) -> dict[str, float]:
    """Run the load client in a process of its own."""
    return drive_nodes([port], request, requests=requests, connections=connections, seconds=seconds)


def drive_nodes(
    ports: Sequence[int],
    request: bytes,
    *,
    requests: int = REQUESTS,
    connections: int = CONNECTIONS,
    seconds: float = 0.0,
) -> dict[str, float]:
    """The same, with the connections spread over several ports."""
    with tempfile.NamedTemporaryFile(suffix=".http") as file:
        file.write(request)
        file.flush()
        done = subprocess.run(
            [PYTHON, "-m", "bench.load", "--port", *map(str, ports), "--requests", str(requests),
             "--connections", str(connections), "--seconds", str(seconds), "--file", file.name],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    if found["wrong"]:
        raise RuntimeError(f"wrong answers: {found['wrong']}")
    return found


def closed_relay() -> list[str]:
    """Options for a product whose deliveries wait: the relay's port is closed."""
    return ["--relay", f"smtp://127.0.0.1:{free_port()}"]


def warm(found: Product, request: bytes) -> None:
    drive(found.port, request, requests=2000)


def run() -> list[str]:
    """Print each round, return the table's rows."""
    rounds: list[tuple[float, float, float]] = []
    has_postfix = find("postfix") is not None
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(bare_uvicorn())
        held = stack.enter_context(postfix(None))[0] if has_postfix else 0
        server = stack.enter_context(product(*closed_relay()))
        request = send_mail_request(server)
        warm(server, request)
        for number in range(ROUNDS):
            uvicorn_rate = drive(bare, request)["rate"]
            rate = drive(server.port, request)["rate"]
            postfix_rate = smtp_source(held, messages=4000, sessions=CONNECTIONS, size=600) if held else 0.0
            rounds.append((uvicorn_rate, rate, postfix_rate))
            print(
                f"  round {number + 1}: uvicorn {uvicorn_rate:,.0f}/s  product {rate:,.0f}/s"
                f"  Postfix {postfix_rate:,.0f}/s",
                flush=True,
            )
    against_uvicorn = median(rate / bare for bare, rate, _ in rounds)
    rows = [
        f"accept: {median(r[1] for r in rounds):,.0f}/s = {against_uvicorn:.2f} x uvicorn answering 202 (goal >= 0.20)"
    ]
    if has_postfix:
        against_postfix = median(rate / peer for _, rate, peer in rounds)
        rows.append(f"accept: {against_postfix:.1f} x Postfix's accept (goal >= 8)")
    return rows
