"""A host of MTA-STS policies for tests: HTTPS that answers as it is told.

with PolicyPeer(context) as policies:
    policies.publish("contoso.test", "version: STSv1\\nmode: enforce\\nmx: mx1.contoso.test\\nmax_age: 86400\\n")
    ...                       # ask https://mta-sts.contoso.test:{policies.port}/.well-known/mta-sts.txt
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PATH = "/.well-known/mta-sts.txt"


class PolicyPeer:
    """On a free port of the loopback, unless it is told otherwise.  `asked` are the hosts that a policy was asked of, in order."""

    def __init__(self, context: ssl.SSLContext, host: str = "127.0.0.1", port: int = 0) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self._server = _Server((host, port), self._handler(), context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def publish(
        self,
        domain: str,
        text: str | bytes,
        *,
        status: int = 200,
        content_type: str = "text/plain; charset=utf-8",
        location: str = "",
    ) -> None:
        """From now on this is the answer to who asks for the domain's policy; without one it is 404."""
        body = text.encode() if isinstance(text, str) else text
        headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
        self._answers[f"mta-sts.{domain}"] = (
            status,
            headers | ({"Location": location} if location else {}),
            body,
        )

    def withdraw(self, domain: str) -> None:
        self._answers.pop(f"mta-sts.{domain}", None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host = (self.headers.get("Host") or "").partition(":")[0]
                peer.asked.append(host)
                nothing = 404, {"Content-Length": "0"}, b""
                status, headers, body = peer._answers.get(host, nothing) if self.path == PATH else nothing
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext
    ) -> None:
        super().__init__(address, handler)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the request's own thread, where a handshake may take its time and may fail."""
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(request, server_side=True) as secured,
        ):
            super().finish_request(secured, client_address)
