"""Commands that go through a running server, over its own TLS."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graphpost.admin.banner import command_line
from graphpost.clock import from_datetime
from graphpost.store.queue import deliveries
from graphpost.store.queue.deliveries import Recipient, Saying


def test_administration_goes_through_the_running_server(graphpost: Any, server: Any) -> None:
    graphpost("mailbox", "add", "a+b/c@b.test")
    assert graphpost("mailbox", "disable", "a+b/c@b.test")[1] == "a+b/c@b.test disabled\n"
    assert ("PATCH", "/admin/mailboxes/a%2Bb%2Fc%40b.test") in [entry[:2] for entry in server.requests]
    assert len(graphpost.json("mailbox", "list")) == 3


def test_a_refusal_of_the_server_is_one_line(graphpost: Any, server: Any) -> None:
    assert graphpost("queue", "show", "1") == (1, "", "graphpost: there is no message '1' in the queue\n")


def test_env_tells_where_the_server_really_listens(graphpost: Any, server: Any) -> None:
    port = graphpost("env")[1].splitlines()[0].rpartition(":")[2]
    assert port != "8443"


def test_token_asks_the_issuer_as_the_application(graphpost: Any, server: Any) -> None:
    assert graphpost("token")[:2] == (0, "the-token\n")
    _, path, body = server.requests[0]
    assert path == f"/{server.config.tenant.id}/oauth2/v2.0/token"
    assert b"grant_type=client_credentials" in body
    assert b"scope=https%3A%2F%2Fgraph.microsoft.com%2F.default" in body


def test_token_asks_the_issuer_as_a_user(graphpost: Any, server: Any) -> None:
    assert graphpost("token", "--user", "Adele@example.test")[0] == 0
    assert b"grant_type=password&username=adele%40example.test" in server.requests[0][2]
    assert graphpost("token", "--user", "nobody@example.test")[0] == 2


def test_a_password_is_no_token_where_the_grant_is_off(
    graphpost: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHPOST_ISSUER_PASSWORD_GRANT", "false")
    status, _, err = graphpost("token", "--user", "adele@example.test")
    assert (status, err) == (
        2,
        "graphpost: issuer.password_grant: is off: nobody gets a token for a password\n",
    )


def sent(server: Any) -> Any:
    ((path, body),) = [(path, body) for _, path, body in server.requests if path.endswith("/sendMail")]
    assert path == "/v1.0/users/adele@example.test/sendMail"
    return json.loads(body)["message"]


def test_a_message_is_sent_and_followed_to_every_outcome(graphpost: Any, server: Any) -> None:
    server.outcome = (
        Recipient("b@b.test", "delivered", Saying(250, "2.0.0", "Ok", "mx.b.test"), 1),
        Recipient("c@c.test", "captured", Saying(250, "2.0.0", "captured"), 1),
    )
    status, out, err = graphpost(
        "send",
        "--to",
        "b@b.test",
        "--cc",
        "c@c.test",
        "--bcc",
        "d@d.test",
        "--subject",
        "Grüße",
        "--html",
        "<p>Hi</p>",
    )
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "Accepted as 00000000000000ff.",
        "delivered b@b.test  250 2.0.0 Ok (mx.b.test)",
        "captured  c@c.test  250 2.0.0 captured",
    ]
    message = sent(server)
    assert message["subject"] == "Grüße"
    assert message["body"] == {"contentType": "HTML", "content": "<p>Hi</p>"}
    assert [
        message[field][0]["emailAddress"]["address"]
        for field in ("toRecipients", "ccRecipients", "bccRecipients")
    ] == [
        "b@b.test",
        "c@c.test",
        "d@d.test",
    ]


def test_a_failed_recipient_makes_the_status_1(graphpost: Any, server: Any) -> None:
    server.outcome = (
        Recipient("b@b.test", "delivered", None, 1),
        Recipient("c@c.test", "failed", Saying(550, "5.1.1", "No\x1b[31m such user", "mx"), 1),
    )
    status, out, _ = graphpost("send", "--to", "b@b.test", "--to", "c@c.test", "--subject", "x", "text")
    assert status == 1
    assert out.splitlines()[-1] == "failed    c@c.test  550 5.1.1 No\ufffd[31m such user (mx)"


def test_attachments_keep_their_bytes_name_and_type(graphpost: Any, server: Any, tmp_path: Path) -> None:
    file = tmp_path / "naïve report.pdf"
    file.write_bytes(bytes(range(256)) * 2048)
    server.outcome = (Recipient("b@b.test", "delivered", None, 1),)
    status, _, err = graphpost("send", "--to", "b@b.test", "--subject", "x", "--attach", str(file), "text")
    assert status == 0
    assert "Sending" in err
    (attachment,) = sent(server)["attachments"]
    assert (attachment["name"], attachment["contentType"]) == ("naïve report.pdf", "application/pdf")
    import base64

    assert base64.b64decode(attachment["contentBytes"]) == file.read_bytes()


def test_graphs_refusal_is_told_with_its_code(graphpost: Any, server: Any) -> None:
    server.refusal = (403, {"error": {"code": "ErrorAccessDenied", "message": "Access is denied."}})
    status, _, err = graphpost("send", "--to", "b@b.test", "--subject", "x", "text")
    assert (status, err) == (1, "graphpost: 403 ErrorAccessDenied: Access is denied.\n")


def test_without_waiting_the_id_is_all(graphpost: Any, server: Any) -> None:
    server.outcome = (Recipient("b@b.test", "queued"),)
    arguments = ("--to", "b@b.test", "--subject", "x", "text")
    assert graphpost("send", *arguments, "--wait", "0")[:2] == (0, "Accepted as 00000000000000ff.\n")
    queue_id = "00000000000000ff"
    status, out, _ = graphpost("queue", "show", queue_id)
    assert status == 0
    assert "b@b.test" in out


def test_waiting_ends(graphpost: Any, server: Any) -> None:
    server.outcome = (Recipient("b@b.test", "deferred", Saying(451, "", "later"), 1),)
    status, out, _ = graphpost("send", "--to", "b@b.test", "--subject", "x", "text", "--wait", "0.01")
    assert status == 3
    assert "deferred  b@b.test  451 later" in out
    again = command_line(graphpost.data, "queue show 00000000000000ff")
    assert again.endswith(f" queue show 00000000000000ff --data {graphpost.data}")
    assert f"Still on its way; look again with: {again}\n" in out


def test_a_message_whose_next_attempt_is_later_is_not_waited_for(graphpost: Any, server: Any) -> None:
    """At once, and not after the minute that it would be followed."""
    due = from_datetime(datetime(2100, 1, 1, tzinfo=UTC))
    server.outcome = (Recipient("b@b.test", "deferred", Saying(451, "", "later"), 1),)
    server.delivery = {"state": deliveries.QUEUED, "attempts": 1, "due_at": due}
    status, out, _ = graphpost("send", "--to", "b@b.test", "--subject", "x", "text")
    assert status == 3
    assert out.splitlines()[1:] == [
        "deferred  b@b.test  451 later",
        "Deferred until 2100-01-01T00:00:00Z; look again with: "
        + command_line(graphpost.data, "queue show 00000000000000ff"),
    ]


def test_a_message_is_followed_to_the_end_when_that_is_wanted(graphpost: Any, server: Any) -> None:
    server.outcome = (Recipient("b@b.test", "failed", None, 1),)
    arguments = ("--to", "b@b.test", "--subject", "x", "text", "--wait", "0", "--to-the-end")
    assert graphpost("send", *arguments)[0] == 1


def test_the_body_comes_from_standard_input(
    graphpost: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    server.outcome = (Recipient("b@b.test", "delivered", None, 1),)
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    assert graphpost("send", "--to", "b@b.test", "--subject", "x", "-")[0] == 0
    assert sent(server)["body"] == {"contentType": "Text", "content": "one\ntwo\n"}
