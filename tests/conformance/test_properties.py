"""Every property and relation that `$metadata` describes is shown to who asks for it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from tests.conformance.facts import load
from tests.conformance.table import existing
from tests.conformance.targets import ADELE, OwnTarget
from tests.conformance.wire import Answer

PEOPLE = [{"emailAddress": {"address": "zoe@remote.example", "name": "Zoe"}}]
TIME = {"dateTime": "2026-12-01T09:00:00", "timeZone": "UTC"}
SINGLE, MULTI = "String 0x4F01", "StringArray {00020329-0000-0000-C000-000000000046} Name Colours"
MESSAGE = {
    "subject": "All there is",
    "body": {"contentType": "html", "content": "<p>Hello</p>"},
    **dict.fromkeys(("toRecipients", "ccRecipients", "bccRecipients", "replyTo"), PEOPLE),
    "importance": "high",
    "categories": ["Red"],
    "flag": {"flagStatus": "flagged", "startDateTime": TIME, "dueDateTime": TIME},
    "internetMessageHeaders": [{"name": "x-one", "value": "1"}],
    "singleValueExtendedProperties": [{"id": SINGLE, "value": "one"}],
    "multiValueExtendedProperties": [{"id": MULTI, "value": ["red", "blue"]}],
}
FILE = {
    "name": "a.txt",
    "contentBytes": base64.b64encode(b"abc").decode(),
    "contentId": "c1",
    "isInline": True,
}
ITEM = {
    "name": "inner",
    "item": {"@odata.type": "microsoft.graph.message", "subject": "inner", "body": {"content": "x"}},
}
LINK = {
    "name": "link",
    "sourceUrl": "https://files.example/a",
    "providerType": "oneDriveBusiness",
    "permission": "view",
}
RULE = {
    "displayName": "r",
    "sequence": 7,
    "conditions": {"subjectContains": ["never"]},
    "exceptions": {"importance": "low"},
    "actions": {"markAsRead": True},
}  # fmt: skip


@dataclass
class Things:
    """One entity of each type in Adele's mailbox, by the path of its own."""

    own: OwnTarget
    paths: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.own.token(ADELE)}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.own.wire.request(method, path.replace(" ", "%20"), headers, data)
        assert answer.status in (200, 201), (method, path, answer.body)
        return answer

    def make(self, *types: str, where: str, body: Any) -> str:
        made = f"{where}/{self.ask('POST', f'/beta{where}', body).json['id']}"
        self.paths.update(dict.fromkeys(types, made))
        return made

    def furnish(self) -> None:
        message = self.make("message", "outlookItem", "entity", where="/me/messages", body=MESSAGE)
        attachments = f"{message}/attachments"
        for name, body in (("file", FILE), ("item", ITEM), ("reference", LINK)):
            type_ = f"{name}Attachment"
            self.make(type_, where=attachments, body={"@odata.type": f"#microsoft.graph.{type_}", **body})
        self.paths["attachment"] = self.paths["fileAttachment"]
        self.make("outlookCategory", where="/me/outlook/masterCategories", body={"displayName": "Things"})
        folder = {
            "displayName": "Things",
            "singleValueExtendedProperties": MESSAGE["singleValueExtendedProperties"],
            "multiValueExtendedProperties": MESSAGE["multiValueExtendedProperties"],
        }
        self.make("mailFolder", where="/me/mailFolders", body=folder)
        self.make("messageRule", where="/me/mailFolders/inbox/messageRules", body=RULE)
        self.paths |= {"user": "/me", "outlookUser": "/me/outlook"}
        self.paths["mailboxSettings"] = "/me/mailboxSettings"


_furnished: WeakKeyDictionary[OwnTarget, Things] = WeakKeyDictionary()


@pytest.fixture
def things(own: OwnTarget) -> Things:
    if own not in _furnished:
        found = Things(own)
        found.furnish()
        _furnished[own] = found
    return _furnished[own]


TYPES = {
    *("message", "outlookItem", "entity", "mailFolder", "user", "outlookUser", "mailboxSettings"),
    *("outlookCategory", "messageRule"),
    *("attachment", "fileAttachment", "itemAttachment", "referenceAttachment"),
}
OPTIONS = {  # of relations that are not paths: how to expand them
    "message.extensions": "extensions",
    "message.singleValueExtendedProperties": f"singleValueExtendedProperties($filter=id eq '{SINGLE}')",
    "message.multiValueExtendedProperties": f"multiValueExtendedProperties($filter=id eq '{MULTI}')",
    "mailFolder.singleValueExtendedProperties": f"singleValueExtendedProperties($filter=id eq '{SINGLE}')",
    "mailFolder.multiValueExtendedProperties": f"multiValueExtendedProperties($filter=id eq '{MULTI}')",
    "itemAttachment.item": "microsoft.graph.itemAttachment/item",
}


def described(kind: str) -> list[tuple[str, str, str]]:
    """Version, type and name of what exists."""
    return [
        (each.version, each.type, each.name)
        for each in load()
        if each.kind == kind and each.type in TYPES and (each.type, kind, each.name) in existing(each.version)
    ]


@pytest.mark.parametrize(("version", "type_", "name"), described("properties"))
def test_each_property_is_shown_to_who_asks_for_it(
    things: Things, version: str, type_: str, name: str
) -> None:
    found = things.ask("GET", f"/{version}{things.paths[type_]}?$select={name}").json
    assert name in found
    assert {each for each in found if "@" not in each} <= {name, "id"}


@pytest.mark.parametrize(("version", "type_", "name"), described("navigation"))
def test_each_relation_leads_somewhere(things: Things, version: str, type_: str, name: str) -> None:
    path = f"/{version}{things.paths[type_]}"
    expanded = OPTIONS.get(f"{type_}.{name}")
    if expanded is None:
        if name == "messageRules":  # the Inbox alone has some
            path = f"/{version}/me/mailFolders/inbox"
        found = things.ask("GET", f"{path}/{name}").json
        assert "value" in found or "id" in found
    else:
        found = things.ask("GET", f"{path}?$expand={expanded}").json[name]
        assert found or found == []
