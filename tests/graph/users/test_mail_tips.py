"""Mail tips: what is asked of each recipient, and an error where there is none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.graph.desk import ADELE, ALEX
from tests.graph.desk import APP as APPLICATION
from tests.graph.study import Study, anyio_backend, open_store, postgres_url, study

from graphpost.mail.mailbox import Directory

__all__ = ["anyio_backend", "open_store", "postgres_url", "study"]
pytestmark = pytest.mark.anyio
APP = "app-with-everything"


async def tips(study: Study, *addresses: str, options: Any = None) -> list[dict[str, Any]]:
    body: dict[str, Any] = {"EmailAddresses": list(addresses)}
    if options is not None:
        body["MailTipsOptions"] = options
    answer = await study.post("getMailTips", body)
    assert answer.status == 200, answer
    assert answer.json["@odata.context"].endswith("/$metadata#Collection(microsoft.graph.mailTips)")
    found: list[dict[str, Any]] = answer.json["value"]
    assert [each["emailAddress"]["address"] for each in found] == list(addresses)
    return found


async def test_every_tip_is_given_when_none_is_named(study: Study) -> None:
    ours, others = await tips(study, ALEX.address, "zoe@one.test")
    assert ours == {
        "emailAddress": {"name": ALEX.name, "address": ALEX.address},
        "automaticReplies": {"message": ""},
        "mailboxFull": False,
        "customMailTip": "",
        "externalMemberCount": 0,
        "totalMemberCount": 1,
        "maxMessageSize": 157_286_400,
        "deliveryRestricted": False,
        "isModerated": False,
        "recipientScope": "internal",
        "recipientSuggestions": [],
    }
    assert (others["recipientScope"], others["externalMemberCount"]) == ("external", 1)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("recipientScope", {"recipientScope"}),
        ("AutomaticReplies, mailboxFullStatus", {"automaticReplies", "mailboxFull"}),
        ("deliveryRestriction,moderationStatus,maxMessageSize", {"deliveryRestricted", "isModerated", "maxMessageSize"}),
        (["customMailTip", "totalMemberCount"], {"customMailTip", "totalMemberCount"}),
    ],
)  # fmt: skip
async def test_only_what_is_named_is_given(study: Study, options: Any, names: set[str]) -> None:
    (found,) = await tips(study, ALEX.address, options=options)
    assert found.keys() - {"emailAddress"} == names


async def away(study: Study, **setting: Any) -> None:
    answer = await study.patch(
        f"/v1.0/users/{ALEX.object_id}/mailboxSettings", {"automaticRepliesSetting": setting}, token=APP
    )
    assert answer.status == 200, answer


async def test_who_is_away_says_so(study: Study) -> None:
    await away(study, status="alwaysEnabled", internalReplyMessage="Back on Monday", externalReplyMessage="-")
    for address in (ALEX.address, ALEX.address.upper()):
        (found,) = await tips(study, address, options="automaticReplies")
        assert found["automaticReplies"] == {
            "message": "Back on Monday",
            "messageLanguage": {"locale": "en-US", "displayName": "English (United States)"},
        }


@pytest.mark.parametrize(
    ("start", "end", "is_away"),
    [
        ("2025-12-31T23:00:00", "2026-01-01T02:00:00", True),
        ("2026-01-01T00:00:00", "2026-01-01T02:00:00", True),
        ("2026-01-01T02:00:00", "2026-01-02T00:00:00", False),
        ("2025-12-01T00:00:00", "2026-01-01T00:00:00", False),
    ],
)
async def test_who_will_be_or_was_away_does_not(study: Study, start: str, end: str, is_away: bool) -> None:
    """It is midnight, UTC, when 2026 begins."""
    times = {
        "scheduledStartDateTime": {"dateTime": start, "timeZone": "UTC"},
        "scheduledEndDateTime": {"dateTime": end, "timeZone": "UTC"},
    }
    await away(study, status="scheduled", internalReplyMessage="Away", **times)
    (found,) = await tips(study, ALEX.address, options="automaticReplies")
    assert found["automaticReplies"]["message"] == ("Away" if is_away else "")
    assert ("scheduledEndTime" in found["automaticReplies"]) is is_away


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("nobody@contoso.test", "ErrorNonExistentMailbox"),
        ("no address", "ErrorInvalidRecipients"),
        ("", "ErrorInvalidRecipients"),
        ("a@x.test;b@x.test", "ErrorInvalidRecipients"),
    ],
)
async def test_what_leads_nowhere_has_an_error_and_the_others_their_tips(
    study: Study, address: str, code: str
) -> None:
    wrong, right = await tips(study, address, ADELE.address, options="recipientScope")
    assert (wrong["error"]["code"], wrong.keys()) == (code, {"emailAddress", "error"})
    assert right["recipientScope"] == "internal"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "RequestBodyRead"),
        ({"EmailAddresses": []}, "RequestBodyRead"),
        ({"EmailAddresses": "a@x.test"}, "RequestBodyRead"),
        ({"EmailAddresses": [1]}, "RequestBodyRead"),
        ({"EmailAddresses": ["a@x.test"] * 101}, "ErrorInvalidParameter"),
        ({"EmailAddresses": ["a@x.test"], "MailTipsOptions": "weather"}, "RequestBodyRead"),
        ({"EmailAddresses": ["a@x.test"], "MailTipsOptions": {}}, "RequestBodyRead"),
    ],
)
async def test_what_cannot_be_asked_is_refused(study: Study, body: Any, code: str) -> None:
    assert (await study.post("getMailTips", body)).error == (400, code)


async def test_a_token_that_reads_no_mail_gets_none(study: Study) -> None:
    body = {"EmailAddresses": [ALEX.address]}
    assert (await study.post("getMailTips", body, token="user-with-settings")).error[0] == 403


async def test_who_has_no_room_says_so(study: Study) -> None:
    await study.draft(body={"contentType": "text", "content": "x" * 3000})
    boxes = [replace(ADELE, quota=2000), replace(ALEX, quota=2000)]
    study.office.directory = Directory.of(boxes, [APPLICATION])
    found = await tips(study, ADELE.address, ALEX.address, "zoe@one.test", options="mailboxFullStatus")
    assert [each["mailboxFull"] for each in found] == [True, False, False]
