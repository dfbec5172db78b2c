"""The TLS context of the HTTPS port: how connections begin there.

Who speaks plain HTTP is told to say https://, as nginx and Go do.  The answer goes where the handshake's would; what comes
after it is not looked at, and the connection ends when the client has done with it, or with the time for handshakes.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

_METHODS: Final = tuple(
    f"{method} ".encode()
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
)
_BODY: Final = (
    b'{"error":{"code":"BadRequest","message":"This port speaks HTTPS: say https:// in place of http://."}}'
)
_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    % len(_BODY)
) + _BODY


class _Handshake(ssl.SSLObject):
    """One connection's."""

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    is_full: Callable[[], bool]
    _is_begun = False
    _is_answered = False
    _first: bytes | None = b""  # what has come; None when that is known not to be HTTP

    def do_handshake(self) -> None:
        """Called by the event loop as soon as there is a connection, and with whatever comes."""
        if not self._is_begun and self.is_full():
            raise ssl.SSLError("too many connections")
        self._is_begun = True
        if self._first is not None:
            self._look()
        if self._first is None:
            super().do_handshake()
            return
        raise ssl.SSLWantReadError  # on which the event loop sends what is to be sent

    def _look(self) -> None:
        """Take what has come: answer it, wait for more of it, or leave it to OpenSSL."""
        came = self.incoming.read()
        if self._is_answered:
            return
        self._first = first = (self._first or b"") + came
        if first.startswith(_METHODS):
            self._is_answered = True
            self._first = b""
            self.outgoing.write(_ANSWER)
        elif not any(method.startswith(first) for method in _METHODS):
            self._first = None
            self.incoming.write(first)


class HttpsContext(ssl.SSLContext):
    """For an HTTP server.  While `is_full` says so no handshake is begun, and who wants one is cut off.

    A connection is there for its server only when the handshake is done; who never begins one would count nowhere.
    """

    sslobject_class = _Handshake
    is_full: Callable[[], bool] = staticmethod(lambda: False)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(made, _Handshake)
        made.incoming, made.outgoing, made.is_full = incoming, outgoing, self.is_full
        return made
