"""Where the time of an accepted message goes: CPU of the event loop's thread per request, answered at a point and no later.

    python -m bench stages

The whole server in this process, without sockets: 64 connections are fed what a client would send, each as soon as its
answer was written.  What the kernel takes is not in these figures, nor the delivery, which is stood down.  The machine
may be busy: what is counted is CPU, and the best of several runs is quoted.
"""

from __future__ import annotations

import asyncio
import copy
import json
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from threading import enumerate as threads
from typing import Any, Final, cast
from urllib.parse import urlencode

import uvloop

from bench.product import request_bytes
from graphpost.cli.env import environment
from graphpost.config import ThrottlingSettings, load
from graphpost.graph.api import GraphApi
from graphpost.graph.call import Call, Reply, Request, Services
from graphpost.graph.routes import ROUTES
from graphpost.graph.sending.send import read_json_submission
from graphpost.process import tune_interpreter
from graphpost.server import Server
from graphpost.store.store import Tx
from graphpost.throttling.limiting import Throttling
from graphpost.web.app import Application
from graphpost.web.connection import Connection, Port
from graphpost.web.exchange import Exchange
from graphpost.web.forwarded import Proxies

CONNECTIONS: Final = 64
REQUESTS: Final = 6000
RUNS: Final = 7
DATE: Final = "date: today\r\n"
COUNTED: Final = (
    "requests",
    "concurrency",
    "upload_bytes",
    "application_requests",
    "messages",
    "recipients",
)

App = Callable[[Exchange], Coroutine[Any, Any, None]]


class Offline(Server):
    """A server that listens to nobody: what it would serve is in `web`."""

    web: Application

    async def _start_web(self, web: Application, listener: Any, tls: Any) -> None:
        self.web = web


class Client:
    """The transport of a connection whose client says the same again and again, as often as there is `left`."""

    def __init__(self, app: App, request: bytes, left: list[int], done: asyncio.Event) -> None:
        self.loop = asyncio.get_running_loop()
        self.connection = Connection(Port(app, 60.0, Proxies(), CONNECTIONS, common=DATE), self.loop)
        self.request = request
        self.left = left
        self.done = done
        self.answers: set[bytes] = set()
        self.last = b""
        self.connection.connection_made(cast("asyncio.Transport", self))

    def ask(self) -> None:
        self.connection.data_received(self.request)

    def write(self, data: bytes) -> None:
        self.last = data
        self.answers.add(data[9:12])
        self.left[0] -= 1
        if self.left[0] >= CONNECTIONS:
            self.loop.call_soon(self.ask)
        elif self.left[0] == 0:
            self.done.set()

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return False


async def drive(app: App, request: bytes, requests: int = REQUESTS) -> bytes:
    """The last answer; all of them have the status 202, or 200."""
    left, done = [requests], asyncio.Event()
    clients = [Client(app, request, left, done) for _ in range(min(CONNECTIONS, requests))]
    for client in clients:
        client.ask()
    await done.wait()
    found = set[bytes]().union(*(client.answers for client in clients))
    assert found in ({b"202"}, {b"200"}), (found, clients[0].last)
    return clients[0].last


def writer_seconds() -> float:
    (writer,) = [thread for thread in threads() if thread.name == "store-writer"]
    assert writer.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(writer.ident))


async def measure(app: App, request: bytes) -> tuple[float, float]:
    """Seconds of CPU per request: of this thread, and of the store's writer."""
    own, writer = time.thread_time(), writer_seconds()
    await drive(app, request)
    return (time.thread_time() - own) / REQUESTS, (writer_seconds() - writer) / REQUESTS


async def answer(exchange: Exchange) -> None:
    exchange.answer(202, (), b"")


class Nothing:
    """A Graph API that is content with everything."""

    async def handle(self, request: Request) -> Reply:
        return Reply(202)


class Nowhere:
    """A store that keeps nothing."""

    async def write(self, fn: Callable[[Tx], Any]) -> None:
        return None


def with_handler(web: Application, services: Services, handler: Callable[[Call], Any]) -> Application:
    routes = [replace(route, handler=handler) if "sendMail" in route.template else route for route in ROUTES]
    found = copy.copy(web)
    found._graph = GraphApi(services, routes)
    return found


async def accepted(call: Call) -> Reply:
    return Reply(202)


async def read(call: Call) -> Reply:
    read_json_submission(call)
    return Reply(202)


def stages(web: Application) -> dict[str, App]:
    services = web._graph._services
    content = copy.copy(web)
    content._graph = cast("GraphApi", Nothing())
    nowhere = copy.copy(services.submitter)
    nowhere._store = cast("Any", Nowhere())
    unstored = copy.copy(web)
    unstored._graph = GraphApi(
        Services(**{name: getattr(services, name) for name in Services.__slots__} | {"submitter": nowhere})
    )
    return {
        "HTTP (web/connection.py, web/exchange.py)": answer,
        "+ request object, body, answer (web/app.py)": content,
        "+ token, route, permission, mailbox (graph/api.py)": with_handler(web, services, accepted),
        "+ JSON to a checked message (graph/bodies/message.py)": with_handler(web, services, read),
        "+ item and deliveries (delivery/acceptance/submit.py)": unstored,
        "+ the way to the writer and back (store/databases/commits.py)": web,
        "the same within limits of every kind (throttling/)": limited(web, services),
    }


def limited(web: Application, services: Services) -> Application:
    """With limits that nobody reaches."""
    settings = ThrottlingSettings(profile="custom", **dict.fromkeys(COUNTED, 10**12))
    throttling = Throttling(settings, services.store, services.clock, web._log)
    submitter = copy.copy(services.submitter)
    submitter._rations = throttling.rations
    found = copy.copy(web)
    found._graph = GraphApi(replace(services, submitter=submitter, throttle=throttling.throttle))
    return found


async def sent_mail(server: Offline) -> bytes:
    """A sendMail request with a token of the server's own issuer."""
    names = environment(server.config)
    form = urlencode(
        {
            "client_id": names["CLIENT_ID"],
            "client_secret": names["CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
            "grant_type": "client_credentials",
        }
    )
    head = (
        f"POST /{names['TENANT_ID']}/oauth2/v2.0/token HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    reply = await drive(server.web, (head + form).encode(), 1)
    token = json.loads(reply.partition(b"\r\n\r\n")[2])["access_token"]
    return request_bytes(names["MAILBOX"], token)


async def profile() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        flags = {"server.port": 0, "server.tls": False, "log.level": "info"}
        config = load(None, data=Path(folder), environ={}, flags=flags)
        with (Path(folder) / "log").open("w") as log:
            server = Offline(config, stream=log)
            await server.start()
            tune_interpreter()
            try:
                return await figures(server)
            finally:
                await server.stop()


async def figures(server: Offline) -> list[str]:
    request = await sent_mail(server)
    server.web._graph._services.submitter._worker._running = False  # deliveries wait in the database
    best: dict[str, tuple[float, float]] = {}
    for _ in range(RUNS):
        for name, app in stages(server.web).items():
            cost = await measure(app, request)
            best[name] = min(best.get(name, cost), cost)
    rows = [f"{name:<55} {own * 1e6:5.1f} µs" for name, (own, _) in best.items()]
    print("\n".join(rows))
    return [*rows, f"{'the writer thread':<55} {list(best.values())[-1][1] * 1e6:5.1f} µs"]


def run() -> list[str]:
    """Print the table, return nothing for the summary of ratios."""
    uvloop.run(profile())
    return []
