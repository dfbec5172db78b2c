"""Lines of the log, and their way to a stream: a thread writes, so nobody waits."""

from __future__ import annotations

import atexit
import json
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final, TextIO

import msgspec

FLUSH_SECONDS: Final = 0.05
MOST_LINES: Final = 200_000  # waiting for a stream that is not read; further ones are dropped and counted


def problem_text(error: BaseException | str) -> str:
    """An error by its kind and words."""
    if isinstance(error, str):
        return error
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def place_of(error: BaseException) -> str:
    """Where in the source it was raised; '' when it was not."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def text_line(stamp: str, event: str, fields: Mapping[str, object]) -> str:
    """An event for people: `key=value`, quoted where it has to be; always one line."""
    parts = [stamp, event]
    for key, value in fields.items():
        parts.append(f"{key}={quoted(value) if isinstance(value, str) else value}")
    return " ".join(parts) + "\n"


def quoted(value: str) -> str:
    """A value that is one word, or between quotation marks."""
    if not value.isprintable():
        return json.dumps(value)
    if value and not (" " in value or '"' in value or "=" in value or "\\" in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def json_line(stamp: str, event: str, fields: Mapping[str, object]) -> str:
    """An event for programs."""
    values = {"time": stamp, "event": event, **fields}
    try:
        return msgspec.json.encode(values).decode() + "\n"
    except UnicodeError:  # a lone surrogate
        return json.dumps(values) + "\n"


class Lines:
    """Lines on their way to a stream that a thread writes; a reader that stops reading never stops the server."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self._awake = False
        self._wake = Event()
        self._closing = Event()
        self._writing = Lock()
        self._thread = Thread(target=self._run, name="maillog", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def add(self, line: str) -> None:
        if len(self._waiting) >= MOST_LINES:
            self._dropped += 1
            return
        self._waiting.append(line)
        if not self._awake:
            self._awake = True
            self._wake.set()

    def flush(self) -> None:
        with self._writing:
            waiting, lines = self._waiting, []
            while waiting:
                lines.append(waiting.popleft())
            if self._dropped:
                lines.append(f"{self._dropped} log lines dropped\n")
                self._dropped = 0
            if lines:
                self._put("".join(lines))

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.flush()
        atexit.unregister(self.close)

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more, or the stream is closed: mail goes on
            pass

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(FLUSH_SECONDS)
            self._wake.clear()
            self._awake = False
            self.flush()
