"""Every route of the table, with every token and every id that does not open it: the exact status and code.

Generated from the table of routes, so that a new row is asked too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from tests.conformance.targets import ADELE, ALEX, OwnTarget
from tests.conformance.wire import Answer

from graphpost.graph.routes import ROUTES, Route, expand_template

Refusal = tuple[int, str]
MALFORMED: Refusal = (400, "ErrorInvalidIdMalformed")
NOT_FOUND: Refusal = (404, "ErrorItemNotFound")
PLACES = [(route, path) for route in ROUTES if not route.is_open for path in expand_template(route.template)]
NAMED = [(route, path) for route, path in PLACES if "{user}" in path and "{user}/" in path]
KEY = re.compile(r"\{(\w+)\}")

# A body that is right but for the ids, where one is needed; by the end of the template.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/move"): {"destinationId": "inbox"},
    ("POST", "/copy"): {"destinationId": "inbox"},
    ("POST", "/attachments"): {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "a.txt",
        "contentBytes": "aGVsbG8=",
    },
    ("POST", "/createUploadSession"): {
        "AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": 10}
    },
    ("POST", "/forward"): {"toRecipients": [{"emailAddress": {"address": "x@else.example"}}]},
    ("POST", "/childFolders"): {"displayName": "New"},
    ("POST", "/messages"): {"subject": "New"},
    ("POST", "/updateAllMessagesReadState"): {"isRead": True},
    ("POST", "/extensions"): {"extensionName": "else.example.new", "mood": "good"},
    ("POST", "/messageRules"): {"displayName": "New", "sequence": 1, "actions": {"markAsRead": True}},
    ("PATCH", "M"): {"isRead": True},
    ("PATCH", "F"): {"displayName": "New"},
    ("PATCH", "{category}"): {"color": "preset1"},
    ("PATCH", "{override}"): {"classifyAs": "other"},
    ("PATCH", "{rule}"): {"isEnabled": False},
    ("PATCH", "{subscription}"): {"notificationUrl": "https://hooks.example/"},
}


@dataclass(frozen=True)
class Wrong:
    """An id that names nothing in a place; `right` is what does."""

    right: str
    wrong: dict[str, tuple[str, Refusal]]


def refusal(answer: Answer) -> Refusal:
    return answer.error[:2] if answer.status >= 400 else (answer.status, "")


def ask(own: OwnTarget, route: Route, path: str, token: str, body: Any = None) -> Answer:
    headers = {"Authorization": f"Bearer {own.token(token)}"} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = b"" if body is None else json.dumps(body).encode()
    return own.wire.request(route.method, f"/{route.versions[0]}{path}", headers, data)


def filled(path: str, user: str = ADELE, **keys: str) -> str:
    return KEY.sub(lambda key: keys.get(key[1], "x"), path.replace("{user}", user))


def faults(
    own: OwnTarget, places: list[tuple[Route, str]], token: str, wanted: Refusal, user: str = ADELE
) -> list[Any]:
    """Each place that is not refused so; what was stored stays as it is."""
    before = own.stored_at_rest()
    found = []
    for route, path in places:
        got = refusal(ask(own, route, filled(path, user), token))
        if got != wanted:
            found.append((route.method, path, got))
    assert own.stored_at_rest() == before
    return found


@pytest.mark.parametrize(
    "token", ["", "garbage", "dotted", "expired", "not-yet", "audience", "issuer", "forged"]
)
def test_no_route_opens_without_a_right_token(own: OwnTarget, token: str) -> None:
    assert faults(own, PLACES, token, (401, "InvalidAuthenticationToken")) == []


@pytest.mark.parametrize("token", ["user-with-nothing", "app-with-nothing"])
def test_no_route_opens_without_its_permission(own: OwnTarget, token: str) -> None:
    of_mailbox = [
        (route, path) for route, path in PLACES if route.permission and not route.permission.directory
    ]
    of_directory = [
        (route, path) for route, path in PLACES if route.permission and route.permission.directory
    ]
    assert faults(own, of_mailbox, token, (403, "ErrorAccessDenied")) == []
    assert faults(own, of_directory, token, (403, "Authorization_RequestDenied")) == []


def test_no_route_opens_another_persons_mailbox(own: OwnTarget) -> None:
    assert faults(own, NAMED, "user-with-everything", (403, "ErrorAccessDenied"), ALEX) == []
    assert faults(own, NAMED, "user-with-everything", (403, "ErrorAccessDenied"), own.object_ids[ALEX]) == []


def test_no_route_opens_a_mailbox_outside_an_applications_scope(own: OwnTarget) -> None:
    places = [(route, path) for route, path in NAMED if not path.startswith("/me/")]
    assert faults(own, places, "app-in-alexs-alone", (403, "ErrorAccessDenied"), ADELE) == []


def test_no_route_finds_somebody_who_is_not_there(own: OwnTarget) -> None:
    places = [(route, path) for route, path in NAMED if not path.startswith("/me/")]
    for user in ("nobody@contoso.com", "adele@contoso.com", "aaaaaaaa-0000-4000-8000-00000000000f", "me"):
        assert faults(own, places, "app-with-everything", (404, "ErrorInvalidUser"), user) == []


def test_an_application_has_no_me(own: OwnTarget) -> None:
    places = [(route, path) for route, path in PLACES if route.permission and path.startswith("/me")]
    places = [(route, path) for route, path in places if "{user}" not in path]
    assert faults(own, places, "app-with-everything", (400, "BadRequest")) == []


# Ids


def made(own: OwnTarget, token: str) -> dict[str, str]:
    """The ids of one of everything in a mailbox."""

    def post(path: str, body: Any) -> str:
        answer = own.post(f"/v1.0/me/{path}", body, token)
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    file = BODIES["POST", "/attachments"]
    mention = {"mentioned": {"address": "zoe@else.example"}}
    message = post("messages", {"subject": "Mine", "attachments": [file], "mentions": [mention]})
    post(f"messages/{message}/extensions", {"extensionName": "else.example.mood", "mood": "good"})
    attached = own.get(f"/v1.0/me/messages/{message}/attachments", token).json["value"][0]["id"]
    mentioned = own.get(f"/beta/me/messages/{message}/mentions", token).json["value"][0]["id"]
    name = str(uuid4())
    sender = {"name": name, "address": f"{name}@else.example"}
    return {
        "message": message,
        "attachment": attached,
        "mention": mentioned,
        "folder": post("mailFolders", {"displayName": name}),
        "category": post("outlook/masterCategories", {"displayName": name, "color": "preset0"}),
        "override": post(
            "inferenceClassification/overrides", {"classifyAs": "focused", "senderEmailAddress": sender}
        ),
        "rule": post("mailFolders/inbox/messageRules", BODIES["POST", "/messageRules"]),
    }


COLLECTIONS = {
    "message": "messages/{}/permanentDelete",
    "folder": "mailFolders/{}/permanentDelete",
    "category": "outlook/masterCategories/{}",
    "override": "inferenceClassification/overrides/{}",
    "rule": "mailFolders/inbox/messageRules/{}",
}


def erase(own: OwnTarget, token: str, things: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {own.token(token)}"}
    for kind, template in COLLECTIONS.items():
        method = "POST" if template.endswith("permanentDelete") else "DELETE"
        answer = own.wire.request(method, f"/v1.0/me/{template.format(things[kind])}", headers)
        assert answer.status == 204, (kind, answer.body)


@pytest.fixture(scope="session")
def ids(own: OwnTarget) -> dict[str, Wrong]:
    """For each key of a path, what opens it and what does not."""
    mine, others, gone = (
        made(own, name) for name in ("user-with-everything", "alex-with-everything", "user-with-everything")
    )
    second = made(own, "user-with-everything")
    erase(own, "user-with-everything", gone)
    kept = {
        kind: Wrong(
            mine[kind],
            {
                "no id": ("***", NOT_FOUND),
                "another's": (others[kind], NOT_FOUND),
                "gone": (gone[kind], NOT_FOUND),
            },
        )
        for kind in ("category", "mention", "override", "rule")
    }
    return kept | {
        "message": Wrong(
            mine["message"],
            {
                "no id": ("AAMkAGI2", MALFORMED),
                "a folder's": (mine["folder"], MALFORMED),
                "an attachment's": (mine["attachment"], MALFORMED),
                "another's": (others["message"], NOT_FOUND),
                "gone": (gone["message"], NOT_FOUND),
            },
        ),
        "folder": Wrong(
            "drafts",
            {
                "no id": ("AAMkAGI2", MALFORMED),
                "no name": ("postbox", MALFORMED),
                "a message's": (mine["message"], MALFORMED),
                "another's": (others["folder"], NOT_FOUND),
                "gone": (gone["folder"], NOT_FOUND),
                "where the message is not": ("junkemail", NOT_FOUND),
            },
        ),
        "attachment": Wrong(
            mine["attachment"],
            {
                "no id": ("AAMkAGI2", MALFORMED),
                "a message's": (mine["message"], MALFORMED),
                "another message's": (second["attachment"], NOT_FOUND),
                "another's": (others["attachment"], NOT_FOUND),
                "gone": (gone["attachment"], NOT_FOUND),
            },
        ),
        "extension": Wrong(
            "else.example.mood", {"no name": ("***", NOT_FOUND), "none": ("a.b.c", NOT_FOUND)}
        ),
        "setting": Wrong("timeZone", {"no name": ("weather", (400, "BadRequest"))}),
        "standard": Wrong("Iana", {"no name": ("Julian", (400, "BadRequest"))}),
        "subscription": Wrong("x", {"no id": (str(uuid4()), (404, "ResourceNotFound"))}),
        "device": Wrong("x", {}),  # no device is known; any will do
    }


def keyed() -> Iterator[tuple[Route, str, str]]:
    for route, path in PLACES:
        for key in KEY.findall(path):
            if key != "user":
                yield route, path, key


def body_of(route: Route) -> Any:
    found = [
        body
        for (method, end), body in BODIES.items()
        if route.method == method and route.template.endswith(end)
    ]
    return found[0] if found else {} if route.method in ("POST", "PATCH") else None


def meant(route: Route, path: str, which: str, wanted: Refusal) -> Refusal | None:
    """What is answered; None where the id is not wrong."""
    is_rule = "/messageRules" in path
    if which == "where the message is not":
        if is_rule:
            return 400, "ErrorInvalidRequest"
        return wanted if "{message}" in path else None
    return (400, "ErrorInvalidRequest") if is_rule and which == "gone" else wanted


def test_every_key_of_a_path_is_asked_wrongly(ids: dict[str, Wrong]) -> None:
    assert {key for _, _, key in keyed()} == set(ids)


def test_no_route_takes_an_id_that_names_nothing_there(own: OwnTarget, ids: dict[str, Wrong]) -> None:
    found = []
    for route, path, key in keyed():
        for which, (text, refused) in ids[key].wrong.items():
            wanted = meant(route, path, which, refused) if key == "folder" else refused
            if wanted is None:
                continue
            keys = {name: value.right for name, value in ids.items()} | {key: text}
            if "/messageRules" in path and key != "folder":
                keys["folder"] = "inbox"
            answer = ask(own, route, filled(path, **keys), "user-with-everything", body_of(route))
            if refusal(answer) != wanted:
                found.append((route.method, path, key, which, refusal(answer), wanted))
    assert found == []


@pytest.mark.parametrize(
    "path", ["messages/{message}/move", "messages/{message}/copy", "mailFolders/{folder}/move"]
)
def test_no_destination_is_one_that_names_nothing(own: OwnTarget, ids: dict[str, Wrong], path: str) -> None:
    folder = own.post("/v1.0/me/mailFolders", {"displayName": path}, "user-with-everything").json["id"]
    target = path.format(message=ids["message"].right, folder=folder)
    for which, (text, wanted) in ids["folder"].wrong.items():
        if which != "where the message is not":
            answer = own.post(f"/v1.0/me/{target}", {"destinationId": text}, "user-with-everything")
            assert refusal(answer) == wanted, which
