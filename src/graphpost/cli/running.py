"""The server as a process: it runs until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from graphpost.admin.banner import banner
from graphpost.config import Config
from graphpost.process import raise_file_limit, tune_interpreter
from graphpost.server import Server


async def serve(config: Config, file: Path | None = None) -> None:
    """Run until SIGTERM or SIGINT.  `file` is where the settings are from."""
    server = Server(config, file=file)
    told = asyncio.Event()
    why = "asked to"

    def tell(name: str) -> None:
        nonlocal why
        why = name
        told.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, number.name)
    await server.start()
    tune_interpreter()
    text = banner(config, server.url, server.ca.ca if server.ca else None, file)
    print(f"{text}\n", end="", flush=True)  # at one go: the log's thread writes there too
    await told.wait()
    await server.stop(why)


def run(config: Config, file: Path | None = None) -> int:
    """What `graphpost serve` does; the exit status.  Uses uvloop when it is installed."""
    raise_file_limit()
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(config, file))
    else:
        uvloop.run(serve(config, file))
    return 0
