"""What Graphpost sends by itself, as a real Postfix asks for it and takes it."""

from __future__ import annotations

import contextlib
import smtplib
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.client import ADELE, Client, eventually
from tests.peers.world import BOB, graphpost, needs_postfix, route, settings

from graphpost.testing.ports import free_port
from graphpost.testing.postfix import Postfix
from graphpost.testing.server import ServerThread

pytestmark = [needs_postfix, pytest.mark.slow, pytest.mark.timeout(300)]
AWAY = {"status": "alwaysEnabled", "externalAudience": "all", "externalReplyMessage": "Back on Monday"}


class Post:
    """Adele at Graphpost, Bob at Postfix."""

    def __init__(self, client: Client, postfix: Postfix, server: ServerThread) -> None:
        self.client, self.postfix, self.server = client, postfix, server

    def write(self, *options: str, **fields: str) -> None:
        """Bob writes to Adele."""
        message = EmailMessage()
        message["From"], message["To"], message["Message-ID"] = BOB, ADELE, "<bobs@far.test>"
        message["Subject"] = "Lunch"
        for name, value in fields.items():
            message[name.replace("_", "-")] = value
        message.set_content("Soup?\n")
        with smtplib.SMTP("127.0.0.1", self.postfix.port) as smtp:
            smtp.send_message(message, BOB, ADELE, ["ENVID=bobs+2Bid"], options)

    def received(self) -> EmailMessage:
        """What Bob gets."""
        (mail,) = self.postfix.wait_for_mail(BOB)
        return message_from_bytes(mail, policy=policy.default)  # type: ignore[return-value]


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    data, inbound = tmp_path / "data", free_port()
    ways = f"inline:{{ {{ example.test = smtp:[127.0.0.1]:{inbound} }} }}"
    with contextlib.ExitStack() as stack:
        postfix = stack.enter_context(Postfix(users=[BOB], transport_maps=ways))
        file = settings(data, route(postfix.port), f"[inbound]\nport = {inbound}")
        client, server = stack.enter_context(graphpost(data, file))
        yield Post(client, postfix, server)


def test_a_success_that_postfix_asks_for_is_reported(post: Post) -> None:
    post.write("NOTIFY=SUCCESS", "ORCPT=rfc822;adele+40there.test")
    report = post.received()
    assert report.get_param("report-type") == "delivery-status"
    _, status, _ = report.iter_parts()
    whole, recipient = status.get_payload()  # type: ignore[misc]
    assert whole["Original-Envelope-Id"] == "bobs+id"
    assert recipient["Original-Recipient"] == "rfc822; adele@there.test"
    assert recipient["Action"] == "delivered"
    post.postfix.wait_for_log("from=<>")


def test_a_receipt_comes_to_who_asked_when_the_message_is_read(post: Post) -> None:
    post.write(Disposition_Notification_To=BOB)
    post.server.output.wait_for("filed .*mailbox=adele@example.test")
    (arrived,) = post.client.folder("inbox")
    changed = post.client.graph("PATCH", f"/users/{ADELE}/messages/{arrived['id']}", {"isRead": True})
    assert changed.status == 200
    receipt = post.received()
    assert receipt.get_param("report-type") == "disposition-notification"
    assert receipt["Subject"] == "Read: Lunch"
    assert "Original-Message-ID: <bobs@far.test>" in receipt.as_string()


def test_an_automatic_reply_comes_once(post: Post) -> None:
    path = f"/users/{ADELE}/mailboxSettings"
    assert post.client.graph("PATCH", path, {"automaticRepliesSetting": AWAY}).status == 200
    for _ in range(2):
        before = post.server.output.mark()
        post.write()
        post.server.output.wait_for("filed .*mailbox=adele@example.test", before)
    reply = post.received()
    assert reply["Subject"] == "Automatic reply: Lunch"
    assert reply["Auto-Submitted"] == "auto-replied"
    assert reply["In-Reply-To"] == "<bobs@far.test>"
    assert "Back on Monday" in reply.as_string()
    eventually(lambda: post.client.administer("/admin/queue?state=queued")["value"] == [])
    assert len(post.postfix.mailbox(BOB)) == 1
