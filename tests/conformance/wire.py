"""Requests byte for byte over a TLS connection of our own, because clients tidy up what they send."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case, the last of a name counts."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        error = self.json["error"]
        return self.status, error["code"], error["message"]


class Wire:
    """A connection that is made anew when the other side has closed it."""

    def __init__(self, origin: str, trust: ssl.SSLContext, name: str = "") -> None:
        parts = urlsplit(origin)
        self.name = name or parts.hostname or ""
        self.host = f"{self.name}:{parts.port}" if parts.port and not name else self.name
        self._address = (parts.hostname or "", parts.port or 443)
        self._trust = trust
        self._socket: ssl.SSLSocket | None = None

    def send(self, data: bytes, method: str = "POST") -> Answer:
        """Send these bytes and read one answer."""
        self._forget_closed()
        stream = self.open()
        stream.sendall(data)
        return self.read(method)

    def read(self, method: str = "POST") -> Answer:
        """The next answer; raises http.client.RemoteDisconnected when there is none."""
        response = http.client.HTTPResponse(self.open(), method=method)
        response.begin()
        body = response.read()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)
        response.close()
        if response.will_close:
            self.close()
        return answer

    def request(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b"", length: int | None = None
    ) -> Answer:
        """Put a request together; the target goes out as it is."""
        fields = {"Host": self.host, **headers}
        if body or method not in ("GET", "HEAD"):
            fields["Content-Length"] = str(len(body) if length is None else length)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return self.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body, method)

    def open(self) -> ssl.SSLSocket:
        if self._socket is None:
            plain = socket.create_connection(self._address, timeout=SECONDS)
            self._socket = self._trust.wrap_socket(plain, server_hostname=self.name)
        return self._socket

    def _forget_closed(self) -> None:
        """The server closes a connection that nobody has used for long; tests that share one may be far apart."""
        if self._socket is None:
            return
        self._socket.settimeout(0)
        try:
            assert not self._socket.recv(1), "an answer that nobody has asked for"
            self.close()
        except ssl.SSLWantReadError:  # nothing but perhaps TLS's own
            self._socket.settimeout(SECONDS)
        except OSError:
            self.close()

    @property
    def is_closed(self) -> bool:
        return self._socket is None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
