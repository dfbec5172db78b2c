"""Names of relays to addresses, by the machine's own resolver.

That blocks, so it has threads of its own: who waits for a name server that is away would keep all other work from the
loop's.  However many connections are wanted to a host at a time, its name takes one of them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

THREADS: Final = 16
_threads: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="resolving")


@dataclass(slots=True)
class _Lookup:
    found: asyncio.Future[list[tuple[Any, ...]]]
    waiting: int = 0


_Key = tuple[asyncio.AbstractEventLoop, str, int, int]
_under_way: Final[dict[_Key, _Lookup]] = {}  # those that somebody waits for


async def look_up(host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
    """The host's addresses in the order of RFC 6724, each once; raises OSError, and ValueError for what is no name.

    The same lookup is under way once.  It is given up with the last who waits for it.
    """
    loop = asyncio.get_running_loop()
    key = (loop, host, port, int(family))
    lookup = _under_way.get(key)
    if lookup is None:
        ask = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        lookup = _under_way[key] = _Lookup(loop.run_in_executor(_threads, ask))
    lookup.waiting += 1
    try:
        found = await asyncio.shield(lookup.found)
    finally:
        lookup.waiting -= 1
        if not lookup.waiting:
            del _under_way[key]
            lookup.found.cancel()
    return list(dict.fromkeys(str(where[0]) for *_, where in found))
