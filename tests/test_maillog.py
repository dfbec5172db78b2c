"""The mail log: one line per event that nothing can break, and one counter."""

import io
import json

import pytest

from graphpost.config.settings import LogSettings
from graphpost.maillog import MailLog

NOW = 1_700_000_000_123_000


def log_of(level: str = "info", style: str = "text") -> tuple[MailLog, io.StringIO]:
    stream = io.StringIO()
    settings = LogSettings(level=level, format=style)  # type: ignore[arg-type]
    return MailLog(settings, stream, now=lambda: NOW), stream


def written(log: MailLog, stream: io.StringIO) -> str:
    log.close()
    return stream.getvalue()


def test_an_event_is_one_line_of_names_and_values() -> None:
    log, stream = log_of()
    log.accepted("r-1", "adele@example.test", 255, "adele@example.test", 3, 612)
    assert written(log, stream) == (
        "2023-11-14T22:13:20.123Z accepted message=00000000000000ff mailbox=adele@example.test "
        "sender=adele@example.test recipients=3 size=612 request=r-1\n"
    )


HOSTILE = [
    "a\r\nx accepted",
    "a b",
    'say "x"',
    "a=b",
    "",
    "\u2028x",
    "\u202egnp",
    "back\\slash",
    "\x1b[31m",
    "\x00",
    "\ud800",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("style", ["text", "json"])
def test_a_value_never_breaks_its_line(value: str, style: str) -> None:
    log, stream = log_of(style=style)
    log.failed(1, value, "relay", 550, value)
    (line,) = written(log, stream).splitlines() if style == "text" else written(log, stream).split("\n")[:-1]
    if style == "json":
        assert json.loads(line)["recipient"] == value
    else:
        assert line.isprintable()
        assert (
            f"recipient={json.dumps(value)} to=relay" in line
            or f"recipient={json.dumps(value, ensure_ascii=False)}" in line
        )


def test_json_lines_have_the_event_and_its_fields() -> None:
    log, stream = log_of(style="json")
    log.deferred(1, "a@b.test", "relay", 451, "later", NOW)
    assert json.loads(written(log, stream)) == {
        "time": "2023-11-14T22:13:20.123Z",
        "event": "deferred",
        "message": "0000000000000001",
        "recipient": "a@b.test",
        "to": "relay",
        "code": 451,
        "reply": "later",
        "next": "2023-11-14T22:13:20Z",
    }


def test_events_below_the_level_are_counted_but_not_written() -> None:
    log, stream = log_of(level="warning")
    log.accepted("r", "m", 1, "s", 1, 1, 0.5)
    log.request("GET", "/v1.0/me", 200, 0.1, "r", "GET /me")
    assert written(log, stream) == ""
    text = log.metrics.exposition().decode()
    assert "graphpost_accepted_total 1.0" in text
    assert 'graphpost_request_seconds_count{route="GET /me"} 1.0' in text
    assert "graphpost_accept_seconds_count 1.0" in text


def test_requests_are_written_at_debug_level() -> None:
    log, stream = log_of(level="debug")
    log.request("GET", "/v1.0/me", 200, 0.25, "r-1")
    assert written(log, stream).endswith(
        "request method=GET path=/v1.0/me status=200 seconds=0.25 request=r-1\n"
    )


def test_every_outcome_has_its_counter() -> None:
    log, stream = log_of()
    log.delivered(1, "a@b.test", "relay", 250, "ok", 0.1)
    log.captured(1, "a@b.test")
    log.deferred(1, "a@b.test", "relay", 451, "later", NOW)
    log.failed(1, "a@b.test", "relay", 550, "no")
    log.bounced(1, "m@b.test")
    log.interrupted(2)
    log.refused("GET", "/v1.0/me", 429, "TooManyRequests", "r")
    log.refused("GET", "/v1.0/me", 404, "ErrorItemNotFound", "r")
    text = log.metrics.exposition().decode()
    for name, count in {
        "delivered": 2,
        "deferred": 1,
        "failed": 1,
        "bounced": 1,
        "interrupted_deliveries": 2,
        "throttled": 1,
    }.items():
        assert f"graphpost_{name}_total {count}.0" in text
    assert len(written(log, stream).splitlines()) == 8


def test_mail_that_goes_another_way_is_told() -> None:
    log, stream = log_of()
    log.rerouted(255, "smtp://old.test:25", "capture")
    assert written(log, stream).endswith(
        "rerouted message=00000000000000ff from=smtp://old.test:25 to=capture\n"
    )
