"""Ports for servers that want a number: nobody else gets the same one meanwhile."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port of every loopback address that nobody uses, and that stays reserved until this process ends.

    A socket that is bound and does not listen keeps it: connecting is refused, the system gives the number to nobody
    who asks for any port, and a server that sets SO_REUSEADDR, as servers do, can have it, several times over.
    """
    keeper = socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET)
    if keeper.family == socket.AF_INET6:
        keeper.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("", 0))
    port: int = keeper.getsockname()[1]
    keeper.detach()  # open as long as the process
    return port
