"""A command line in this process, and a server whose administration is real and whose Graph answers are scripted."""

import asyncio
import io
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from graphpost.admin.access import administrator_token, announce, withdraw
from graphpost.admin.http import AdminApi
from graphpost.admin.operations import Operations
from graphpost.cli import main
from graphpost.clock import SystemClock
from graphpost.config import Config, LogSettings, load
from graphpost.ids import Numbers
from graphpost.maillog import MailLog
from graphpost.store.databases.opening import open_store
from graphpost.store.directory.declared import apply_settings
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Delivery, Recipient
from graphpost.web.certificates import server_certificate


@dataclass
class Command:
    """Runs `graphpost` with the data directory of the test."""

    data: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, standard output and standard error."""
        self.capture.readouterr()
        status = main([*arguments, "--data", str(self.data)])
        return status, *self.capture.readouterr()

    def json(self, *arguments: str) -> Any:
        status, out, err = self(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def graphpost(data: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(data, capsys)


@dataclass
class ScriptedServer:
    """`outcome` is what becomes of a message's recipients; `requests` are what came in."""

    config: Config
    outcome: tuple[Recipient, ...] = ()
    delivery: dict[str, Any] = field(default_factory=dict)  # what is otherwise about it
    refusal: tuple[int, dict[str, Any]] | None = None
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    api: AdminApi = field(init=False)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.requests.append((method, target, body))
        path, _, query = target.partition("?")
        if path.endswith("/oauth2/v2.0/token"):
            return 200, {"content-type": "application/json"}, b'{"access_token": "the-token"}'
        if path.endswith("/sendMail"):
            assert headers["authorization"] == "Bearer the-token"
            return self._accept()
        answer = self.api.handle(method, path, query, headers, body)
        return asyncio.run_coroutine_threadsafe(answer, self.loop).result(60)

    def _accept(self) -> tuple[int, dict[str, str], bytes]:
        if self.refusal is not None:
            return self.refusal[0], {"content-type": "application/json"}, json.dumps(self.refusal[1]).encode()
        delivery = Delivery(
            mailbox_id=16,
            message_id=255,
            position=0,
            destination="x",
            state=deliveries.DONE,
            due_at=1,
            created_at=1,
            expires_at=1,
            sender="adele@example.test",
            recipients=self.outcome,
        )
        delivery = replace(delivery, **self.delivery)
        store = self.api.operations.store
        asyncio.run_coroutine_threadsafe(
            store.write(lambda tx: deliveries.add(tx, delivery)), self.loop
        ).result(60)
        return 202, {"x-graphpost-message-id": f"{255:016x}"}, b""


@pytest.fixture
def server(data: Path) -> Iterator[ScriptedServer]:
    config = load(None, data=data, environ={}, flags={})
    scripted = ScriptedServer(config)
    running = threading.Thread(target=scripted.loop.run_forever)
    running.start()
    clock = SystemClock()
    numbers = Numbers(clock.now, node=1)
    store = open_store(config.store, config.data)
    asyncio.run_coroutine_threadsafe(
        apply_settings(store, config, numbers, clock.now()), scripted.loop
    ).result(60)
    log = MailLog(LogSettings(), io.StringIO())
    scripted.api = AdminApi(Operations(store, numbers, clock), administrator_token(data), log)
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(scripted))
    files = server_certificate(config, clock.now())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    serving = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    announce(data, f"https://127.0.0.1:{listener.server_port}")
    yield scripted
    withdraw(data)
    listener.shutdown()
    listener.server_close()
    serving.join()
    asyncio.run_coroutine_threadsafe(store.close(), scripted.loop).result(60)
    scripted.loop.call_soon_threadsafe(scripted.loop.stop)
    running.join()
    scripted.loop.close()
    log.close()


def _handler(scripted: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, fields, content = scripted.answer(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in {**fields, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
