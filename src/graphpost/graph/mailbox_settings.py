"""`mailboxSettings`: the same for every mailbox, and read only.

Clients ask for the time zone and the language before they show dates.  There is no calendar and there are no automatic
replies here, and the settings say so.
"""

from __future__ import annotations

from typing import Any, Final

from graphpost.clock import SECOND, Instant, to_text
from graphpost.errors import BadRequest
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, user_context
from graphpost.graph.render import folder_id
from graphpost.graph.selection import check_expand, read_options
from graphpost.graph.values import clip
from graphpost.mail.mailbox import WELL_KNOWN

_ARCHIVE: Final = WELL_KNOWN["archive"][0]
_DAY: Final = 86_400 * SECOND
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday")


async def get_settings(call: Call) -> Reply:
    """GET …/mailboxSettings."""
    options = read_options(call)
    check_expand(options.expand)
    settings = _settings(call)
    chosen = {_name(settings, name) for name in options.select}
    shown = {name: value for name, value in settings.items() if not chosen or name in chosen}
    return Reply(body={"@odata.context": context(call, user_context(call), "mailboxSettings"), **shown})


async def get_setting(call: Call) -> Reply:
    """GET …/mailboxSettings/{setting}: one of them; a text stands in `value`."""
    settings = _settings(call)
    name = _name(settings, call.captures["setting"])
    value = settings[name]
    where = context(call, user_context(call), "mailboxSettings", name)
    return Reply(body={"@odata.context": where, **(value if isinstance(value, dict) else {"value": value})})


def _name(settings: dict[str, Any], text: str) -> str:
    for name in settings:
        if name.lower() == text.lower():
            return name
    raise BadRequest(
        f"Could not find a property named '{clip(text)}' on type 'microsoft.graph.mailboxSettings'."
    )


def _settings(call: Call) -> dict[str, Any]:
    now = call.services.clock.now()
    today = now - now % _DAY
    return {
        "archiveFolder": folder_id(call.box.object_id, _ARCHIVE),
        "timeZone": "UTC",
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "dateFormat": "M/d/yyyy",
        "timeFormat": "h:mm tt",
        "automaticRepliesSetting": {
            "status": "disabled",
            "externalAudience": "none",
            "internalReplyMessage": "",
            "externalReplyMessage": "",
            "scheduledStartDateTime": _moment(today),
            "scheduledEndDateTime": _moment(today + _DAY),
        },
        "language": {"locale": "en-US", "displayName": "English (United States)"},
        "workingHours": {
            "daysOfWeek": list(_DAYS),
            "startTime": "08:00:00.0000000",
            "endTime": "17:00:00.0000000",
            "timeZone": {"name": "UTC"},
        },
        "userPurpose": "user",
    }


def _moment(at: Instant) -> dict[str, str]:
    return {"dateTime": to_text(at).removesuffix("Z") + ".0000000", "timeZone": "UTC"}
