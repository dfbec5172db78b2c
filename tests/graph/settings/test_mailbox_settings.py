"""A mailbox's settings can be read, whole and one by one, and changed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.desk import ADELE, ALEX
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study, to
from tests.graph.test_metadata import members, schema

from graphpost.store.mailbox import preferences

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
PLACE = "mailboxSettings"
DESCRIBED = members(schema())


async def test_before_anything_is_set_they_say_utc_and_english(study: Study) -> None:
    answer = await study.get(PLACE, token="user-with-settings")
    found = answer.json
    assert found["@odata.context"].endswith(f"/$metadata#users('{ADELE.object_id}')/mailboxSettings")
    assert (found["timeZone"], found["language"]["locale"]) == ("UTC", "en-US")
    assert found["automaticRepliesSetting"]["status"] == "disabled"
    times = [found["automaticRepliesSetting"][f"scheduled{end}DateTime"] for end in ("Start", "End")]
    assert all(time["dateTime"].endswith("T00:00:00.0000000") for time in times)
    assert times[0]["dateTime"] < times[1]["dateTime"]


async def test_some_can_be_chosen(study: Study) -> None:
    found = (await study.get(PLACE, query="$select=TimeZone,language")).json
    assert found.keys() == {"@odata.context", "timeZone", "language"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timezone", {"value": "UTC"}),
        ("language", {"locale": "en-US", "displayName": "English (United States)"}),
        ("userPurpose", {"value": "user"}),
    ],
)
async def test_one_can_be_read_alone(study: Study, name: str, value: dict[str, str]) -> None:
    answer = await study.get(f"{PLACE}/{name}")
    found = answer.json
    assert found.pop("@odata.context").lower().endswith(f"/mailboxsettings/{name.lower()}")
    assert (answer.status, found) == (200, value)


@pytest.mark.parametrize(("path", "query"), [("/nothing", ""), ("", "$select=nothing"), ("", "$expand=x")])
async def test_what_there_is_not_is_refused(study: Study, path: str, query: str) -> None:
    assert (await study.get(f"{PLACE}{path}", query=query)).status == 400


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"timeZone": "pacific standard time"}, {"timeZone": "Pacific Standard Time"}),
        ({"timeZone": "Europe/Berlin"}, {"timeZone": "Europe/Berlin"}),
        ({"TimeFormat": "HH:mm"}, {"timeFormat": "HH:mm"}),
        ({"dateFormat": "yyyy-MM-dd"}, {"dateFormat": "yyyy-MM-dd"}),
        (
            {"language": {"locale": "DE-de"}},
            {"language": {"locale": "de-DE", "displayName": "German (Germany)"}},
        ),
        (
            {"delegateMeetingMessageDeliveryOptions": "SendToDelegateAndPrincipal"},
            {"delegateMeetingMessageDeliveryOptions": "sendToDelegateAndPrincipal"},
        ),
        (
            {
                "workingHours": {
                    "@odata.type": "#microsoft.graph.workingHours",
                    "daysOfWeek": ["Friday", "monday"],
                    "endTime": "18:30:00",
                    "timeZone": {"name": "Europe/Berlin"},
                }
            },
            {
                "workingHours": {
                    "daysOfWeek": ["monday", "friday"],
                    "startTime": "08:00:00.0000000",
                    "endTime": "18:30:00.0000000",
                    "timeZone": {"name": "Europe/Berlin"},
                }
            },
        ),
        ({"userPurpose": "user"}, {"userPurpose": "user"}),
    ],
)
async def test_a_setting_that_is_given_is_kept_and_the_others_stay(
    study: Study, given: dict[str, Any], shown: dict[str, Any]
) -> None:
    before = (await study.get(PLACE)).json
    answer = await study.patch(PLACE, given)
    assert answer.status == 200, answer
    found = answer.json
    assert found.pop("@odata.context").endswith("/mailboxSettings")
    assert found == shown
    assert (await study.get(PLACE)).json == {**before, **shown}
    other = await study.get(f"/v1.0/users/{ALEX.object_id}/{PLACE}", token="app-with-everything")
    assert other.json["timeZone"] == "UTC"


async def test_automatic_replies_are_kept_as_they_are_set(study: Study) -> None:
    start = {"dateTime": "2026-12-24T17:00:00.0000000", "timeZone": "Europe/Berlin"}
    end = {"dateTime": "2027-01-04T08:00:00.0000000", "timeZone": "UTC"}
    setting = {
        "status": "Scheduled",
        "externalAudience": "contactsOnly",
        "internalReplyMessage": "<p>Away</p>",
        "scheduledStartDateTime": start,
        "scheduledEndDateTime": end,
    }
    assert (await study.patch(PLACE, {"automaticRepliesSetting": setting})).status == 200
    found = (await study.get(f"{PLACE}/automaticRepliesSetting")).json
    found.pop("@odata.context")
    assert found == {**setting, "status": "scheduled", "externalReplyMessage": ""}
    off = await study.patch(PLACE, {"automaticRepliesSetting": {"status": "disabled"}})
    assert off.json["automaticRepliesSetting"]["internalReplyMessage"] == "<p>Away</p>"
    assert off.json["automaticRepliesSetting"]["scheduledStartDateTime"] == start


NINE = {"dateTime": "2026-12-24T09:00:00", "timeZone": "UTC"}
TEN_EARLIER = {"dateTime": "2026-12-24T10:00:00", "timeZone": "Europe/Berlin"}  # 9:00 too
FIRST_DAY = {"dateTime": "0001-01-01T00:00:00", "timeZone": "Asia/Tokyo"}
LAST_DAY = {"dateTime": "9999-12-31T23:59:59", "timeZone": "America/Los_Angeles"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"timeZone": "Mars/Olympus"}, "TimeZoneNotSupportedException"),
        ({"timeZone": "../etc/passwd"}, "TimeZoneNotSupportedException"),
        ({"timeZone": 7}, "RequestBodyRead"),
        ({"language": {"locale": "xx-XX"}}, "ErrorInvalidParameter"),
        ({"language": "de-DE"}, "RequestBodyRead"),
        ({"language": {"tongue": "de-DE"}}, "RequestBodyRead"),
        ({"dateFormat": ""}, "ErrorInvalidParameter"),
        ({"dateFormat": "d\r\nM"}, "ErrorInvalidParameter"),
        ({"timeFormat": "x" * 101}, "ErrorInvalidParameter"),
        ({"workingHours": {"startTime": "25:00:00"}}, "RequestBodyRead"),
        ({"workingHours": {"daysOfWeek": ["someday"]}}, "RequestBodyRead"),
        ({"workingHours": {"timeZone": {"name": "nowhere"}}}, "TimeZoneNotSupportedException"),
        ({"automaticRepliesSetting": {"status": "often"}}, "RequestBodyRead"),
        ({"automaticRepliesSetting": {"status": "scheduled"}}, "ErrorInvalidParameter"),
        (
            {
                "automaticRepliesSetting": {
                    "status": "scheduled",
                    "scheduledStartDateTime": NINE,
                    "scheduledEndDateTime": TEN_EARLIER,
                }
            },
            "ErrorInvalidParameter",
        ),
        ({"automaticRepliesSetting": {"internalReplyMessage": "x" * 131_073}}, "ErrorInvalidParameter"),
        ({"delegateMeetingMessageDeliveryOptions": "sendToNobody"}, "RequestBodyRead"),
        ({"userPurpose": "room"}, "ErrorInvalidPropertySet"),
        ({"archiveFolder": "x"}, "ErrorInvalidPropertySet"),
        ({"colour": "red"}, "BadRequest"),
        ([], "UnableToDeserializePostBody"),
    ],
)
async def test_what_no_setting_can_be_is_refused_and_changes_nothing(
    study: Study, body: Any, code: str
) -> None:
    before = (await study.get(PLACE)).json
    answer = await study.patch(PLACE, {"timeFormat": "HH:mm", **body} if body else body)
    assert answer.error == (400, code)
    assert (await study.get(PLACE)).json == before


async def test_times_at_the_ends_of_the_calendar_are_no_trouble(study: Study) -> None:
    setting = {
        "status": "scheduled",
        "scheduledStartDateTime": FIRST_DAY,
        "scheduledEndDateTime": LAST_DAY,
    }
    assert (await study.patch(PLACE, {"automaticRepliesSetting": setting})).status == 200


async def test_writing_needs_more_than_reading(study: Study) -> None:
    answer = await study.patch(PLACE, {"timeZone": "UTC"}, token="user-with-settings")
    assert answer.error == (403, "ErrorAccessDenied")


async def test_the_metadata_describes_every_setting(study: Study) -> None:
    found = (await study.get(PLACE)).json
    assert found.keys() - {"@odata.context"} == DESCRIBED["mailboxSettings"].keys()
    for name, type_ in DESCRIBED["mailboxSettings"].items():
        if (inner := DESCRIBED.get(type_.removeprefix("graph."))) is not None:
            assert found[name].keys() == inner.keys(), name


async def test_they_are_in_their_user_for_who_may_read_both(study: Study) -> None:
    """As the tutorials for Graph's SDKs ask for them."""
    await study.patch(PLACE, {"timeZone": "Romance Standard Time"})
    query = "$select=displayName,mail,mailboxSettings,userPrincipalName"
    found = (await study.get("/v1.0/me", query=query)).json
    assert found["displayName"] == ADELE.name
    settings = (await study.get(PLACE)).json
    settings.pop("@odata.context")
    assert found["mailboxSettings"] == settings
    other = await study.get(f"/v1.0/users/{ALEX.object_id}", query=query, token="app-with-everything")
    assert other.json["mailboxSettings"]["timeZone"] == "UTC"


@pytest.mark.parametrize(
    ("path", "token", "refused"),
    [
        ("/v1.0/me", "user", (403, "ErrorAccessDenied")),
        (f"/v1.0/users/{ALEX.object_id}", "user-with-everything", (403, "ErrorAccessDenied")),
        (f"/v1.0/users/{ALEX.object_id}", "app-without-permission", (403, "ErrorAccessDenied")),
        ("/v1.0/users", "app-with-everything", (400, "ErrorInvalidUrlQuery")),
    ],
)
async def test_reading_the_directory_is_not_enough_to_read_them(
    study: Study, path: str, token: str, refused: tuple[int, str]
) -> None:
    assert (await study.get(path, query="$select=mailboxSettings", token=token)).error == refused


async def test_a_new_absence_answers_everybody_anew(study: Study) -> None:
    async def is_answered_anew(**setting: Any) -> bool:
        given = {"status": "alwaysEnabled", "internalReplyMessage": "Away", **setting}
        assert (await study.patch(PLACE, {"automaticRepliesSetting": given})).status == 200
        return await study.store.write(
            lambda tx: preferences.note_answer(tx, ADELE.mailbox_id, "zoe@one.test", 1)
        )

    assert await is_answered_anew()
    assert not await is_answered_anew()
    assert not await is_answered_anew(internalReplyMessage="Still away")
    assert await is_answered_anew(status="disabled")
    assert await is_answered_anew()


async def test_somebody_away_answers_by_what_the_api_was_told(study: Study) -> None:
    await study.office.worker.start()
    setting = {"status": "alwaysEnabled", "internalReplyMessage": "<p>Back on Monday</p>"}
    path = f"/v1.0/users/{ALEX.object_id}/{PLACE}"
    answer = await study.patch(path, {"automaticRepliesSetting": setting}, token="app-with-everything")
    assert answer.status == 200
    message = {"subject": "Lunch", "toRecipients": to(ALEX.address)}
    assert (await study.post("sendMail", {"message": message})).status == 202
    await study.office.until_done(2)
    (found,) = (await study.get("mailFolders/inbox/messages")).json["value"]
    assert found["subject"] == "Automatic reply: Lunch"
    assert "Back on Monday" in found["body"]["content"]
    (sent,) = (await study.get("mailFolders/sentitems/messages")).json["value"]
    assert found["conversationId"] == sent["conversationId"]
