"""`…/outlook`: what is there, and which languages and time zones there are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from zoneinfo import available_timezones

from graphpost.clock import to_datetime
from graphpost.errors import BadRequest
from graphpost.graph.bodies.values import clip
from graphpost.graph.bodies.zones import WINDOWS, zone_named
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, page, user_context
from graphpost.graph.queries.selection import read_options
from graphpost.graph.settings.languages import LANGUAGES, locale_info

_STANDARDS: Final = ("windows", "iana")
_MOST: Final = 1000
_NO_OFFSET: Final = timedelta()


async def get_outlook(call: Call) -> Reply:
    """GET …/outlook."""
    where = context(call, user_context(call), "outlook", single=True)
    return Reply(body={"@odata.context": where, "id": call.box.object_id})


async def list_languages(call: Call) -> Reply:
    """GET …/outlook/supportedLanguages(): those that `mailboxSettings` takes."""
    return _page(call, "localeInfo", [locale_info(locale) for locale in LANGUAGES])


async def list_time_zones(call: Call) -> Reply:
    """GET …/outlook/supportedTimeZones(): Windows' names, or IANA's when the parameter says so."""
    standard = _standard(call.captures.get("standard", "windows"))
    names = sorted(WINDOWS if standard == "windows" else available_timezones())
    return _page(
        call, "timeZoneInformation", [{"alias": name, "displayName": _shown(call, name)} for name in names]
    )


def _standard(text: str) -> str:
    """The word in `microsoft.graph.timeZoneStandard'Iana'`, which a client may write without its type."""
    word = text.rpartition(".")[2].removeprefix("timeZoneStandard").strip("'").lower()
    if word not in _STANDARDS:
        raise BadRequest(f"'{clip(text)}' is not a time zone standard. It is Windows or Iana.")
    return word


def _shown(call: Call, name: str) -> str:
    """With its present distance from UTC: `(UTC+01:00) W. Europe Standard Time`."""
    zone = zone_named(name)
    now = to_datetime(call.services.clock.now()).astimezone(zone)
    minutes = (now.utcoffset() or _NO_OFFSET) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    distance = f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}" if minutes else ""
    return f"(UTC{distance}) {name}"


def _page(call: Call, type_: str, found: list[dict[str, Any]]) -> Reply:
    options = read_options(call)
    top = options.top or _MOST
    where = context(call, f"Collection(microsoft.graph.{type_})")
    shown = found[options.skip : options.skip + top]
    return Reply(body=page(call, where, shown, len(found), options, top))
