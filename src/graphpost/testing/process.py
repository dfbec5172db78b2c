"""`graphpost serve` in a process of its own, for what only a process has.

    with ServerProcess.start(data, "--port", "0") as server:
        ...  # server.url, server.output, server.stop()

Whatever it writes is kept, standard output and standard error in one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from signal import SIGTERM, Signals
from types import TracebackType
from typing import Final, Self

PROGRAM: Final = (sys.executable, "-m", "graphpost")
_READY: Final = re.compile(r" ready url=(\S+)")


class ServerProcess:
    """A server that is ready; a context manager that kills it when it has not ended."""

    def __init__(self, process: subprocess.Popen[str], data: Path) -> None:
        self.process = process
        self.data = data
        self.url = ""
        self._lines: list[str] = []
        self._has_ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, data: Path, *options: str, environ: Mapping[str, str] | None = None) -> ServerProcess:
        """Start it and wait until it is ready; RuntimeError with its output when it ends instead."""
        process = subprocess.Popen(  # noqa: S603
            [*PROGRAM, "serve", "--data", str(data), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
        )
        server = cls(process, data)
        try:
            server.url = server.wait_for(_READY)[1]
        except RuntimeError:
            process.kill()
            server.wait()
            raise
        return server

    @property
    def output(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: str | re.Pattern[str], seconds: float = 60.0) -> re.Match[str]:
        """The first line that has it; RuntimeError when the process ends before, or in that time there is none."""

        def found() -> re.Match[str] | None:
            return next((match for line in self._lines if (match := re.search(pattern, line))), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._has_ended, seconds)
            match = found()
        if match is None:
            raise RuntimeError(f"it never said {pattern!r}:\n{self.output}")
        return match

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: Signals = SIGTERM, seconds: float = 60.0) -> int:
        """Send the signal and wait for the end; the exit status."""
        self.signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = 60.0) -> int:
        """Wait for the end; the exit status."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
