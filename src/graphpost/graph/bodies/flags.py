"""`flag` and `dateTimeTimeZone` of a body."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from graphpost.errors import BadRequest
from graphpost.graph.bodies.values import cannot_convert, read_object, read_string, read_word
from graphpost.graph.bodies.zones import is_time_zone, unsupported
from graphpost.graph.schema import FLAG_STATUS
from graphpost.mail.message import Flag, ZonedTime

NOT_FLAGGED: Final = Flag()
_TIMES: Final = {"start": "startDateTime", "due": "dueDateTime", "completed": "completedDateTime"}

_LOCAL: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z?)", re.ASCII | re.IGNORECASE
)


def read_flag(value: Any, name: str) -> Flag:
    """The flag; a due date needs a start date.  Empty date objects count as absent."""
    members = read_object(value, name)
    return merge_flag(NOT_FLAGGED, members) if members else NOT_FLAGGED


def merge_flag(old: Flag, members: dict[str, Any], *, checked: bool = True) -> Flag:
    """The flag with what is given of another; not flagged is without dates.  `checked`: a due date needs a start date."""
    status = read_word(
        members.get("flagstatus"), "flagStatus", FLAG_STATUS, "microsoft.graph.followupFlagStatus"
    )
    times = {
        field: read_zoned_time(members[name.lower()], name)
        if name.lower() in members
        else getattr(old, field)
        for field, name in _TIMES.items()
    }
    if checked and times["due"] is not None and times["start"] is None:
        raise BadRequest("A flag with a dueDateTime must have a startDateTime.", "ErrorInvalidRequest")
    if status == "notFlagged" and old.status != "notFlagged":
        return NOT_FLAGGED
    if status is None:
        status = "flagged" if old.status == "notFlagged" and times["start"] is not None else old.status
    return Flag(status=status, **times)  # type: ignore[arg-type]  # one of FLAG_STATUS


def read_zoned_time(value: Any, name: str) -> ZonedTime | None:
    """A local time and its zone (UTC when none is named); None when it is null or holds nothing."""
    members = read_object(value, name) or {}
    text = read_string(members.get("datetime"), "dateTime").strip()
    zone = read_string(members.get("timezone"), "timeZone").strip()
    if not text:
        if zone:
            raise cannot_convert(text, "microsoft.graph.dateTimeTimeZone")
        return None
    match = _LOCAL.fullmatch(text)
    if match is None or not _is_time(match[1]):
        raise cannot_convert(text, "microsoft.graph.dateTimeTimeZone")
    if zone and not is_time_zone(zone):
        raise unsupported(zone)
    local = match[1] if len(match[1]) > 16 else match[1] + ":00"
    # A trailing Z says UTC whatever zone stands beside it.
    return ZonedTime(local.upper() + (match[2] or ""), "UTC" if match[3] else zone or "UTC")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
