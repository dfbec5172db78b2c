"""A web server that takes notifications: what it is sent is kept, and how it answers is told beforehand.

It runs in a thread of its own, with TLS when it is given a certificate.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Taken:
    """One request."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> list[dict[str, Any]]:
        found = json.loads(self.body)["value"]
        assert isinstance(found, list)
        return found


@dataclass(frozen=True)
class Say:
    """An answer."""

    status: int = 202
    body: bytes = b""
    content_type: str = ""
    location: str = ""


Behaviour = Callable[[Taken], Say]


def echo(taken: Taken) -> Say:
    """What a well-behaved receiver answers."""
    if "validationToken" in taken.query:
        return Say(200, taken.query["validationToken"][0].encode(), "text/plain; charset=utf-8")
    return Say(202)


class Receiver:
    """`behave` can be replaced at any time; `requests` has what came, handshakes included."""

    def __init__(self, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Taken] = []
        self.behave: Behaviour = echo
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.scheme = "http" if context is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook", host: str = "localhost") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Every notification that came, in order."""
        return [each for taken in list(self.requests) if taken.body for each in taken.value]

    def wait(self, condition: Callable[[Receiver], bool], seconds: float = 60.0) -> None:
        """Return when the condition holds; TimeoutError when it does not in time."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: condition(self), seconds):
                raise TimeoutError(f"only {[(taken.path, taken.body) for taken in self.requests]}")

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The notifications when there are so many."""
        self.wait(lambda receiver: len(receiver.notifications) >= count)
        return self.notifications

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                taken = Taken(parts.path, parse_qs(parts.query), headers, self.rfile.read(length))
                receiver.note(taken)
                said = receiver.behave(taken)
                self.send_response(said.status)
                if said.content_type:
                    self.send_header("Content-Type", said.content_type)
                if said.location:
                    self.send_header("Location", said.location)
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def note(self, taken: Taken) -> None:
        with self._arrived:
            self.requests.append(taken)
            self._arrived.notify_all()
