"""The log: lines reach their stream whatever happens, problems at once."""

import io
import logging
import os

from graphpost.config.settings import LogSettings
from graphpost.eventlog import EventLog, ProblemHandler

NOW = 1_700_000_000_123_000


def log_of() -> tuple[EventLog, io.StringIO]:
    stream = io.StringIO()
    return EventLog(LogSettings(), stream, now=lambda: NOW), stream


def written(log: EventLog, stream: io.StringIO) -> str:
    log.close()
    return stream.getvalue()


def test_a_problem_is_written_at_once_with_its_place() -> None:
    log, stream = log_of()
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        log.problem("worker", error)
    assert 'problem where=worker error="ValueError: two\\nlines" at=test_eventlog.py:' in stream.getvalue()
    log.close()


def test_lines_reach_a_stream_without_anybody_flushing() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as lines:
        log = EventLog(LogSettings(), stream, now=lambda: NOW)
        log.started("1")
        assert lines.readline() == "2023-11-14T22:13:20.123Z started version=1\n"
        log.close()


def test_a_closed_stream_does_not_stop_the_server() -> None:
    log, stream = log_of()
    stream.close()
    log.problem("x", "y")
    log.close()


def test_what_libraries_say_is_a_problem_in_the_same_log() -> None:
    log, stream = log_of()
    logger = logging.Logger("asyncio")
    logger.addHandler(ProblemHandler(log))
    logger.warning("not worth a line")
    logger.error("two\nlines")
    try:
        raise KeyError("x")
    except KeyError:
        logger.exception("while %s", "closing")
    first, second = written(log, stream).splitlines()
    assert first.endswith('problem where=asyncio error="two\\nlines"')
    assert 'where="asyncio: while closing" error="KeyError: \'x\'"' in second
