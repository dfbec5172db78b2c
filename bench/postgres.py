"""Line 9: accepting on PostgreSQL against SQLite, and what two nodes cost against one.

Rounds are interleaved: SQLite, one node on PostgreSQL, two nodes on a database of theirs, each with the same 64
connections of one load generator; the order turns from round to round, and ratios are taken within a round.  PostgreSQL
is a server of its own that syncs as in production.  Processor time is that of all the product's processes, and that of
all of PostgreSQL's (backends, WAL writer, autovacuum …), each divided by the messages of the round.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from bench.accept import CONNECTIONS, closed_relay, drive_nodes, warm
from bench.product import Product, product, send_mail_request
from graphpost.testing.postgres import PostgresServer

ROUNDS = 5
REQUESTS = 20_000
MICROSECONDS_PER_TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Setup:
    """Nodes that share a database; `database_pid` is that of the database's own process, 0 when it has none."""

    name: str
    nodes: Sequence[Product]
    database_pid: int = 0


@dataclass(frozen=True)
class Found:
    """Messages a second; microseconds of processor time a message."""

    rate: float
    product: float
    database: float

    @property
    def total(self) -> float:
        return self.product + self.database


def measure(setup: Setup, request: bytes) -> Found:
    before = spent(setup)
    answered = drive_nodes([node.port for node in setup.nodes], request, requests=REQUESTS)
    used = [(now - then) / REQUESTS for now, then in zip(spent(setup), before, strict=True)]
    return Found(answered["rate"], *used)


def spent(setup: Setup) -> tuple[float, float]:
    """Microseconds of the product's processes and of the database's."""
    database = tree(setup.database_pid) if setup.database_pid else 0.0
    return sum(tree(node.pid) for node in setup.nodes), database


def tree(pid: int) -> float:
    """Microseconds of a process, of its children, and of those of them that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, fields[11:15]))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    alive = 0.0
    for child in children:
        with contextlib.suppress(OSError):  # it ended meanwhile
            alive += tree(int(child))
    return ticks * MICROSECONDS_PER_TICK + alive


def database(server: PostgresServer, name: str) -> dict[str, str]:
    """An empty database, as a variable of the environment."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return {"GRAPHPOST_STORE_URL": server.url.replace("/postgres?", f"/{name}?")}


def setups(stack: contextlib.ExitStack) -> list[Setup]:
    server = stack.enter_context(PostgresServer.start(durable=True))
    one, two = database(server, "one"), database(server, "two")
    relay = closed_relay()
    embedded = stack.enter_context(product(*relay))
    alone = stack.enter_context(product(*relay, environment=one))
    first = stack.enter_context(product(*relay, environment=two))
    second = stack.enter_context(product(*relay, environment=two, data=first.data))
    return [
        Setup("SQLite", [embedded]),
        Setup("one node", [alone], server.pid),
        Setup("two nodes", [first, second], server.pid),
    ]


def run() -> list[str]:
    """Print each round, return the table's rows."""
    rounds: list[list[Found]] = []
    with contextlib.ExitStack() as stack:
        those = setups(stack)
        requests = [send_mail_request(setup.nodes[0]) for setup in those]
        for setup, request in zip(those, requests, strict=True):
            for node in setup.nodes:
                warm(node, request)
        for number in range(ROUNDS):
            found = dict[int, Found]()
            for index in sorted(range(3), key=lambda index: (index + number) % 3):
                found[index] = measure(those[index], requests[index])
            rounds.append([found[index] for index in range(3)])
            shown = "  ".join(
                f"{setup.name} {one.rate:.0f}/s {one.product:.0f} + {one.database:.0f} µs"
                for setup, one in zip(those, rounds[-1], strict=True)
            )
            print(f"  round {number + 1}: {shown}", flush=True)
    return rows(rounds)


def rows(rounds: list[list[Found]]) -> list[str]:
    accept = median(one.rate / embedded.rate for embedded, one, _ in rounds)
    both = median(two.rate / embedded.rate for embedded, _, two in rounds)
    total = median(two.total / one.total for _, one, two in rounds)
    own = median(two.product / one.product for _, one, two in rounds)
    theirs = median(two.database / one.database for _, one, two in rounds)
    return [
        f"postgres: accept over {CONNECTIONS} connections {accept:.2f} x SQLite's (goal 0.5); two nodes {both:.2f} x",
        f"postgres: processor time a message of two nodes {total:.2f} x of one (goal 1.2):"
        f" product {own:.2f} x, PostgreSQL {theirs:.2f} x",
    ]
