"""Deferred sending and open extensions over the wire, on the real clock."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from tests.client import eventually
from tests.conformance.targets import ADELE, OwnTarget, Target
from tests.conformance.test_drafts import draft, write

from graphpost.clock import SECOND, SystemClock, to_text

pytestmark = pytest.mark.slow
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
EXTENSION = {"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "Com.Contoso.Referral"}


def timed(seconds: int, property_id: str = "SystemTime 0x3FEF") -> dict[str, Any]:
    time = to_text(SystemClock().now() + seconds * SECOND)
    return {"singleValueExtendedProperties": [{"id": property_id, "value": time}]}


HOUR, WAITING = 3600, "/admin/queue?state=waiting"


def hasten(target: Target, message: dict[str, Any]) -> None:
    """Let its time come; until then it waits however slow the machine is."""
    assert write(target, "PATCH", f"/v1.0/me/messages/{message['id']}", timed(1)).status == 200


def found(target: Target, folder: str, subject: str) -> list[dict[str, Any]]:
    query = quote(f"subject eq '{subject}'")
    answer = write(target, "GET", f"/v1.0/me/mailFolders/{folder}/messages?$filter={query}", **IMMUTABLE)
    assert answer.status == 200, answer.body
    messages: list[dict[str, Any]] = answer.json["value"]
    return messages


@pytest.mark.parametrize("way", ["sendMail", "create and send", "create, set and send"])
def test_it_waits_in_drafts_and_is_sent_once(target: Target, way: str) -> None:
    subject = f"Deferred by {way}"
    if way == "sendMail":
        recipients = [{"emailAddress": {"address": ADELE}}]
        message = {"subject": subject, "toRecipients": recipients, **timed(HOUR)}
        answer = write(target, "POST", "/v1.0/me/sendMail", {"message": message})
    else:
        made = draft(target, subject=subject, **(timed(HOUR) if way == "create and send" else {}))
        if way != "create and send":
            changed = write(target, "PATCH", f"/v1.0/me/messages/{made['id']}", timed(HOUR))
            assert changed.status == 200
        answer = write(target, "POST", f"/v1.0/me/messages/{made['id']}/send")
    assert (answer.status, answer.body) == (202, b"")
    (waiting,) = found(target, "drafts", subject)
    assert waiting["isDraft"] is True
    assert found(target, "sentitems", subject) == []
    hasten(target, waiting)
    eventually(lambda: len(found(target, "sentitems", subject)) == 1)
    (sent,) = found(target, "sentitems", subject)
    assert (sent["id"], sent["isDraft"]) == (waiting["id"], False)
    assert found(target, "drafts", subject) == []
    eventually(lambda: len(found(target, "inbox", subject)) == 1)


def test_deleting_it_cancels(own: OwnTarget) -> None:
    message = {"subject": "Cancelled", "toRecipients": [{"emailAddress": {"address": ADELE}}], **timed(HOUR)}
    for each in (message, {**message, "subject": "Not cancelled"}):
        assert write(own, "POST", "/v1.0/me/sendMail", {"message": each}).status == 202
    assert [each["state"] for each in own.administer(WAITING)["value"]] == ["waiting"] * 2
    (waiting,) = found(own, "drafts", "Cancelled")
    assert write(own, "DELETE", f"/v1.0/me/messages/{waiting['id']}").status == 204
    assert len(own.administer(WAITING)["value"]) == 1
    (other,) = found(own, "drafts", "Not cancelled")
    hasten(own, other)
    eventually(lambda: len(found(own, "sentitems", "Not cancelled")) == 1)
    assert found(own, "sentitems", "Cancelled") == []
    assert own.administer(WAITING)["value"] == []


def test_an_extension_goes_through_its_life(target: Target) -> None:
    made = draft(target, extensions=[{**EXTENSION, "dealValue": 500050, "topPicks": ["a"]}])
    assert made["extensions"][0]["dealValue"] == 500050
    path = f"/v1.0/me/messages/{made['id']}/extensions"
    name = EXTENSION["extensionName"]
    assert write(target, "POST", path, EXTENSION).status == 409
    other = write(target, "POST", path, {**EXTENSION, "extensionName": "Com.Contoso.Other", "x": True})
    assert (other.status, other.json["x"]) == (201, True)
    changed = write(
        target, "PATCH", f"{path}/Microsoft.OutlookServices.OpenTypeExtension.{name}", {"dealValue": 1}
    )
    assert (changed.status, changed.json["dealValue"], changed.json["topPicks"]) == (200, 1, ["a"])
    query = quote(f"extensions($filter=id eq '{name}')")
    expanded = write(target, "GET", f"/v1.0/me/messages/{made['id']}?$expand={query}")
    assert [each["extensionName"] for each in expanded.json["extensions"]] == [name]
    assert write(target, "DELETE", f"{path}/{name}").status == 204
    assert write(target, "GET", f"{path}/{name}").error[:2] == (404, "ErrorItemNotFound")
    left = write(target, "GET", path).json["value"]
    assert [each["id"] for each in left] == ["Microsoft.OutlookServices.OpenTypeExtension.Com.Contoso.Other"]
