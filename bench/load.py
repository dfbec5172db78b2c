"""Load: keep-alive HTTP/1.1 connections that send one prepared request again and again.

    python -m bench.load --port 8080 --connections 64 --requests 20000 --file request.bin

The request is sent as it is in the file; what is measured is the time from writing it to having read the whole answer.
Prints one JSON line: requests per second and latency percentiles in milliseconds.  The client costs a few
microseconds a request, so one core drives what a Python server can take.  With `--other` every so many'th request is another
one, with `@@@@@@@@` in it replaced by a number; it is not counted, but has to be answered as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast


@dataclass(slots=True)
class Run:
    request: bytes
    wanted: int
    status: bytes
    other: bytes = b""
    other_status: bytes = b""
    every: int = 0
    sent: int = 0
    others: int = 0
    latencies: list[float] = field(default_factory=list)
    wrong: dict[str, int] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    stop_at: float = 0.0


class Client(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.started = 0.0
        self.busy = False
        self.is_other = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self.next()

    def next(self) -> None:
        run = self.run
        if run.sent >= run.wanted or (run.stop_at and time.perf_counter() > run.stop_at):
            assert self.transport is not None
            self.transport.close()
            return
        run.sent += 1
        self.busy = True
        self.started = time.perf_counter()
        assert self.transport is not None
        self.is_other = run.every > 0 and run.sent % run.every == 0
        request = run.other.replace(b"@@@@@@@@", b"%08d" % run.sent) if self.is_other else run.request
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        total = head_end + 4 + content_length(self.buffer[:head_end])
        if len(self.buffer) < total:
            return
        run = self.run
        if self.is_other:
            run.others += 1
        else:
            run.latencies.append(time.perf_counter() - self.started)
        if not self.buffer.startswith(run.other_status if self.is_other else run.status, 9):
            line = self.buffer[:head_end].split(b"\r\n")[0].decode("latin-1")
            run.wrong[line] = run.wrong.get(line, 0) + 1
        self.buffer = self.buffer[total:]
        self.busy = False
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self.run.wrong["lost"] = self.run.wrong.get("lost", 0) + 1
        if len(self.run.latencies) + self.run.others + self.run.wrong.get("lost", 0) >= self.run.sent:
            self.run.done.set()


def content_length(head: bytes) -> int:
    place = head.lower().find(b"content-length:")
    if place < 0:
        return 0
    return int(head[place + 15 :].split(b"\r\n", 1)[0])


async def load(
    host: str,
    ports: Sequence[int],
    request: bytes,
    *,
    connections: int,
    requests: int,
    status: int = 202,
    seconds: float = 0.0,
    other: tuple[bytes, int, int] = (b"", 0, 0),
) -> dict[str, object]:
    """Send `requests` requests (or as many as fit `seconds`) over so many connections, to the ports by turns.

    `other` is a request, its status, and each how many'th it is.
    """
    run = Run(request, requests, str(status).encode(), other[0], str(other[1]).encode(), other[2])
    run.stop_at = time.perf_counter() + seconds if seconds else 0.0
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for number in range(connections):
        await loop.create_connection(lambda: Client(run), host, ports[number % len(ports)])
    await run.done.wait()
    took = time.perf_counter() - started
    ordered = sorted(run.latencies)
    return {
        "requests": len(ordered),
        "seconds": round(took, 3),
        "rate": round(len(ordered) / took, 1),
        "mean_ms": round(sum(ordered) / len(ordered) * 1000, 3),
        "p50_ms": round(ordered[len(ordered) // 2] * 1000, 3),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 3),
        "max_ms": round(ordered[-1] * 1000, 3),
        "wrong": run.wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, nargs="+", required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--status", type=int, default=202)
    parser.add_argument("--file", required=True)
    parser.add_argument("--other", default="")
    parser.add_argument("--other-status", type=int, default=401)
    parser.add_argument("--every", type=int, default=0)
    args = parser.parse_args()
    try:
        import uvloop

        runner = uvloop.run
    except ImportError:
        runner = asyncio.run  # type: ignore[assignment]
    found = runner(
        load(
            args.host,
            args.port,
            Path(args.file).read_bytes(),
            connections=args.connections,
            requests=args.requests,
            status=args.status,
            seconds=args.seconds,
            other=(Path(args.other).read_bytes(), args.other_status, args.every)
            if args.other
            else (b"", 0, 0),
        )
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
