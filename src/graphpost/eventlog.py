"""A log of events, each a line with its time, its name and its fields.

A line costs the caller microseconds: it is put into a buffer that a thread writes at most 50 ms later; problems are
written at once.  Values never break a line: whatever is not printable is escaped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TextIO

from graphpost.clock import SECOND, Instant, to_text
from graphpost.config.settings import LogSettings
from graphpost.loglines import Lines, json_line, place_of, problem_text, text_line

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
DEBUG, INFO, WARNING, ERROR = _LEVELS.values()

Value = str | int | float


class EventLog:
    """Writes events to a stream, from a level on; those of the process itself are here."""

    def __init__(self, settings: LogSettings, stream: TextIO, now: Callable[[], Instant]) -> None:
        self._lines = Lines(stream)
        self._now = now
        self._threshold = _LEVELS[settings.level]
        self._is_text = settings.format == "text"
        self._second = -1
        self._stamp = ""

    def started(self, version: str) -> None:
        self._write(INFO, "started", {"version": version})

    def ready(self, url: str) -> None:
        self._write(INFO, "ready", {"url": url})
        self.flush()

    def stopping(self, why: str) -> None:
        self._write(INFO, "stopping", {"why": why})

    def stopped(self) -> None:
        self._write(INFO, "stopped", {})
        self.flush()

    def problem(self, where: str, error: BaseException | str) -> None:
        """Something went wrong on our side; written at once, with the place in the source it came from."""
        fields: dict[str, Value] = {"where": where, "error": problem_text(error)}
        if isinstance(error, BaseException) and (place := place_of(error)):
            fields["at"] = place
        self._write(ERROR, "problem", fields)
        self.flush()

    def flush(self) -> None:
        """Write what is buffered now."""
        self._lines.flush()

    def close(self) -> None:
        """Write what is buffered and end the thread; the stream stays open."""
        self._lines.close()

    def _write(self, level: int, event: str, fields: dict[str, Value]) -> None:
        if level < self._threshold:
            return
        line = text_line if self._is_text else json_line
        self._lines.add(line(self._time(), event, fields))

    def _time(self) -> str:
        second, micros = divmod(self._now(), SECOND)
        if second != self._second:
            self._stamp = to_text(second * SECOND)[:-1]
            self._second = second
        return f"{self._stamp}.{micros // 1000:03d}Z"


class ProblemHandler(logging.Handler):
    """What is said through `logging`, by libraries too, as problems of the log: there is one place to look."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage()
        self._log.problem(f"{record.name}: {text}" if error else record.name, error or text)
