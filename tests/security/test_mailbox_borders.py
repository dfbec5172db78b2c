"""A token opens its own mailbox and no other, however the path is written."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from tests.conformance.targets import ADELE, ALEX, ELSEWHERE
from tests.conformance.wire import Answer
from tests.security.conftest import Besieged

# {other} and {id} are another's address and object id, {own} the token's own.
OTHERS = [
    "/v1.0/users/{other}{rest}",
    "/beta/users/{other}{rest}",
    "/v1.0/users/{id}{rest}",
    "/v1.0/users('{other}'){rest}",
    "/v1.0/users(userPrincipalName='{other}'){rest}",
    "/v1.0/users/{other_upper}{rest}",
    "/v1.0/users/{id_upper}{rest}",
    "/v1.0/users/{other_encoded}{rest}",
    "/v1.0/users/{other_all_encoded}{rest}",
    "/v1.0/users/{other_twice_encoded}{rest}",
    "/v1.0/USERS/{other}{rest}",
    "/v1.0/Users/{other}{rest}/",
    "/v1.0//users/{other}{rest}",
    "/v1.0/users/{own}/../{other}{rest}",
    "/v1.0/users/{own}/%2e%2e/{other}{rest}",
    "/v1.0/users/{own}/..%2f{other}{rest}",
    "/v1.0/users/{own}%2f..%2f{other}{rest}",
    "/v1.0/users/{own}%00{other}{rest}",
    "/v1.0/users/{own}%0a{other}{rest}",
    "/v1.0/users/{own},{other}{rest}",
    "/v1.0/users/{own};{other}{rest}",
    "/v1.0/users/ {other}{rest}".replace(" ", "%20"),
    "/v1.0/users/{other}%20{rest}",
    "/v1.0/me/../users/{other}{rest}",
    "/v1.0/me/users/{other}{rest}",
    "/v1.0/me/managedDevices/x/users/{other}{rest}",
    "/beta/me/managedDevices/x/users/{other}{rest}",
    "/admin/../v1.0/users/{other}{rest}",
    "/healthz/../v1.0/users/{other}{rest}",
    "/v1.0/users/{own}{rest}/../../../users/{other}{rest}",
]
READS = ["/messages", "/mailFolders", "/mailFolders/inbox/messages", "/mailFolders/sentitems"]
MAIL = {"message": {"toRecipients": [{"emailAddress": {"address": "victim@else.test"}}]}}


def paths(besieged: Besieged, own: str, other: str, rest: str) -> list[str]:
    known = {
        "own": own,
        "other": other,
        "other_upper": other.upper(),
        "other_encoded": quote(other, safe=""),
        "other_all_encoded": "".join(f"%{byte:02x}" for byte in other.encode()),
        "other_twice_encoded": quote(quote(other, safe=""), safe=""),
        "id": besieged.target.object_ids[other],
        "id_upper": besieged.target.object_ids[other].upper(),
        "rest": rest,
    }
    return [template.format_map(known) for template in OTHERS]


def ask(besieged: Besieged, path: str, token: str, *, send: bool) -> Answer:
    headers = {"Authorization": f"Bearer {besieged.target.token(token)}", "Content-Type": "application/json"}
    body = json.dumps(MAIL).encode() if send else b""
    return besieged.target.wire.request("POST" if send else "GET", path, headers, body)


@pytest.mark.parametrize("other", [ALEX, ELSEWHERE])
@pytest.mark.parametrize("rest", [*READS, "/sendMail"])
def test_a_user_reads_and_sends_from_no_other_mailbox(besieged: Besieged, other: str, rest: str) -> None:
    """The token has every permission, for its own mailbox."""
    before = besieged.target.stored_at_rest()
    for path in paths(besieged, ADELE, other, rest):
        answer = ask(besieged, path, ADELE, send=rest == "/sendMail")
        assert answer.status in (400, 401, 403, 404, 405), (path, answer.status, answer.body)
    assert besieged.target.stored_at_rest() == before


@pytest.mark.parametrize("rest", [*READS, "/sendMail"])
def test_an_application_with_a_scope_stays_in_it(besieged: Besieged, rest: str) -> None:
    is_sending = rest == "/sendMail"
    for path in paths(besieged, ALEX, ADELE, rest):
        answer = ask(besieged, path, "app-out-of-scope", send=is_sending)
        assert answer.status in (400, 401, 403, 404, 405), (path, answer.status, answer.body)
    inside = ask(besieged, f"/v1.0/users/{ALEX}{rest}", "app-out-of-scope", send=is_sending)
    assert inside.status == (202 if is_sending else 200)


@pytest.fixture(scope="session")
def alexs(besieged: Besieged) -> dict[str, Any]:
    """A message in Alex's mailbox, with an attachment."""
    attachment = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "secret.txt",
        "contentBytes": base64.b64encode(b"for Alex only").decode(),
    }
    message = {
        "subject": "confidential",
        "toRecipients": [{"emailAddress": {"address": "x@else.test"}}],
        "attachments": [attachment],
    }
    assert besieged.target.post("/v1.0/me/sendMail", {"message": message}, ALEX).status == 202
    box = f"/v1.0/users/{ALEX}"
    found = besieged.target.get(f"{box}/mailFolders/sentitems/messages?$top=1&$orderby=sentDateTime%20desc")
    (shown,) = found.json["value"]
    attached = besieged.target.get(f"{box}/messages/{shown['id']}/attachments").json["value"][0]
    folder = besieged.target.get(f"{box}/mailFolders/sentitems").json["id"]
    assert shown["subject"] == "confidential"
    return {"message": shown["id"], "attachment": attached["id"], "folder": folder}


@pytest.mark.parametrize("box", ["/v1.0/me", f"/v1.0/users/{ADELE}", f"/v1.0/users/{ALEX}"])
@pytest.mark.parametrize(
    "rest",
    [
        "/messages/{message}",
        "/messages/{message}/$value",
        "/messages/{message}/attachments",
        "/messages/{message}/attachments/{attachment}",
        "/messages/{message}/attachments/{attachment}/$value",
        "/mailFolders/{folder}",
        "/mailFolders/{folder}/messages",
        "/mailFolders/sentitems/messages/{message}",
    ],
)
def test_an_id_of_another_mailbox_opens_nothing(
    besieged: Besieged, alexs: dict[str, str], box: str, rest: str
) -> None:
    answer = besieged.target.get(box + rest.format_map(alexs), ADELE)
    assert answer.status in (400, 403, 404), answer.body
    assert b"confidential" not in answer.body
    assert b"for Alex only" not in answer.body


@pytest.mark.parametrize(
    "path", ["/v1.0/users/{own}/messages/{message}", "/v1.0/users/{own}/mailFolders/{folder}"]
)
def test_an_id_is_not_good_under_another_mailboxs_path(
    besieged: Besieged, alexs: dict[str, str], path: str
) -> None:
    """Not even for an application that may open both."""
    answer = besieged.target.get(path.format_map({**alexs, "own": ADELE}), "reader")
    assert answer.status in (400, 404), answer.body


def test_a_filter_finds_nothing_of_other_mailboxes(besieged: Besieged, alexs: dict[str, str]) -> None:
    answer = besieged.target.get("/v1.0/me/messages?$filter=subject%20eq%20'confidential'", ADELE)
    assert (answer.status, answer.json["value"]) == (200, [])
    everywhere = "subject%20eq%20'confidential'%20or%201%20eq%201"
    answer = besieged.target.get(f"/v1.0/me/messages?$filter={everywhere}", ADELE)
    found = answer.json.get("value", [])  # the link to the next page has the filter in it
    assert "confidential" not in json.dumps(found)


TO = {"toRecipients": [{"emailAddress": {"address": "victim@else.test"}}]}
SESSION = {"AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": 4_000_000}}
FILE = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "YQ=="}


@pytest.mark.parametrize("box", ["/v1.0/me", f"/v1.0/users/{ADELE}", f"/beta/users/{ADELE}"])
@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("POST", "/messages/{message}/move", {"destinationId": "inbox"}),
        ("POST", "/messages/{message}/copy", {"destinationId": "inbox"}),
        ("POST", "/messages/{message}/send", None),
        ("POST", "/messages/{message}/reply", {"comment": "x"}),
        ("POST", "/messages/{message}/forward", TO),
        ("POST", "/messages/{message}/createForward", TO),
        ("POST", "/messages/{message}/createReply", None),
        ("POST", "/messages/{message}/permanentDelete", None),
        ("POST", "/messages/{message}/attachments", FILE),
        ("POST", "/messages/{message}/attachments/createUploadSession", SESSION),
        ("POST", "/messages/{message}/extensions", {"extensionName": "a.b"}),
        ("POST", "/messages/{own}/move", {"destinationId": "{folder}"}),
        ("POST", "/messages/{own}/copy", {"destinationId": "{folder}"}),
        ("POST", "/mailFolders/{folder}/messages", {"subject": "planted"}),
        ("POST", "/mailFolders/{folder}/childFolders", {"displayName": "planted"}),
        ("POST", "/mailFolders/{folder}/messageRules", {"displayName": "planted", "sequence": 1}),
        ("POST", "/mailFolders/inbox/copy", {"destinationId": "{folder}"}),
        ("POST", "/mailFolders/{folder}/copy", {"destinationId": "inbox"}),
        ("POST", "/mailFolders/{folder}/permanentDelete", None),
        ("PATCH", "/messages/{message}", {"isRead": True}),
        ("PATCH", "/mailFolders/{folder}", {"displayName": "mine"}),
        ("DELETE", "/messages/{message}", None),
        ("DELETE", "/messages/{message}/attachments/{attachment}", None),
        ("DELETE", "/messages/{own}/attachments/{attachment}", None),
        ("DELETE", "/mailFolders/{folder}", None),
    ],
)
def test_an_id_of_another_mailbox_is_nothing_that_can_be_changed_nor_a_place_to_put_something(
    besieged: Besieged, alexs: dict[str, str], adeles: str, box: str, method: str, rest: str, body: Any
) -> None:
    known = {**alexs, "own": adeles}
    data = b"" if body is None else json.dumps(body).replace("{folder}", alexs["folder"]).encode()
    headers = {
        "Authorization": f"Bearer {besieged.target.token('user-with-everything')}",
        "Content-Type": "application/json",
    }
    before = besieged.target.get(f"/v1.0/users/{ALEX}/messages/{alexs['message']}").json
    count = besieged.target.get(f"/v1.0/users/{ALEX}/mailFolders/sentitems").json["totalItemCount"]
    answer = besieged.target.wire.request(method, box + rest.format_map(known), headers, data)
    assert (answer.status, answer.json["error"]["code"]) == (404, "ErrorItemNotFound"), answer.body
    assert b"confidential" not in answer.body
    assert besieged.target.get(f"/v1.0/users/{ALEX}/messages/{alexs['message']}").json == before
    assert besieged.target.get(f"/v1.0/users/{ALEX}/mailFolders/sentitems").json["totalItemCount"] == count


@pytest.fixture(scope="session")
def adeles(besieged: Besieged) -> str:
    """A draft of Adele's."""
    made = besieged.target.post("/v1.0/me/messages", {"subject": "own"}, "user-with-everything")
    assert made.status == 201, made.body
    return str(made.json["id"])
