"""A real server in a thread, for tests and for programs that want one beside them.

    with running_server(Path("data")) as server:
        ...  # server.url, server.port; server.config

Everything is the product's own: the same `Server` that `graphpost serve` runs, on a free port of the loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from graphpost.clock import Clock
from graphpost.config import Config, load
from graphpost.delivery.outbound.outlets import HTTPS_PORT
from graphpost.server import Server
from graphpost.store.store import Store

T = TypeVar("T")


class Output(io.StringIO):
    """What the server logs, for others to wait on."""

    def __init__(self) -> None:
        super().__init__()
        self._written = threading.Condition()

    def write(self, text: str) -> int:
        with self._written:
            count = super().write(text)
            self._written.notify_all()
            return count

    def mark(self) -> int:
        """Where the output ends now, for `wait_for`."""
        with self._written:
            return len(self.getvalue())

    def wait_for(self, pattern: str, since: int = 0, seconds: float = 60.0) -> str:
        """The first line after `since` in which the regular expression is found; TimeoutError without one."""

        def search() -> str | None:
            lines = self.getvalue()[since:].splitlines()
            return next((line for line in lines if re.search(pattern, line)), None)

        with self._written:
            found = self._written.wait_for(search, seconds)
        if found is None:
            raise TimeoutError(f"nothing like {pattern} in the output:\n{self.getvalue()[since:]}")
        return found


class ServerThread:
    """A server and the event loop it lives in; `call` runs a coroutine there."""

    def __init__(self, config: Config, policy_port: int = HTTPS_PORT, *, clock: Clock | None = None) -> None:
        self.config = config
        self.output = Output()
        self.server = Server(config, clock=clock, stream=self.output, policy_port=policy_port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="graphpost", daemon=True)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def store(self) -> Store:
        """For `call`: the store lives in the server's event loop."""
        assert self.server.store is not None
        return self.server.store

    @property
    def ca_file(self) -> Path | None:
        return self.server.ca.ca if self.server.ca else None

    def start(self) -> None:
        self._thread.start()
        try:
            self.call(self.server.start)
        except BaseException:
            self._end_loop()
            raise

    def stop(self) -> None:
        try:
            self.call(self.server.stop)
        finally:
            self._end_loop()

    def call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run it in the server's loop and wait for what it returns."""
        return asyncio.run_coroutine_threadsafe(function(), self._loop).result(timeout=60)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@contextlib.contextmanager
def running_server(
    data: Path,
    *,
    file: Path | None = None,
    flags: Mapping[str, object] | None = None,
    change: Callable[[Config], Config] = lambda config: config,
    policy_port: int = HTTPS_PORT,
    clock: Clock | None = None,
) -> Iterator[ServerThread]:
    """Start a server on a free port and stop it afterwards; `change` edits the configuration it is given.

    `policy_port` is where it finds other domains' MTA-STS policies; `clock` is the machine's when none is given.
    """
    config = load(file, data=data, environ={}, flags={"server.port": 0, **(flags or {})})
    thread = ServerThread(change(config), policy_port, clock=clock)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
