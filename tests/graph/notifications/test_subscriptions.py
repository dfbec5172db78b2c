"""Subscriptions over the wire: made, validated, shown to their owners alone, told of changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.notifications.hall import ADELE, ALEX, Hall, later, open_hall
from tests.notifications.receiver import Receiver, Say

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with open_hall(tmp_path_factory.mktemp("hall")) as opened:
        yield opened


@pytest.fixture
def receiver(hall: Hall) -> Iterator[Receiver]:
    """Whatever was subscribed to is given up afterwards."""
    with Receiver() as made:
        yield made
    for who in ("adele", "alex", "app"):
        for each in hall.ask("GET", "/subscriptions", who=who).json["value"]:
            assert hall.ask("DELETE", f"/subscriptions/{each['id']}", who=who).status == 204


def subscribed(hall: Hall, receiver: Receiver, **given: Any) -> dict[str, Any]:
    answer = hall.subscribe(receiver.url(), **given)
    assert answer.status == 201, answer
    made = answer.json
    assert isinstance(made, dict)
    return made


def told(receiver: Receiver, count: int) -> list[tuple[str, str]]:
    """Change and id of so many notifications."""
    return [(each["changeType"], each["resourceData"]["id"]) for each in receiver.wait_for(count)]


# Making


def test_a_subscription_is_made_once_its_receiver_has_said_the_token_back(
    hall: Hall, receiver: Receiver
) -> None:
    end = later(hours=3)
    answer = hall.subscribe(
        receiver.url("/a?b=c"), expirationDateTime=end, resource="/me/mailFolders('Inbox')/messages"
    )
    made = answer.json
    assert answer.status == 201
    assert made == {
        "@odata.context": f"{hall.url}/v1.0/$metadata#subscriptions/$entity",
        "id": made["id"],
        "resource": "/me/mailFolders('Inbox')/messages",
        "applicationId": hall.environ["CLIENT_ID"],
        "changeType": "created,updated,deleted",
        "clientState": "secret-state",
        "notificationUrl": receiver.url("/a?b=c"),
        "notificationQueryOptions": None,
        "lifecycleNotificationUrl": None,
        "expirationDateTime": end,
        "creatorId": hall.ask("GET", "/me").json["id"],
        "includeResourceData": None,
        "latestSupportedTlsVersion": "v1_2",
        "encryptionCertificate": None,
        "encryptionCertificateId": None,
        "notificationUrlAppId": None,
    }
    assert answer.headers["location"] == f"{hall.url}/v1.0/subscriptions('{made['id']}')"
    assert [(taken.path, sorted(taken.query)) for taken in receiver.requests] == [
        ("/a", ["b", "validationToken"])
    ]


def test_both_urls_are_asked(hall: Hall, receiver: Receiver) -> None:
    subscribed(hall, receiver, lifecycleNotificationUrl=receiver.url("/life"))
    assert [taken.path for taken in receiver.requests] == ["/hook", "/life"]
    receiver.behave = lambda taken: Say(
        404 if taken.path == "/life" else 200, taken.query["validationToken"][0].encode(), "text/plain"
    )
    answer = hall.subscribe(receiver.url(), lifecycleNotificationUrl=receiver.url("/life"))
    assert answer.error == (
        400,
        "InvalidRequest",
        "Subscription validation request failed. HTTP status code is 'NotFound'. "
        "Notification endpoint must respond with 200 OK to validation request.",
    )
    assert len(hall.ask("GET", "/subscriptions").json["value"]) == 1


@pytest.mark.parametrize(
    "resource",
    [
        "me/messages",
        "/me/messages",
        "/me/messages/",
        "v1.0/me/messages",
        "/beta/me/messages",
        "ME/Messages",
        "users/{id}/messages",
        "Users('{id}')/messages",
        "users/{address}/messages",
        "users('{address}')/Messages",
        "me/mailFolders('inbox')/messages",
        "me/mailfolders/Inbox/messages",
        "me/mailFolders/{folder}/messages",
        "users/{id}/mailFolders('{folder}')/messages",
        "me/mailFolders('msgfolderroot')/childFolders('{folder}')/messages",
        "me/messages?$select=subject,from",
        "me/messages?$filter=isRead eq false",
        "me/messages?%24filter=isRead%20eq%20false",
        "me/messages?$filter=isRead+eq+false&$select=id",
        "me/mailFolders('Inbox')/messages?$filter=hasAttachments eq true AND importance eq 'High'",
        "me/messages?$filter=contains(body/content,'x') and isRead eq true",
        "me/messages?$filter=receivedDateTime ge 2026-01-01T00:00:00+02:00",
    ],
)
def test_the_messages_of_a_mailbox_or_folder_are_named_as_in_requests(
    hall: Hall, receiver: Receiver, resource: str
) -> None:
    named = {
        "{id}": hall.ask("GET", "/me").json["id"],
        "{address}": ADELE,
        "{folder}": hall.ask("GET", "/me/mailFolders/inbox").json["id"],
    }
    for name, value in named.items():
        resource = resource.replace(name, value)
    assert subscribed(hall, receiver, resource=resource)["resource"] == resource


@pytest.mark.parametrize(
    ("resource", "status", "code"),
    [
        ("me", 400, "InvalidRequest"),
        ("messages", 400, "InvalidRequest"),
        ("/", 400, "InvalidRequest"),
        ("me/events", 400, "InvalidRequest"),
        ("me/mailFolders", 400, "InvalidRequest"),
        ("me/mailFolders/inbox", 400, "InvalidRequest"),
        ("me/mailFolders/messages", 400, "InvalidRequest"),
        ("me/childFolders('inbox')/messages", 400, "InvalidRequest"),
        ("me/messages/AAMk", 400, "InvalidRequest"),
        ("me/messages('AAMk')", 400, "InvalidRequest"),
        ("users", 400, "InvalidRequest"),
        ("users/me/messages", 400, "InvalidRequest"),
        ("users//messages", 400, "InvalidRequest"),
        ("../me/messages", 400, "InvalidRequest"),
        ("https://graph.microsoft.com/v1.0/me/messages", 400, "InvalidRequest"),
        ("me/messages?$orderby=subject", 400, "InvalidRequest"),
        ("me/messages?$top=1", 400, "InvalidRequest"),
        ("me/messages?$select=nothing", 400, "InvalidRequest"),
        ("me/messages?$filter=", 201, ""),
        ("me/messages?$filter=isRead eq", 400, "InvalidRequest"),
        ("me/messages?$filter=nothing eq 1", 400, "BadRequest"),
        ("me/messages?$filter=webLink eq 'x'", 400, "ErrorInvalidUrlQueryFilter"),
        ("me/mailFolders('nonsense')/messages", 400, "ErrorInvalidIdMalformed"),
        ("users/alex@example.test/messages", 403, "ErrorAccessDenied"),
        ("users/nobody@example.test/messages", 404, "ErrorInvalidUser"),
        ("x" * 5000, 400, "InvalidRequest"),
    ],
)
def test_what_is_nobodys_messages_cannot_be_subscribed_to(
    hall: Hall, receiver: Receiver, resource: str, status: int, code: str
) -> None:
    answer = hall.subscribe(receiver.url(), resource=resource)
    assert answer.status == status, answer
    if code:
        assert answer.error[1] == code
        assert receiver.requests == []


def test_a_folder_that_is_gone_cannot_be_subscribed_to(hall: Hall, receiver: Receiver) -> None:
    folder = hall.ask("POST", "/me/mailFolders", {"displayName": "Gone"}).json["id"]
    assert hall.ask("POST", f"/me/mailFolders/{folder}/permanentDelete").status == 204
    answer = hall.subscribe(receiver.url(), resource=f"me/mailFolders('{folder}')/messages")
    assert answer.error[:2] == (404, "ErrorItemNotFound")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"changeType": None}, "changeType is a required property"),
        ({"notificationUrl": None}, "notificationUrl is a required property"),
        ({"resource": None}, "resource is a required property"),
        ({"expirationDateTime": None}, "expirationDateTime is a required property"),
        ({"changeType": "created,moved"}, "Invalid 'changeType' attribute: 'created,moved'."),
        ({"changeType": ","}, "Invalid 'changeType' attribute"),
        ({"clientState": "x" * 129}, "128 characters"),
        ({"expirationDateTime": "2020-01-01T00:00:00Z"}, "must be in the future"),
        ({"expirationDateTime": later(minutes=43_200)}, "can only be 10080 minutes in the future."),
        ({"expirationDateTime": "soon"}, "Cannot convert the literal 'soon'"),
        ({"expirationDateTime": 5}, "PrimitiveValue"),
        ({"expirationDateTime": {}}, "expirationDateTime"),
        ({"includeResourceData": True}, "includeResourceData"),
        ({"encryptionCertificate": "MII"}, "includeResourceData"),
        ({"latestSupportedTlsVersion": "v1_0"}, "v1_0"),
        ({"notificationUrl": "http://hooks.test/x y"}, "not a valid HTTPS URL"),
        ({"notificationUrl": "ftp://hooks.test/"}, "not a valid HTTPS URL"),
        ({"notificationUrl": 7}, "Edm.String"),
        ({"notificationUrl": ["https://hooks.test/"]}, "PrimitiveValue"),
    ],
)
def test_a_wrong_body_is_refused(hall: Hall, receiver: Receiver, given: dict[str, Any], words: str) -> None:
    answer = hall.subscribe(**{"url": receiver.url(), **given})
    status, _, message = answer.error
    assert status == 400
    assert words in message
    assert receiver.requests == []
    assert hall.ask("GET", "/subscriptions").json["value"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{", 400), (b"null", 400), (b'"x"', 400), (b"{}", 400)],
)
def test_what_is_no_object_is_refused(hall: Hall, body: bytes, status: int) -> None:
    wire = hall.wire()
    fields = {"Authorization": f"Bearer {hall.token('adele')}", "Content-Type": "application/json"}
    assert wire.request("POST", "/v1.0/subscriptions", fields, body).status == status
    wire.close()


def test_a_short_life_is_made_longer_and_names_are_read_in_any_case(hall: Hall, receiver: Receiver) -> None:
    body = {
        "ChangeType": "Updated, Created",
        "NotificationUrl": receiver.url(),
        "Resource": "me/messages",
        "ExpirationDateTime": later(minutes=1),
        "LatestSupportedTlsVersion": "V1_3",
        "@odata.type": "#microsoft.graph.subscription",
    }
    answer = hall.ask("POST", "/subscriptions", body)
    assert answer.status == 201, answer
    made = answer.json
    assert (made["changeType"], made["latestSupportedTlsVersion"], made["clientState"]) == (
        "created,updated",
        "v1_3",
        None,
    )
    assert later(minutes=40) < made["expirationDateTime"] < later(minutes=46)


# Reading and changing


def test_only_their_owner_sees_them(hall: Hall, receiver: Receiver) -> None:
    made = subscribed(hall, receiver)
    path = f"/subscriptions/{made['id']}"
    shown = {**made, "clientState": None}
    assert hall.ask("GET", path).json == shown
    assert hall.ask("GET", f"/subscriptions('{made['id'].upper()}')").json == shown
    [listed] = hall.ask("GET", "/subscriptions").json["value"]
    assert {"@odata.context": shown["@odata.context"], **listed} == shown
    for who in ("alex", "app"):
        assert hall.ask("GET", "/subscriptions", who=who).json["value"] == []
        assert hall.ask("GET", path, who=who).error == (404, "ResourceNotFound", "The object was not found.")
        renewal = {"expirationDateTime": later(hours=1)}
        assert hall.ask("PATCH", path, renewal, who).status == 404
        assert hall.ask("DELETE", path, who=who).status == 404
        assert hall.ask("POST", f"{path}/reauthorize", who=who).status == 404
    assert hall.ask("GET", path).json == shown


def test_an_application_subscribes_by_itself_to_any_mailbox(hall: Hall, receiver: Receiver) -> None:
    assert hall.subscribe(receiver.url(), "app").error[:2] == (400, "BadRequest")
    answer = hall.subscribe(receiver.url(), "app", resource=f"users/{ALEX}/messages")
    assert answer.status == 201
    draft = hall.draft(who="alex")
    assert told(receiver, 1) == [("created", draft["id"])]


def test_a_renewal_moves_the_end(hall: Hall, receiver: Receiver) -> None:
    made = subscribed(hall, receiver)
    path, end = f"/subscriptions/{made['id']}", later(hours=5)
    answer = hall.ask("PATCH", path, {"expirationDateTime": end})
    assert (answer.status, answer.json) == (200, {**made, "clientState": None, "expirationDateTime": end})
    assert len(receiver.requests) == 1
    assert hall.ask("POST", f"{path}/reauthorize").status == 204
    assert hall.ask("POST", f"{path}/microsoft.graph.reauthorize").status == 204
    assert hall.ask("GET", path).json["expirationDateTime"] == end


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"resource": "me/events"},
        {"expirationDateTime": "2020-01-01T00:00:00Z"},
        {"expirationDateTime": later(days=8)},
        {"notificationUrl": "gopher://x/"},
    ],
)
def test_a_wrong_renewal_changes_nothing(hall: Hall, receiver: Receiver, given: dict[str, Any]) -> None:
    made = subscribed(hall, receiver)
    path = f"/subscriptions/{made['id']}"
    assert hall.ask("PATCH", path, given).status == 400
    assert hall.ask("GET", path).json == {**made, "clientState": None}


def test_another_url_is_asked_and_then_told(hall: Hall, receiver: Receiver) -> None:
    made = subscribed(hall, receiver)
    path = f"/subscriptions/{made['id']}"
    refused = hall.ask(
        "PATCH", path, {"notificationUrl": receiver.url("/new").replace("localhost", "10.0.0.1")}
    )
    assert refused.error[:2] == (400, "InvalidRequest")
    answer = hall.ask("PATCH", path, {"notificationUrl": receiver.url("/new")})
    assert (answer.status, answer.json["notificationUrl"]) == (200, receiver.url("/new"))
    hall.draft()
    receiver.wait_for(1)
    assert [taken.path for taken in receiver.requests] == ["/hook", "/new", "/new"]


def test_what_was_deleted_is_told_nothing_more(hall: Hall, receiver: Receiver) -> None:
    first, second = subscribed(hall, receiver), subscribed(hall, receiver, clientState="other")
    assert hall.ask("DELETE", f"/subscriptions/{first['id']}").status == 204
    assert hall.ask("DELETE", f"/subscriptions/{first['id']}").status == 404
    assert hall.ask("GET", f"/subscriptions/{first['id']}").status == 404
    hall.draft()
    [notification] = receiver.wait_for(1)
    assert notification["subscriptionId"] == second["id"]


def test_a_list_has_pages(hall: Hall, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphpost.graph.notifications import subscriptions

    monkeypatch.setattr(subscriptions, "PAGE", 2)
    made = sorted(subscribed(hall, receiver)["id"] for _ in range(5))
    found, path, pages = [], "/subscriptions", 0
    while path:
        answer = hall.ask("GET", path).json
        found += [each["id"] for each in answer["value"]]
        path, pages = answer.get("@odata.nextLink", "").removeprefix(f"{hall.url}/v1.0"), pages + 1
    assert (found, pages) == (made, 3)


@pytest.mark.parametrize("token", ["%00", "a%00", "x", "%F0%9F%98%80", "'--"])
def test_a_page_begins_behind_an_id_only(hall: Hall, token: str) -> None:
    answer = hall.ask("GET", f"/subscriptions?$skiptoken={token}")
    assert (answer.status, answer.json["error"]["code"]) == (400, "ErrorInvalidUrlQuery")


# Being told


def test_a_notification_has_what_graph_documents(hall: Hall, receiver: Receiver) -> None:
    made = subscribed(hall, receiver)
    draft = hall.draft()
    [notification] = receiver.wait_for(1)
    user = hall.ask("GET", "/me").json["id"]
    assert notification == {
        "subscriptionId": made["id"],
        "subscriptionExpirationDateTime": made["expirationDateTime"],
        "clientState": "secret-state",
        "tenantId": hall.environ["TENANT_ID"],
        "changeType": "created",
        "resource": f"Users/{user}/Messages/{draft['id']}",
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": f"Users/{user}/Messages/{draft['id']}",
            "@odata.etag": draft["@odata.etag"],
            "id": draft["id"],
        },
    }
    assert hall.ask("GET", f"/{notification['resource']}").json["id"] == draft["id"]
    taken = receiver.requests[-1]
    assert taken.headers["content-type"] == "application/json; charset=utf-8"


def test_what_happens_to_a_message_is_told_step_by_step(hall: Hall, receiver: Receiver) -> None:
    subscribed(hall, receiver)
    first = hall.draft()["id"]
    assert told(receiver, 1) == [("created", first)]
    hall.ask("PATCH", f"/me/messages/{first}", {"categories": ["Red"]})
    assert told(receiver, 2)[1:] == [("updated", first)]
    moved = hall.ask("POST", f"/me/messages/{first}/move", {"destinationId": "archive"}).json["id"]
    assert told(receiver, 4)[2:] == [("deleted", first), ("created", moved)]
    assert hall.ask("POST", f"/me/messages/{moved}/permanentDelete").status == 204
    assert told(receiver, 5)[4:] == [("deleted", moved)]
    assert "@odata.etag" not in receiver.notifications[-1]["resourceData"]


def test_immutable_ids_stay_and_a_move_is_an_update(hall: Hall, receiver: Receiver) -> None:
    subscribed(hall, receiver, headers=IMMUTABLE)
    draft = hall.draft()["id"]
    [(kind, kept)] = told(receiver, 1)
    assert (kind, kept != draft) == ("created", True)
    hall.ask("POST", f"/me/messages/{draft}/move", {"destinationId": "archive"})
    assert told(receiver, 2)[1:] == [("updated", kept)]
    assert hall.ask("POST", f"/me/messages/{kept}/permanentDelete").status == 204
    assert told(receiver, 3)[2:] == [("deleted", kept)]


def test_a_folder_tells_what_comes_and_goes(hall: Hall, receiver: Receiver) -> None:
    subscribed(hall, receiver, resource="me/mailFolders('archive')/messages")
    elsewhere = hall.draft()["id"]
    here = hall.draft(place="/me/mailFolders/archive/messages")["id"]
    assert told(receiver, 1) == [("created", here)]
    hall.ask("PATCH", f"/me/messages/{elsewhere}", {"isRead": False})
    moved = hall.ask("POST", f"/me/messages/{elsewhere}/move", {"destinationId": "archive"}).json["id"]
    assert told(receiver, 2)[1:] == [("created", moved)]
    hall.ask("DELETE", f"/me/messages/{moved}")
    assert told(receiver, 3)[2:] == [("deleted", moved)]


def test_mail_that_arrives_is_told(hall: Hall, receiver: Receiver) -> None:
    assert (
        hall.subscribe(
            receiver.url(), "alex", resource="me/mailFolders('inbox')/messages", changeType="created"
        ).status
        == 201
    )
    message = {
        "subject": "Arrived",
        "toRecipients": [{"emailAddress": {"address": ALEX}}],
        "body": {"contentType": "Text", "content": "x"},
    }
    assert hall.ask("POST", "/me/sendMail", {"message": message}).status == 202
    [notification] = receiver.wait_for(1)
    found = hall.ask("GET", f"/{notification['resource']}", who="alex").json
    assert found["subject"] == "Arrived"


def test_only_what_was_asked_for_is_told(hall: Hall, receiver: Receiver) -> None:
    subscribed(hall, receiver, changeType="deleted")
    first, second = hall.draft()["id"], hall.draft()["id"]
    hall.ask("PATCH", f"/me/messages/{first}", {"isRead": False})
    hall.ask("POST", f"/me/messages/{second}/permanentDelete")
    assert told(receiver, 1) == [("deleted", second)]


def test_a_filter_is_asked_when_the_change_is_told(hall: Hall, receiver: Receiver) -> None:
    subscribed(hall, receiver, resource="me/messages?$filter=importance eq 'high' and isRead eq true")
    hall.draft()
    high = hall.draft(importance="high")["id"]
    assert told(receiver, 1) == [("created", high)]
    hall.ask("PATCH", f"/me/messages/{high}", {"isRead": False})
    hall.ask("PATCH", f"/me/messages/{high}", {"isRead": True, "categories": ["Red"]})
    assert ("updated", high) in told(receiver, 2)[1:]


def test_a_filter_may_look_into_messages(hall: Hall, receiver: Receiver) -> None:
    wanted = "contains(body/content,'soup') or toRecipients/any(r:r/emailAddress/address eq 'zoe@one.test')"
    subscribed(hall, receiver, resource=f"me/messages?$filter=isRead eq true and ({wanted})")
    hall.draft()
    found = [
        hall.draft(body={"contentType": "Text", "content": "soup today"})["id"],
        hall.draft(toRecipients=[{"emailAddress": {"address": "zoe@one.test"}}])["id"],
    ]
    assert [key for _, key in told(receiver, 2)] == found


def test_what_one_url_gets_goes_in_one_request(hall: Hall, receiver: Receiver) -> None:
    states = {f"state-{number}" for number in range(5)}
    for state in states:
        subscribed(hall, receiver, clientState=state)
    hall.draft()
    assert {each["clientState"] for each in receiver.wait_for(5)} == states
    assert len([taken for taken in receiver.requests if taken.body]) <= 2


def test_a_mailbox_has_room_for_so_many(tmp_path_factory: pytest.TempPathFactory) -> None:
    flags = {"notifications__subscriptions_per_mailbox": 2}
    with open_hall(tmp_path_factory.mktemp("small"), **flags) as hall, Receiver() as receiver:
        for _ in range(2):
            assert hall.subscribe(receiver.url()).status == 201
        refused = hall.subscribe(receiver.url(), "app", resource=f"users/{ADELE}/messages")
        assert refused.error[:2] == (403, "ExtensionError")
        assert len(receiver.requests) == 2
        assert hall.subscribe(receiver.url(), "alex").status == 201


def test_a_token_without_permission_subscribes_to_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The embedded application's own, once it may read mail no more."""
    from msgspec.structs import replace

    def narrow(config: Any) -> Any:
        (application,) = config.applications
        return replace(config, applications=[replace(application, delegated_permissions=["Mail.Send"])])

    with open_hall(tmp_path_factory.mktemp("narrow"), change=narrow) as hall, Receiver() as receiver:
        assert hall.subscribe(receiver.url()).error[:2] == (403, "ErrorAccessDenied")
        assert hall.ask("GET", "/subscriptions").error[:2] == (403, "ErrorAccessDenied")
        assert receiver.requests == []
