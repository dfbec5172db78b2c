"""A small Internet on the loopback: a DNS server, and a mail host for each of many domains, some of them sick.

    python -m bench.internet --port 2525 --healthy 850 --dead 100 --slow 50 --flaky 50

Domain n is `dN.test`, its exchanger listens at 127.1.x.y; the healthy ones come first, then the dead, the slow, the flaky.
Half of the dead refuse connections, the others take them and say nothing.  The slow ones think for some seconds about
every message.  The flaky ones close every second connection at once.  Prints the DNS server's address; to each line on
its input it answers with a JSON list: how many messages each domain took.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

from graphpost.testing.dns_peer import DnsPeer

SLOW_SECONDS = 3.0
Kind = Literal["healthy", "dead", "slow", "flaky"]


@dataclass(frozen=True)
class Population:
    healthy: int
    dead: int = 0
    slow: int = 0
    flaky: int = 0

    @property
    def total(self) -> int:
        return self.healthy + self.dead + self.slow + self.flaky

    def kind(self, number: int) -> Kind:
        kinds: tuple[tuple[Kind, int], ...] = (
            ("healthy", self.healthy),
            ("dead", self.dead),
            ("slow", self.slow),
        )
        for kind, many in kinds:
            if number < many:
                return kind
            number -= many
        return "flaky"

    @property
    def options(self) -> list[str]:
        fields = ("healthy", "dead", "slow", "flaky")
        return [word for name in fields for word in (f"--{name}", str(getattr(self, name)))]


def domain(number: int) -> str:
    return f"d{number}.test"


def address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Host(asyncio.Protocol):
    """One conversation; PIPELINING, nothing kept."""

    def __init__(self, number: int, kind: Kind, taken: list[int], connections: list[int]) -> None:
        self.number, self.kind, self.taken, self.connections = number, kind, taken, connections
        self.buffer = b""
        self.in_data = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.connections[self.number] += 1
        if self.kind == "flaky" and self.connections[self.number] % 2:
            self.transport.close()
        elif self.kind != "dead":
            self.say(b"220 mx\r\n")

    def say(self, text: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(text)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        answers: list[bytes] = []
        while (answer := self.step()) is not None:
            answers.append(answer)
        if answers:
            self.say(b"".join(answers))

    def step(self) -> bytes | None:
        """The answer to the first thing in the buffer; None when it is not there yet, or is answered later."""
        ending = b"\r\n.\r\n" if self.in_data else b"\r\n"
        end = self.buffer.find(ending)
        if end < 0:
            return None
        line, self.buffer = self.buffer[:end], self.buffer[end + len(ending) :]
        if self.in_data:
            return self.take()
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if verb == b"DATA":
            self.in_data = True
            return b"354 go on\r\n"
        return b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"

    def take(self) -> bytes | None:
        self.in_data = False
        if self.kind != "slow":
            self.taken[self.number] += 1
            return b"250 taken\r\n"
        asyncio.get_running_loop().call_later(SLOW_SECONDS, self.take_late)
        return None

    def take_late(self) -> None:
        self.taken[self.number] += 1
        self.say(b"250 taken\r\n")
        self.data_received(b"")


async def serve(port: int, population: Population) -> None:
    taken, connections = [0] * population.total, [0] * population.total
    loop = asyncio.get_running_loop()
    servers = []
    for number in range(population.total):
        kind = population.kind(number)
        if kind == "dead" and number % 2:
            continue
        made = partial(Host, number, kind, taken, connections)
        servers.append(await loop.create_server(made, address(number), port, backlog=500))
    with DnsPeer() as dns:
        for number in range(population.total):
            dns.add(domain(number), "MX", f"10 mx.{domain(number)}.")
            dns.add(f"mx.{domain(number)}", "A", address(number))
        print(dns.address, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(taken), flush=True)


class Internet:
    """The same from outside."""

    def __init__(self, process: subprocess.Popen[str], port: int, dns: str) -> None:
        self._process = process
        self.port = port
        self.dns = dns

    def taken(self) -> list[int]:
        """How many messages each domain took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return cast(list[int], json.loads(self._process.stdout.readline()))

    @property
    def settings(self) -> str:
        """Settings that lead there, as a file has them."""
        route = f'domains = ["*"]\nto = "mx:{self.port}"\nallow_local = true'
        return f'[dns]\nservers = ["{self.dns}"]\n[[routes]]\n{route}\n'


@contextlib.contextmanager
def internet(population: Population, port: int) -> Iterator[Internet]:
    command = [sys.executable, "-m", "bench.internet", "--port", str(port), *population.options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Internet(process, port, process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for name in ("healthy", "dead", "slow", "flaky"):
        parser.add_argument(f"--{name}", type=int, default=0)
    found = vars(parser.parse_args())
    port = found.pop("port")
    try:
        import uvloop

        uvloop.run(serve(port, Population(**found)))
    except ImportError:
        asyncio.run(serve(port, Population(**found)))


if __name__ == "__main__":
    main()
