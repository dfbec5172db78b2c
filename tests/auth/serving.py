"""The issuer on a real port with TLS, for clients that nobody changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import trustme
import uvicorn
from tests.auth.world import World, make_world

from graphpost.auth.issuer.issuer import Issuer, IssuerRequest
from graphpost.auth.keys import SigningKeys
from graphpost.auth.verification.tokens import TokenVerifier
from graphpost.clock import SystemClock
from graphpost.config import IssuerSettings
from graphpost.store.databases.sqlite import SqliteStore

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass
class Served:
    origin: str
    ca_file: Path
    verifier: TokenVerifier
    world: World


def application(issuer: Callable[[], Issuer]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The smallest ASGI application around an issuer; it echoes what was posted to /landing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        request = IssuerRequest(
            scope["method"],
            unquote(scope["raw_path"].decode().partition("?")[0]),
            dict(parse_qsl(scope["query_string"].decode())),
            dict(parse_qsl(body.decode())),
            headers,
            f"https://{headers['host']}",
            scope["client"][0],
        )
        reply = await issuer().handle(request)
        if reply is None:
            status, answer, kind, extra = 404, b"", "", []
            if request.path == "/landing":
                status, answer, kind = 200, body or scope["query_string"], "text/plain"
        else:
            status, answer, kind, extra = reply.status, reply.body, reply.content_type, reply.headers
        lines = [(name.encode(), value.encode()) for name, value in extra]
        if kind:
            lines.append((b"content-type", kind.encode()))
        lines.append((b"content-length", str(len(answer)).encode()))
        lines.append((b"connection", b"close"))  # else clients that pool would keep the server from ending
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": answer})

    return app


@contextmanager
def serve(directory: Path, seeded: Path, keys: SigningKeys) -> Iterator[Served]:
    """Serve a copy of the database on a free port of localhost until the block ends."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    ca_file, pem = directory / "ca.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
    shutil.copy(seeded, directory / "graphpost.db")
    listener = socket.create_server(("127.0.0.1", 0))
    worlds: list[World] = []
    config = uvicorn.Config(
        application(lambda: worlds[0].issuer),
        ssl_certfile=str(pem),
        log_level="error",
        lifespan="off",
        ws="none",
    )
    server = uvicorn.Server(config)
    ready = threading.Event()

    def work() -> None:
        with asyncio.Runner() as runner:
            store = SqliteStore.open(directory / "graphpost.db", readers=1)
            world = make_world(runner, store, SystemClock(), keys, IssuerSettings(password_grant=True))
            world.reload()
            worlds.append(world)
            ready.set()
            runner.run(server.serve(sockets=[listener]))
            runner.run(store.close())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(60)
        origin = f"https://localhost:{listener.getsockname()[1]}"
        yield Served(origin, ca_file, worlds[0].verifier, worlds[0])
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


@contextmanager
def trusting(ca_file: Path) -> Iterator[None]:
    """Have every client of this process trust that CA alone."""
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(ca_file)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
