"""RFC 5322 dates, read leniently.

Obsolete zones, two-digit years, missing weekdays and comments are taken; never raises.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from graphpost.clock import Instant, from_datetime

_DATE: Final = re.compile(
    r"(?:[A-Za-z]{2,9}\.?\s*,?\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]{0,7}\.?[\s-]+(\d{2,4})\s+"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\.\d{1,9})?\s*([+-]\d{4}|[A-Za-z]{1,5})?"
)
_COMMENT: Final = re.compile(r"\([^()]*\)")
_MONTHS: Final = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)  # noqa: SIM905
}
_ZONES: Final = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}


def parse_date(text: str) -> Instant | None:
    """The instant; None when it is not a date.  An unknown zone is UTC, as RFC 5322 4.3 says."""
    text = text.strip()[:200]
    if "(" in text:
        text = _COMMENT.sub(" ", text).strip()
    match = _DATE.match(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, zone = match.groups()
    number = _MONTHS.get(month.lower())
    if number is None:
        return None
    try:
        local = datetime(
            _year(year), number, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=UTC
        )
        return from_datetime(local - _offset(zone or ""))
    except (ValueError, OverflowError):
        return None


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(text) == 3 else year


def _offset(zone: str) -> timedelta:
    if zone[:1] in ("+", "-"):
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        return timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    return timedelta(hours=_ZONES.get(zone.upper(), 0))
