"""How fast the SMTP courier is beside Postfix's smtp-source, both to the same smtp-sink, in interleaved runs.

    python bench/transport.py [--messages 20000] [--concurrency 20] [--rounds 3]

Prints messages a second for smtp-source (connections reused), for the courier on asyncio and on uvloop, the ratios of
their medians, and the CPU time a message costs the sender (user and system).  The courier has `concurrency`
connections and twice as many deliveries under way, as the worker gives it.  Needs Postfix's test programs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphpost.testing.ports import free_port
from graphpost.transport.courier import Delivered, Envelope
from graphpost.transport.smtp import SmtpCourier, SmtpTarget


@dataclass(frozen=True)
class Content:
    data: bytes
    is_8bit: bool = False

    @property
    def size(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[bytes]:
        yield self.data


CONTENT = Content(
    b"Subject: benchmark\r\nFrom: a@example.test\r\nTo: b@example.test\r\n\r\n"
    + b"x" * 58
    + b"\r\n"
    + b"y" * 470
    + b"\r\n"
)


@dataclass(frozen=True)
class Figures:
    rate: float  # messages a second
    cost: float  # microseconds of CPU a message


async def courier(port: int, messages: int, concurrency: int) -> Figures:
    target = SmtpTarget(
        "127.0.0.1", port, tls="none", messages_per_connection=messages, connections=concurrency
    )
    smtp = SmtpCourier(target)
    left = iter(range(messages))

    async def worker() -> None:
        for _ in left:
            outcomes = await smtp.deliver(Envelope("a@example.test", ("b@example.test",), CONTENT))
            assert isinstance(outcomes[0], Delivered), outcomes

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(2 * concurrency)))
    took, cost = time.perf_counter() - start, time.process_time() - cpu
    await smtp.close()
    return Figures(messages / took, cost / messages * 1e6)


def on_asyncio(port: int, messages: int, concurrency: int) -> Figures:
    return asyncio.run(courier(port, messages, concurrency))


def on_uvloop(port: int, messages: int, concurrency: int) -> Figures:
    import uvloop

    return uvloop.run(courier(port, messages, concurrency))


def smtp_source(port: int, messages: int, concurrency: int) -> Figures:
    command = [
        "smtp-source",
        "-d",
        "-s",
        str(concurrency),
        "-m",
        str(messages),
        "-l",
        "600",
        f"127.0.0.1:{port}",
    ]
    start, cpu = time.perf_counter(), children_cpu()
    subprocess.run(command, check=True)
    return Figures(messages / (time.perf_counter() - start), (children_cpu() - cpu) / messages * 1e6)


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_until_open(port: int, sink: subprocess.Popen[bytes]) -> None:
    while sink.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("smtp-sink did not start")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if not shutil.which("smtp-sink"):
        parser.exit(1, "smtp-sink is not installed (Debian: postfix)\n")
    runs: dict[str, Callable[[int, int, int], Figures]] = {
        "smtp-source": smtp_source,
        "courier, asyncio": on_asyncio,
        "courier, uvloop": on_uvloop,
    }
    figures: dict[str, list[Figures]] = {name: [] for name in runs}
    port = free_port()
    as_user = ["-u", "nobody"] if os.getuid() == 0 else []
    sink = subprocess.Popen(["smtp-sink", *as_user, f"127.0.0.1:{port}", "1000"])
    try:
        wait_until_open(port, sink)
        for _ in range(args.rounds):
            for name, run in runs.items():
                figures[name].append(run(port, args.messages, args.concurrency))
    finally:
        sink.terminate()
        sink.wait()
    base = statistics.median(figure.rate for figure in figures["smtp-source"])
    for name, values in figures.items():
        rates = [figure.rate for figure in values]
        rate, cost = statistics.median(rates), statistics.median(figure.cost for figure in values)
        print(
            f"{name:18} {rate:8.0f}/s   {rate / base:5.2f} x smtp-source   {cost:5.1f} us of CPU a message"
            f"   ({min(rates):.0f}-{max(rates):.0f})"
        )


if __name__ == "__main__":
    main()
