"""Sockets to listen on; what cannot be had is said with the setting at fault."""

from __future__ import annotations

import errno
import socket
from typing import Final

from graphpost.errors import ConfigurationError

BACKLOG: Final = 2048
_PORT_AT_FAULT: Final = {
    errno.EADDRINUSE: "; stop what has it, or choose another port",
    errno.EACCES: "; ports below 1024 are for root, or with CAP_NET_BIND_SERVICE",
}


def listen(
    section: str, host: str, port: int, *, host_key: str = "host", port_key: str = "port"
) -> socket.socket:
    """A bound TCP socket; port 0 takes any free one.

    Raises ConfigurationError that names the setting at fault: `section`'s `host_key` or `port_key`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only for sockets that say TCP: with it on, the
    # second request of every connection waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)  # only this tells that another one of the same moment has the port
    except (OSError, UnicodeError) as error:
        listener.close()
        number = error.errno if isinstance(error, OSError) else None
        key = port_key if number in _PORT_AT_FAULT else host_key
        said = f"{getattr(error, 'strerror', '') or error}{_PORT_AT_FAULT.get(number or 0, '')}"
        raise ConfigurationError(
            f"{section}.{key}", f"cannot listen on {host} port {port}: {said}"
        ) from error
    return listener


def own_address(listener: socket.socket) -> str:
    """Where programs of this machine reach it, as a URL has it: `127.0.0.1:8443`."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the name of a listener, not one
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
