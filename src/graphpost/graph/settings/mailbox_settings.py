"""`mailboxSettings`: how a person wants to see things, read and changed.

They are kept for clients, but for automatic replies, which are sent (`delivery.responses.absence`).  Nothing is written in another
zone or language for them (Graph writes UTC unless `Prefer` says otherwise).  What is not given keeps its value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from graphpost.clock import SECOND, Instant, to_text
from graphpost.errors import BadRequest
from graphpost.graph.bodies.values import clip
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, user_context
from graphpost.graph.queries.selection import check_expand, read_options
from graphpost.graph.render import folder_id, zoned_value
from graphpost.graph.settings.languages import locale_info
from graphpost.graph.settings.settings_in import read_settings
from graphpost.graph.writing import json_members
from graphpost.mail.mailbox import WELL_KNOWN, Mailbox
from graphpost.mail.message import ZonedTime
from graphpost.mail.preferences import AutomaticReplies, PersonalSettings, WorkingHours
from graphpost.store.mailbox import preferences
from graphpost.store.store import Tx

_ARCHIVE: Final = WELL_KNOWN["archive"][0]
_DAY: Final = 86_400 * SECOND


async def get_settings(call: Call) -> Reply:
    """GET …/mailboxSettings."""
    options = read_options(call)
    check_expand(options.expand)
    settings = await _stored(call, call.box)
    chosen = {_name(name) for name in options.select}
    return Reply(body=_written(call, settings, chosen or _WRITERS.keys()))


async def get_setting(call: Call) -> Reply:
    """GET …/mailboxSettings/{setting}: one of them; a text stands in `value`."""
    name = _name(call.captures["setting"])
    value = _WRITERS[name](call.box, call.services.clock.now(), await _stored(call, call.box))
    where = context(call, user_context(call), "mailboxSettings", name)
    return Reply(body={"@odata.context": where, **(value if isinstance(value, dict) else {"value": value})})


async def update_settings(call: Call) -> Reply:
    """PATCH …/mailboxSettings: 200 with what was given, as it now is."""
    members, box = json_members(call), call.box.mailbox_id
    given, now = {_name(name) for name in members if "@" not in name}, call.services.clock.now()

    def change(tx: Tx) -> PersonalSettings:
        preferences.hold(tx, box)
        old = preferences.settings_of(tx, box)
        for name in _READ_ONLY & given:
            if members[name.lower()] != _WRITERS[name](call.box, now, old):
                raise BadRequest("Set action is invalid for property.", "ErrorInvalidPropertySet")
        new = read_settings(members, old)
        if new != old:
            preferences.set_settings(tx, box, new)
        if _is_new_absence(old.automatic_replies, new.automatic_replies):
            preferences.forget_answers(tx, box)
        return new

    return Reply(body=_written(call, await call.services.store.write(change), given))


def _is_new_absence(old: AutomaticReplies, new: AutomaticReplies) -> bool:
    """Whether everybody is to be answered anew: it begins, ends, or is at another time."""
    return (old.status, old.start, old.end) != (new.status, new.start, new.end)


async def settings_value(call: Call, box: Mailbox) -> dict[str, Any]:
    """The settings of a mailbox as they stand in its user."""
    return _shown(call, box, await _stored(call, box), _WRITERS.keys())


async def _stored(call: Call, box: Mailbox) -> PersonalSettings:
    return await call.services.store.read(lambda tx: preferences.settings_of(tx, box.mailbox_id))


def _name(text: str) -> str:
    for name in _WRITERS:
        if name.lower() == text.lower():
            return name
    raise BadRequest(
        f"Could not find a property named '{clip(text)}' on type 'microsoft.graph.mailboxSettings'."
    )


def _written(call: Call, settings: PersonalSettings, names: Collection[str]) -> dict[str, Any]:
    where = context(call, user_context(call), "mailboxSettings")
    return {"@odata.context": where, **_shown(call, call.box, settings, names)}


def _shown(call: Call, box: Mailbox, settings: PersonalSettings, names: Collection[str]) -> dict[str, Any]:
    now = call.services.clock.now()
    return {name: write(box, now, settings) for name, write in _WRITERS.items() if name in names}


def replies_value(replies: AutomaticReplies, now: Instant) -> dict[str, Any]:
    """An `automaticRepliesSetting`; without times of its own it shows the present day, as Exchange does."""
    today = now - now % _DAY
    return {
        "status": replies.status,
        "externalAudience": replies.audience,
        "internalReplyMessage": replies.internal,
        "externalReplyMessage": replies.external,
        "scheduledStartDateTime": zoned_value(replies.start or _moment(today)),
        "scheduledEndDateTime": zoned_value(replies.end or _moment(today + _DAY)),
    }


def _moment(at: Instant) -> ZonedTime:
    return ZonedTime(to_text(at).removesuffix("Z"))


def _hours_value(hours: WorkingHours) -> dict[str, Any]:
    return {
        "daysOfWeek": list(hours.days),
        "startTime": hours.start,
        "endTime": hours.end,
        "timeZone": {"name": hours.time_zone},
    }


_READ_ONLY: Final = frozenset({"archiveFolder", "userPurpose"})
_WRITERS: Final[Mapping[str, Callable[[Mailbox, Instant, PersonalSettings], Any]]] = {
    "archiveFolder": lambda box, now, settings: folder_id(box.object_id, _ARCHIVE),
    "timeZone": lambda box, now, settings: settings.time_zone,
    "delegateMeetingMessageDeliveryOptions": lambda box, now, settings: settings.meeting_delivery,
    "dateFormat": lambda box, now, settings: settings.date_format,
    "timeFormat": lambda box, now, settings: settings.time_format,
    "automaticRepliesSetting": lambda box, now, settings: replies_value(settings.automatic_replies, now),
    "language": lambda box, now, settings: locale_info(settings.locale),
    "workingHours": lambda box, now, settings: _hours_value(settings.working_hours),
    "userPurpose": lambda box, now, settings: "user" if box.kind == "person" else "shared",
}
