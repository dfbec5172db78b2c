"""`mailboxSettings` out of a body: each checked and put over the old one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast, get_args

from msgspec.structs import replace

from graphpost.errors import BadRequest
from graphpost.graph.bodies.flags import read_zoned_time
from graphpost.graph.bodies.values import (
    cannot_convert,
    clip,
    read_array,
    read_object,
    read_string,
    read_word,
    unknown_property,
)
from graphpost.graph.bodies.zones import instant_of, is_time_zone, spelt, unsupported
from graphpost.graph.settings.languages import language_named
from graphpost.mail.preferences import (
    WEEK,
    Audience,
    AutomaticReplies,
    MeetingDelivery,
    PersonalSettings,
    ReplyStatus,
    WorkingHours,
)

REPLY_LENGTH: Final = 131_072  # characters of an automatic reply
MEETING_DELIVERY: Final[tuple[str, ...]] = get_args(MeetingDelivery)
REPLY_STATUS: Final[tuple[str, ...]] = get_args(ReplyStatus)
AUDIENCE: Final[tuple[str, ...]] = get_args(Audience)
_FORMAT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_TIME: Final = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,7}))?", re.ASCII)


def read_settings(members: Mapping[str, Any], old: PersonalSettings) -> PersonalSettings:
    """The settings with what a folded object gives; BadRequest for a value that a setting cannot have."""
    fields: dict[str, Any] = {}
    for name, (field, read) in _READERS.items():
        value = members.get(name.lower())
        if value is not None:
            fields[field] = read(value, getattr(old, field))
    return replace(old, **fields)


def _zone(value: Any, old: str) -> str:
    name = read_string(value, "timeZone").strip()
    if not is_time_zone(name):
        raise unsupported(name)
    return spelt(name)


def _locale(value: Any, old: str) -> str:
    members = _members(value, "language", "localeInfo", ("locale", "displayName"))
    given = read_string(members.get("locale"), "locale").strip()
    found = language_named(given) if given else old
    if found is None:
        raise BadRequest(f"The locale '{clip(given)}' is not supported.", "ErrorInvalidParameter")
    return found


def _format(name: str) -> Callable[[Any, str], str]:
    def read(value: Any, old: str) -> str:
        text = read_string(value, name)
        if not _FORMAT.fullmatch(text):
            raise BadRequest(f"The {name} is not a format.", "ErrorInvalidParameter")
        return text

    return read


def _hours(value: Any, old: WorkingHours) -> WorkingHours:
    members = _members(
        value, "workingHours", "workingHours", ("daysOfWeek", "startTime", "endTime", "timeZone")
    )
    days = old.days
    if "daysofweek" in members:
        given = {
            read_word(each, "daysOfWeek", WEEK, "microsoft.graph.dayOfWeek")
            for each in read_array(members["daysofweek"], "daysOfWeek")
        }
        days = tuple(day for day in WEEK if day in given)
    zone = old.time_zone
    if (inner := read_object(members.get("timezone"), "timeZone")) is not None:
        zone = _zone(inner.get("name"), zone)
    start, end = _time(members, "startTime", old.start), _time(members, "endTime", old.end)
    return WorkingHours(days, start, end, zone)


def _time(members: Mapping[str, Any], name: str, old: str) -> str:
    text = read_string(members.get(name.lower()), name).strip()
    if not text:
        return old
    match = _TIME.fullmatch(text)
    if match is None:
        raise cannot_convert(text, "Edm.TimeOfDay")
    return f"{match[1]}.{match[2] or '':0<7}"


def _replies(value: Any, old: AutomaticReplies) -> AutomaticReplies:
    members = _members(value, "automaticRepliesSetting", "automaticRepliesSetting", _REPLY_NAMES)
    status = read_word(
        members.get("status"), "status", REPLY_STATUS, "microsoft.graph.automaticRepliesStatus"
    )
    audience = read_word(
        members.get("externalaudience"),
        "externalAudience",
        AUDIENCE,
        "microsoft.graph.externalAudienceScope",
    )
    new = AutomaticReplies(
        status=cast(ReplyStatus, status or old.status),
        audience=cast(Audience, audience or old.audience),
        internal=_reply(members, "internalReplyMessage", old.internal),
        external=_reply(members, "externalReplyMessage", old.external),
        start=read_zoned_time(members.get("scheduledstartdatetime"), "scheduledStartDateTime") or old.start,
        end=read_zoned_time(members.get("scheduledenddatetime"), "scheduledEndDateTime") or old.end,
    )
    if new.status == "scheduled" and (
        new.start is None or new.end is None or instant_of(new.start) >= instant_of(new.end)
    ):
        raise BadRequest(
            "Scheduled automatic replies need a scheduledStartDateTime that is before their scheduledEndDateTime.",
            "ErrorInvalidParameter",
        )
    return new


def _reply(members: Mapping[str, Any], name: str, old: str) -> str:
    text = read_string(members[name.lower()], name) if name.lower() in members else old
    if len(text) > REPLY_LENGTH:
        raise BadRequest(f"The {name} is longer than {REPLY_LENGTH} characters.", "ErrorInvalidParameter")
    return text


def _members(value: Any, name: str, type_: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The folded object, which has no member that the type does not have."""
    members = read_object(value, name) or {}
    names = {each.lower() for each in known}
    for given in members:
        if "@" not in given and given not in names:
            raise unknown_property(given, f"microsoft.graph.{type_}")
    return members


def _delivery(value: Any, old: str) -> str:
    name = "delegateMeetingMessageDeliveryOptions"
    return read_word(value, name, MEETING_DELIVERY, f"microsoft.graph.{name}") or old


_REPLY_NAMES: Final = (
    "externalAudience",
    "externalReplyMessage",
    "internalReplyMessage",
    "scheduledEndDateTime",
    "scheduledStartDateTime",
    "status",
)
_READERS: Final[Mapping[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "timeZone": ("time_zone", _zone),
    "language": ("locale", _locale),
    "dateFormat": ("date_format", _format("dateFormat")),
    "timeFormat": ("time_format", _format("timeFormat")),
    "workingHours": ("working_hours", _hours),
    "automaticRepliesSetting": ("automatic_replies", _replies),
    "delegateMeetingMessageDeliveryOptions": ("meeting_delivery", _delivery),
}
