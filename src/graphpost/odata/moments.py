"""Dates as people search for them: days, months, `yesterday`, `last week`, in UTC.

Every value is a span of time: the instant it begins and the one at which it is over.  Weeks begin on Sunday.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from graphpost.clock import SECOND, Instant
from graphpost.odata.tokens import parse_instant

Span = tuple[Instant, Instant]

_EPOCH: Final = date(1970, 1, 1)
_DAY: Final = 86_400 * SECOND
_PERIOD: Final = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)
_AMERICAN: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)
_RELATIVE: Final = re.compile(r"(this|last)\s+(week|month|year)", re.IGNORECASE)


def parse_span(text: str, now: Instant) -> Span | None:
    """The span that a date, a date-time or a word names; None when it names none."""
    text = text.strip()
    try:
        today = _EPOCH + timedelta(days=now // _DAY)
        return _word(text.lower(), today) or _period(text) or _moment(text)
    except (ValueError, OverflowError):
        return None


def _word(text: str, today: date) -> Span | None:
    if text == "today":
        return _days(today, today + timedelta(1))
    if text == "yesterday":
        return _days(today - timedelta(1), today)
    if found := _RELATIVE.fullmatch(text):
        begin, next_, previous = _BEGINNINGS[found[2].lower()]
        this = begin(today)
        return _days(this, next_(this)) if found[1].lower() == "this" else _days(previous(this), this)
    return None


def _period(text: str) -> Span | None:
    """A day (also as it is written in the United States), a month or a year."""
    if found := _AMERICAN.fullmatch(text):
        day = date(int(found[3]), int(found[1]), int(found[2]))
        return _days(day, day + timedelta(1))
    found = _PERIOD.fullmatch(text)
    if found is None:
        return None
    first = date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    if found[3]:
        return _days(first, first + timedelta(1))
    return _days(first, _next_month(first) if found[2] else _next_year(first))


def _moment(text: str) -> Span | None:
    """A date-time: the second that begins there, or the minute when it has no seconds."""
    instant = parse_instant(text)
    if instant is None:
        return None
    has_seconds = re.search(r":\d\d:\d\d", text.partition("T")[2] or text.partition("t")[2]) is not None
    return instant, instant + (1 if has_seconds else 60) * SECOND


def _days(begin: date, end: date) -> Span:
    return (begin - _EPOCH).days * _DAY, (end - _EPOCH).days * _DAY


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _next_year(day: date) -> date:
    return date(day.year + 1, 1, 1)


_Step = Callable[[date], date]
_BEGINNINGS: Final[dict[str, tuple[_Step, _Step, _Step]]] = {  # of the present one, the next and the last
    "week": (
        lambda day: day - timedelta(day.isoweekday() % 7),
        lambda day: day + timedelta(7),
        lambda day: day - timedelta(7),
    ),
    "month": (
        lambda day: day.replace(day=1),
        _next_month,
        lambda day: (day - timedelta(1)).replace(day=1),
    ),
    "year": (lambda day: date(day.year, 1, 1), _next_year, lambda day: date(day.year - 1, 1, 1)),
}
