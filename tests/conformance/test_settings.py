"""Settings, categories, rules and tips over the wire; rules and overrides followed by real mail."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from tests.conformance.targets import ADELE, ALEX, OwnTarget, Target
from tests.conformance.wire import Answer

_numbers = itertools.count(1)


def ask(target: Target, method: str, path: str, body: Any = None, who: str = ADELE) -> Answer:
    token = target.token(who)
    if token is None:
        pytest.skip("no token for it was given")
    fields = {"Authorization": f"Bearer {token}"}
    if body is None:
        return target.wire.request(method, path, fields)
    fields["Content-Type"] = "application/json"
    return target.wire.request(method, path, fields, json.dumps(body).encode())


def send(own: OwnTarget, subject: str, to: str = ADELE, who: str = ALEX) -> None:
    """Send, and wait until it is delivered."""
    message = {"subject": subject, "toRecipients": [{"emailAddress": {"address": to}}]}
    assert ask(own, "POST", "/v1.0/me/sendMail", {"message": message}, who).status == 202
    own.stored_at_rest()


def found(own: OwnTarget, folder: str, subject: str, who: str = ADELE) -> list[Any]:
    query = f"$filter=subject%20eq%20'{subject.replace(' ', '%20')}'"
    messages: list[Any] = ask(own, "GET", f"/v1.0/me/mailFolders/{folder}/messages?{query}", who=who).json[
        "value"
    ]
    return messages


def test_a_category_is_made_coloured_and_deleted(target: Target) -> None:
    name = f"Category {next(_numbers)}"
    made = ask(target, "POST", "/v1.0/me/outlook/masterCategories", {"displayName": name, "color": "preset1"})
    assert made.status == 201
    one = f"/v1.0/me/outlook/masterCategories/{made.json['id']}"
    assert ask(target, "PATCH", one, {"color": "preset2"}).json["color"] == "preset2"
    assert ask(target, "DELETE", one).status == 204
    assert ask(target, "GET", one).status == 404


def test_settings_are_changed_one_by_one(target: Target) -> None:
    place = "/v1.0/me/mailboxSettings"
    for zone in ("Pacific Standard Time", "UTC"):
        assert ask(target, "PATCH", place, {"timeZone": zone}).status == 200
        assert ask(target, "GET", f"{place}/timeZone").json["value"] == zone
    assert ask(target, "PATCH", place, {"timeZone": "Nowhere"}).status == 400


def test_a_rule_files_what_arrives_where_it_says(own: OwnTarget) -> None:
    subject = f"Ruled {next(_numbers)}"
    folder = ask(own, "POST", "/v1.0/me/mailFolders", {"displayName": subject}).json["id"]
    rule = {
        "displayName": subject,
        "sequence": 1,
        "isEnabled": True,
        "conditions": {"subjectContains": [subject.upper()], "sentToMe": True},
        "actions": {
            "moveToFolder": folder,
            "copyToFolder": "archive",
            "markAsRead": True,
            "assignCategories": ["Red"],
            "forwardTo": [{"emailAddress": {"address": ALEX}}],
        },
    }
    made = ask(own, "POST", "/v1.0/me/mailFolders/inbox/messageRules", rule)
    assert made.status == 201, made.body
    send(own, subject)
    own.stored_at_rest()
    (moved,) = found(own, folder, subject)
    assert (moved["isRead"], moved["categories"]) == (True, ["Red"])
    assert len(found(own, "archive", subject)) == 1
    assert found(own, "inbox", subject) == []
    (forwarded,) = found(own, "inbox", f"FW: {subject}", ALEX)
    assert forwarded["from"]["emailAddress"]["address"] == ADELE
    one = f"/v1.0/me/mailFolders/inbox/messageRules/{made.json['id']}"
    assert ask(own, "PATCH", one, {"isEnabled": False}).json["isEnabled"] is False
    send(own, subject)
    assert len(found(own, "inbox", subject)) == 1
    assert ask(own, "DELETE", one).status == 204


def test_a_sender_is_classified_as_its_reader_wants(own: OwnTarget) -> None:
    subject, place = f"Classified {next(_numbers)}", "/v1.0/me/inferenceClassification/overrides"
    body = {"classifyAs": "other", "senderEmailAddress": {"address": ALEX}}
    made = ask(own, "POST", place, body)
    send(own, subject)
    assert [each["inferenceClassification"] for each in found(own, "inbox", subject)] == ["other"]
    assert ask(own, "DELETE", f"{place}/{made.json['id']}").status == 204
    send(own, subject)
    classes = [each["inferenceClassification"] for each in found(own, "inbox", subject)]
    assert sorted(classes) == ["focused", "other"]


def test_tips_tell_who_is_away(target: Target) -> None:
    settings = {"automaticRepliesSetting": {"status": "alwaysEnabled", "internalReplyMessage": "Away"}}
    assert ask(target, "PATCH", "/v1.0/me/mailboxSettings", settings).status == 200
    asked = {"EmailAddresses": [ADELE, "nobody@contoso.com"], "MailTipsOptions": "automaticReplies"}
    tips = ask(target, "POST", "/v1.0/me/getMailTips", asked).json["value"]
    assert tips[0]["automaticReplies"]["message"] == "Away"
    off = {"automaticRepliesSetting": {"status": "disabled"}}
    assert ask(target, "PATCH", "/v1.0/me/mailboxSettings", off).status == 200
