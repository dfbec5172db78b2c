"""The administration over HTTP, on a real store: who may, what it answers, and what wrong requests get."""

from typing import Any

import msgspec
import pytest

from graphpost.admin.http import AdminApi, Answer
from graphpost.admin.operations import Operations
from graphpost.clock import SECOND
from graphpost.mail.mailbox import Mailbox
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Delivery, Recipient, Saying

TOKEN = "secret-token"
NOW = 1_700_000_000 * SECOND
ADELE = Mailbox(mailbox_id=21, object_id="00000000-0000-0000-0000-000000000021", address="Adele@a.test")
MESSAGE = 0x1234567890ABCDEF >> 4
QUEUE_ID = f"{MESSAGE:016x}"


def delivery(**changes: Any) -> Delivery:
    return msgspec.structs.replace(
        Delivery(
            mailbox_id=ADELE.mailbox_id,
            message_id=MESSAGE,
            position=0,
            destination="smtp://relay:25",
            due_at=NOW + 60 * SECOND,
            created_at=NOW - 10 * SECOND,
            expires_at=NOW + 3600 * SECOND,
            sender="Adele@a.test",
            subject="Hello",
            recipients=(
                Recipient("b@b.test", "deferred", Saying(451, "4.7.1", "Greylisted", "mx.b.test"), NOW),
            ),
        ),
        **changes,
    )


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "tökén"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/metrics"), ("GET", "/admin/nowhere"), *Operations.ROUTES.values()],
)
def test_nothing_but_health_is_for_others_than_the_administrator(
    admin: Any, method: str, path: str, token: str
) -> None:
    status, body = admin.ask(method, path, token=token)
    assert (status, body["error"]["message"]) == (401, "the administrator's token is needed")


def test_health_is_for_everybody(admin: Any) -> None:
    assert admin.ask("GET", "/healthz", token="") == (200, "ok\n")
    assert admin.ask("GET", "/readyz", token="") == (200, "ready\n")
    assert admin.ask("POST", "/healthz", token="")[0] == 405


def test_ready_says_why_not(admin: Any) -> None:
    admin.reason = "stopping"
    assert admin.ask("GET", "/readyz", token="") == (503, "stopping\n")
    assert admin.ask("GET", "/healthz", token="")[0] == 200


def test_a_store_that_does_not_answer_is_not_ready(admin: Any) -> None:
    async def after_closing(api: AdminApi) -> list[Answer]:
        await admin.store.close()
        token = {"authorization": f"Bearer {TOKEN}"}
        return [
            await api.handle("GET", path, "", token, b"") for path in ("/readyz", "/healthz", "/admin/queue")
        ]

    ready, health, queue = admin.run(after_closing)
    assert (ready[0], ready[2]) == (503, b"the store does not answer\n")
    assert health[0] == 200
    assert queue[0] == 503


def test_metrics_show_the_queue_as_it_is(admin: Any) -> None:
    status, text = admin.ask("GET", "/metrics", None, delivery())
    assert status == 200
    assert "graphpost_queue_depth 1.0" in text
    assert "graphpost_queue_oldest_seconds 10.0" in text


def test_the_queue_lists_messages_with_the_last_reply_in_full(admin: Any) -> None:
    status, found = admin.ask("GET", "/admin/queue?state=queued&limit=5", None, delivery())
    assert status == 200
    (entry,) = found["value"]
    assert (entry["id"], entry["mailbox"], entry["state"], entry["due"]) == (
        QUEUE_ID,
        "Adele@a.test",
        "queued",
        "2023-11-14T22:14:20Z",
    )
    assert entry["recipients"] == [
        {
            "address": "b@b.test",
            "state": "deferred",
            "at": "2023-11-14T22:13:20Z",
            "reply": {"code": 451, "status": "4.7.1", "text": "Greylisted", "host": "mx.b.test"},
            "earlier": [],
            "reported": None,
        }
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 1), ("state=done", 0), ("mailbox=adele@A.test", 1), (f"mailbox={ADELE.object_id}", 1)],
)
def test_the_queue_is_narrowed_by_state_and_mailbox(admin: Any, query: str, count: int) -> None:
    assert len(admin.ask("GET", f"/admin/queue?{query}", None, delivery())[1]["value"]) == count


def test_a_message_is_shown_with_all_its_deliveries(admin: Any) -> None:
    done = delivery(position=1, state=deliveries.DONE, recipients=(Recipient("c@c.test", "delivered"),))
    status, found = admin.ask("GET", f"/admin/queue/{QUEUE_ID}", None, delivery(), done)
    assert status == 200
    assert found["state"] == "queued"
    assert [r["state"] for r in found["recipients"]] == ["deferred", "delivered"]


def test_retrying_makes_a_message_due_and_tells_the_server(admin: Any) -> None:
    status, found = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/retry", None, delivery())
    assert status == 200
    assert found["deliveries"][0]["due"] == "2023-11-14T22:13:20Z"
    assert admin.told == ["queue"]


def test_cancelling_gives_up_what_is_waiting(admin: Any) -> None:
    status, found = admin.ask("POST", f"/admin/queue/{QUEUE_ID}/cancel", None, delivery())
    assert (status, found["state"]) == (200, "done")
    assert found["recipients"][0]["state"] == "cancelled"
    assert admin.ask("POST", f"/admin/queue/{QUEUE_ID}/cancel")[0] == 409
    assert admin.ask("POST", f"/admin/queue/{QUEUE_ID}/retry")[0] == 409


def test_a_new_mailbox_can_be_signed_in_to_and_shows_no_password(admin: Any) -> None:
    body = {"address": "new@a.test", "aliases": ["n@a.test"], "password": "open sesame"}
    status, found = admin.ask("POST", "/admin/mailboxes", body)
    assert (status, found["address"], found["name"], found["aliases"]) == (
        200,
        "new@a.test",
        "new",
        ["n@a.test"],
    )
    assert "open sesame" not in str(found)
    assert admin.told == ["accounts"]
    assert [box["address"] for box in admin.ask("GET", "/admin/mailboxes")[1]] == [
        "Adele@a.test",
        "new@a.test",
    ]


def test_a_mailbox_is_disabled_and_enabled(admin: Any) -> None:
    assert admin.ask("PATCH", "/admin/mailboxes/adele%40a.test", {"enabled": False})[1]["enabled"] is False
    assert admin.ask("GET", "/admin/mailboxes")[1][0]["enabled"] is False
    assert admin.ask("PATCH", "/admin/mailboxes/adele@a.test", {"enabled": True})[1]["enabled"] is True


@pytest.mark.parametrize("key", ["application_permissions", "delegated_permissions"])
def test_an_application_has_no_permission_that_there_is_not(admin: Any, key: str) -> None:
    status, body = admin.ask("POST", "/admin/applications", {"name": "Invoices", key: ["Mail.Sned"]})
    assert (status, body["error"]["message"]) == (
        400,
        f"{key}: 'Mail.Sned' is no permission that Graphpost knows; did you mean Mail.Send?",
    )
    assert admin.ask("GET", "/admin/applications") == (200, [])


def test_a_confidential_application_gets_a_secret_once(admin: Any) -> None:
    body = {"name": "Invoices", "application_permissions": ["Mail.Send"], "mailbox_scope": ["adele@a.test"]}
    status, added = admin.ask("POST", "/admin/applications", body)
    assert status == 200
    assert added["secret"]
    (listed,) = admin.ask("GET", "/admin/applications")[1]
    assert "secret" not in listed
    assert added["secret"] not in str(listed)
    assert listed["application_permissions"] == ["Mail.Send"]
    assert len(listed["credentials"]) == 1
    second = admin.ask("POST", f"/admin/applications/{added['client_id'].upper()}/secrets")[1]["secret"]
    assert second not in ("", added["secret"])
    assert len(admin.ask("GET", "/admin/applications")[1][0]["credentials"]) == 2


def test_a_public_application_gets_no_secret(admin: Any) -> None:
    assert "secret" not in admin.ask("POST", "/admin/applications", {"name": "Phone", "public": True})[1]


GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
WRONG: list[tuple[str, str, object, int, str]] = [
    ("GET", "/admin/nowhere", None, 404, "there is no /admin/nowhere"),
    ("DELETE", "/admin/queue", None, 405, "only GET"),
    ("PUT", "/admin/mailboxes", None, 405, "only GET, POST"),
    ("GET", "/admin/queue?state=lost", None, 400, "lost"),
    ("GET", "/admin/queue?limit=many", None, 400, "limit"),
    ("GET", "/admin/queue?colour=red", None, 400, "colour"),
    ("GET", "/admin/queue?mailbox=no@a.test", None, 404, "there is no mailbox no@a.test"),
    ("GET", "/admin/queue/1", None, 404, "there is no message '1'"),
    ("GET", "/admin/queue/ffffffffffffffff", None, 404, "there is no message"),
    ("GET", "/admin/queue/0000000000000000", None, 404, "there is no message"),
    ("GET", "/admin/queue/zzzzzzzzzzzzzzzz", None, 404, "there is no message"),
    ("POST", "/admin/queue/0000000000000001/retry", None, 404, "there is no message"),
    ("POST", "/admin/mailboxes", b"{", 400, "truncated"),
    (
        "POST",
        "/admin/mailboxes",
        {"address": "a@b.test", "quota_bytes": 2**63},
        400,
        "quota_bytes: is too large",
    ),
    ("POST", "/admin/mailboxes", b"[]", 400, "Expected `object`"),
    ("POST", "/admin/mailboxes", b'{"a":' * 3000, 400, "recursion"),
    ("POST", "/admin/mailboxes", b"\xff", 400, ""),
    ("POST", "/admin/mailboxes", {}, 400, "address"),
    ("POST", "/admin/mailboxes", {"address": 1}, 400, "Expected `str`"),
    ("POST", "/admin/mailboxes", {"address": "nobody"}, 400, "not an e-mail address"),
    ("POST", "/admin/mailboxes", {"address": "a@b.test\r\nx"}, 400, "not an e-mail address"),
    ("POST", "/admin/mailboxes", {"address": "ADELE@a.test"}, 400, "belongs to another mailbox"),
    ("POST", "/admin/mailboxes", {"address": "x@a.test", "colour": 1}, 400, "colour"),
    ("PATCH", "/admin/mailboxes/no@a.test", {"enabled": False}, 404, "there is no mailbox"),
    ("POST", "/admin/applications", {"name": "x", "client_id": "y"}, 400, "not a GUID"),
    ("POST", "/admin/applications", {"name": "x", "redirect_uris": ["javascript:1"]}, 400, "redirect"),
    ("POST", "/admin/applications", {"name": "x", "spa_redirect_uris": ["a://b"]}, 400, "spa_redirect_uris"),
    ("POST", f"/admin/applications/{GUID}/secrets", None, 404, "there is no application"),
]


@pytest.mark.parametrize(("method", "target", "body", "status", "message"), WRONG, ids=lambda v: str(v)[:50])
def test_a_wrong_request_is_refused_with_a_reason(
    admin: Any, method: str, target: str, body: object, status: int, message: str
) -> None:
    answered, found = admin.ask(method, target, body)
    assert answered == status
    assert message in found["error"]["message"]
    assert admin.told == []


def test_the_end_of_time_is_a_time(admin: Any) -> None:
    end = "9999-12-31T23:59:59Z"
    assert admin.ask("GET", f"/admin/audit?since={end}&until={end}")[0] == 200


def test_an_application_is_not_added_twice(admin: Any) -> None:
    body = {"name": "x", "client_id": GUID}
    assert admin.ask("POST", "/admin/applications", body)[0] == 200
    assert admin.ask("POST", "/admin/applications", body)[0] == 409


def test_metrics_are_there_while_the_store_is_not(admin: Any) -> None:
    async def look(api: AdminApi) -> Answer:
        await admin.store.close()
        return await api.handle("GET", "/metrics", "", {"authorization": f"Bearer {TOKEN}"}, b"")

    status, _, text = admin.run(look)
    assert status == 200
    assert b"graphpost_accepted_total 0.0" in text
    assert b"graphpost_queue_depth NaN" in text
