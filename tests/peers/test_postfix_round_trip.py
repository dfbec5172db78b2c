"""Both ways between Graphpost and a real Postfix: mail, bounces, receipts, delays and replies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.client import ADELE, ALEX, Client, eventually
from tests.peers.world import BOB, graphpost, needs_postfix, route, send_mime, settings

from graphpost.testing.ports import free_port
from graphpost.testing.postfix import Postfix
from graphpost.testing.server import ServerThread
from graphpost.testing.smtp_peer import SmtpPeer

pytestmark = [needs_postfix, pytest.mark.slow, pytest.mark.timeout(300)]


class Post:
    """Adele and Alex at Graphpost, Bob at Postfix, and a way between them both ways."""

    def __init__(self, client: Client, postfix: Postfix, server: ServerThread) -> None:
        self.client, self.postfix, self.server = client, postfix, server

    def arrived(self, subject: str, mailbox: str = ADELE, naming: str = "") -> Any:
        """The one message with that subject in an Inbox, and that in its text, once it is there."""

        def found() -> list[Any]:
            return [each for each in self.found(subject, mailbox) if naming in each["body"]["content"]]

        eventually(lambda: bool(found()))
        (message,) = found()
        return message

    def found(self, subject: str, mailbox: str = ADELE) -> list[Any]:
        query = (
            "?$top=200&$select=subject,body,from,conversationId,internetMessageHeaders,internetMessageId,"
            "toRecipients,hasAttachments"
        )
        answer = self.client.graph("GET", f"/users/{mailbox}/mailFolders/inbox/messages{query}")
        assert answer.status == 200, answer.body
        return [each for each in answer.json()["value"] if each["subject"] == subject]

    def sent(self, subject: str) -> Any:
        """Adele's own copy."""
        query = "?$top=200&$select=subject,conversationId,internetMessageId,conversationIndex"
        answer = self.client.graph("GET", f"/users/{ADELE}/mailFolders/sentitems/messages{query}")
        (message,) = [each for each in answer.json()["value"] if each["subject"] == subject]
        return message

    def mime(self, message: Any, mailbox: str = ADELE) -> EmailMessage:
        answer = self.client.graph("GET", f"/users/{mailbox}/messages/{message['id']}/$value")
        assert answer.status == 200
        return message_from_bytes(answer.body, policy=policy.default)  # type: ignore[return-value]


def ways(inbound: int, nexthop: str, old: int = 25) -> dict[str, str]:
    """Postfix's settings: our domain goes to Graphpost, and what never works fails or waits."""
    return {
        "transport_maps": (
            f"inline:{{ {{ example.test = {nexthop}:{inbound} }}, {{ old.test = smtp:[127.0.0.1]:{old} }},"
            " { slow.test = retry:4.3.2 the road is closed }, { gone.test = error:5.1.2 there is no such place } }"
        ),
        "smtpd_reject_unlisted_recipient": "no",
        "virtual_alias_maps": "inline:{ round@far.test=adele@example.test }",
        "delay_warning_time": "1s",
        "minimal_backoff_time": "1s",
        "queue_run_delay": "1s",
    }


@pytest.fixture(scope="module", params=["smtp:[127.0.0.1]", "lmtp:inet:127.0.0.1"], ids=["smtp", "lmtp"])
def post(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    data, inbound = tmp_path_factory.mktemp("post") / "data", free_port()
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(SmtpPeer(extensions=["PIPELINING", "8BITMIME"]))
        postfix = stack.enter_context(Postfix(users=[BOB], **ways(inbound, request.param, old.port)))
        key = "port" if request.param.startswith("smtp") else "lmtp_port"
        more = f"[inbound]\n{key} = {inbound}"
        client, server = stack.enter_context(graphpost(data, settings(data, route(postfix.port), more)))
        yield Post(client, postfix, server)
        print(postfix.log, server.output.getvalue())


def test_a_message_arrives_and_its_answer_is_in_the_same_conversation(post: Post) -> None:
    assert post.client.outcome(post.client.send(BOB, subject="Lunch on Monday")) == {BOB: "delivered"}
    came = message_from_bytes(
        post.postfix.find_mail(BOB, b"Subject: Lunch on Monday\r\n"), policy=policy.default
    )
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Subject"] = BOB, ADELE, "Re: Lunch on Monday"
    answer["In-Reply-To"] = answer["References"] = came["Message-ID"]
    answer["Message-ID"] = "<answer@far.test>"
    answer.set_content("Soup again? Grüße\n.\n..\n")
    post.postfix.sendmail(BOB, answer.as_bytes(), ADELE)
    arrived = post.arrived("Re: Lunch on Monday")
    assert arrived["conversationId"] == post.sent("Lunch on Monday")["conversationId"]
    assert arrived["from"]["emailAddress"]["address"] == BOB
    mime = post.mime(arrived)
    assert mime.get_content().replace("\r\n", "\n") == "Soup again? Grüße\n.\n..\n"
    assert mime["Return-Path"] == f"<{BOB}>"
    assert len(mime.get_all("Received", [])) == 2  # Postfix's and ours


def test_the_answer_to_what_a_program_sent_as_mime_is_in_the_same_conversation(post: Post) -> None:
    message = f"From: {ADELE}\r\nTo: {BOB}\r\nSubject: Nightly run\r\nMessage-ID: <own@x>\r\n\r\nok\r\n"
    send_mime(post.client, message.encode())
    post.postfix.find_mail(BOB, b"Subject: Nightly run\r\n")
    answer = f"From: {BOB}\nTo: {ADELE}\nSubject: AW: Nightly run\nIn-Reply-To: <own@x>\n\nthanks\n"
    post.postfix.sendmail(BOB, answer.encode(), ADELE)
    arrived = post.arrived("AW: Nightly run")
    assert arrived["conversationId"] == post.sent("Nightly run")["conversationId"]


def test_a_bounce_of_postfix_comes_back_to_the_sender(post: Post) -> None:
    queue_id = post.client.send("nobody@far.test", subject="Is anybody there")
    assert post.client.outcome(queue_id) == {"nobody@far.test": "delivered"}
    report = post.arrived("Undelivered Mail Returned to Sender", naming="nobody@far.test")
    mime = post.mime(report)
    assert mime.get_content_type() == "multipart/report"
    assert b"5.1.1" in mime.as_bytes()
    assert post.sent("Is anybody there")["internetMessageId"] in mime.as_string()
    (recipient,) = post.client.message(queue_id)["recipients"]
    assert (recipient["reported"]["state"], recipient["reported"]["status"]) == ("bounced", "5.1.1")


def test_a_receipt_of_postfix_comes_back_when_it_was_asked_for(post: Post) -> None:
    queue_id = post.client.send(BOB, subject="Tell me", isDeliveryReceiptRequested=True)
    mime = post.mime(post.arrived("Successful Mail Delivery Report"))
    assert "Action: delivered" in mime.as_string()
    assert post.sent("Tell me")["internetMessageId"] in mime.as_string()
    (recipient,) = post.client.message(queue_id)["recipients"]
    assert recipient["reported"]["state"] == "delivered"


def test_a_delay_at_postfix_is_told_to_the_sender(post: Post) -> None:
    queue_id = post.client.send("carl@slow.test", subject="Slowly")
    mime = post.mime(post.arrived("Delayed Mail (still being retried)"))
    assert "Action: delayed" in mime.as_string()
    (recipient,) = post.client.message(queue_id)["recipients"]
    assert recipient["reported"]["state"] == "delayed"


def test_what_we_refuse_postfix_tells_its_own_sender(post: Post) -> None:
    message = b"From: bob@far.test\nSubject: to nobody\n\nhello\n"
    post.postfix.sendmail(BOB, message, "nobody@example.test")
    bounce = post.postfix.find_mail(BOB, b"Undelivered", b"Subject: to nobody")
    assert b"550 5.1.1" in bounce


def test_one_copy_for_two_and_a_refusal_for_the_third(post: Post) -> None:
    message = b"From: bob@far.test\nTo: adele@example.test\nSubject: to several\n\nhello\n"
    post.postfix.sendmail(BOB, message, ADELE, ALEX, "nobody@example.test")
    post.arrived("to several")
    post.arrived("to several", ALEX)
    bounce = post.postfix.find_mail(BOB, b"Undelivered", b"Subject: to several")
    assert b"nobody@example.test" in bounce
    assert b"<adele@example.test>:" not in bounce


def test_a_large_message_arrives_as_it_was(post: Post) -> None:
    lines = [f"{number:08} .Grüße aus Köln  \n" for number in range(300_000)]
    header = "From: bob@far.test\nTo: adele@example.test\nSubject: large\nMIME-Version: 1.0\n"
    header += "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    post.postfix.sendmail(BOB, (header + "".join(lines)).encode(), ADELE)
    body = post.mime(post.arrived("large")).get_content()
    assert body.replace("\r\n", "\n") == "".join(lines)


def test_addresses_that_are_not_ascii_arrive(post: Post) -> None:
    sender = "jürgen@far.test"
    message = f"From: {sender}\nTo: {ADELE}\nSubject: Grüße\nMIME-Version: 1.0\n\nhello\n".encode()
    post.postfix.sendmail(sender, message, ADELE)
    assert post.arrived("Grüße")["from"]["emailAddress"]["address"] == sender


def test_an_address_that_cannot_go_further_comes_back_as_an_international_report(post: Post) -> None:
    """RFC 6533: Postfix reports it with SMTPUTF8, in message/global-delivery-status."""
    queue_id = post.client.send("jürgen@old.test", subject="An die alte Welt")
    assert post.client.outcome(queue_id) == {"jürgen@old.test": "delivered"}
    eventually(lambda: post.client.message(queue_id)["recipients"][0]["reported"] is not None)
    (recipient,) = post.client.message(queue_id)["recipients"]
    assert (recipient["reported"]["state"], recipient["reported"]["status"]) == ("bounced", "5.6.7")


def test_a_read_receipt_goes_to_who_asked_for_it(post: Post) -> None:
    message = (
        f"From: {BOB}\nTo: {ADELE}\nSubject: Read this\nMessage-ID: <asks@far.test>\n"
        f"Disposition-Notification-To: {BOB}\n\nhello\n"
    )
    post.postfix.sendmail(BOB, message.encode(), ADELE)
    arrived = post.arrived("Read this")
    answer = post.client.graph("PATCH", f"/users/{ADELE}/messages/{arrived['id']}", {"isRead": True})
    assert answer.status == 200, answer.body
    receipt = post.postfix.find_mail(BOB, b"Subject: Read: Read this")
    assert b"Original-Message-ID: <asks@far.test>" in receipt
    assert b"Disposition: manual-action/MDN-sent-automatically; displayed" in receipt


def test_an_automatic_reply_goes_to_who_wrote_and_not_to_reports(post: Post) -> None:
    away = {"status": "alwaysEnabled", "externalAudience": "all", "externalReplyMessage": "On holiday."}
    answer = post.client.graph("PATCH", f"/users/{ALEX}/mailboxSettings", {"automaticRepliesSetting": away})
    assert answer.status == 200, answer.body
    post.postfix.sendmail(
        "", b"From: bob@far.test\nTo: alex@example.test\nSubject: a report\n\nhello\n", ALEX
    )
    post.arrived("a report", ALEX)
    message = b"From: bob@far.test\nTo: alex@example.test\nSubject: Are you there\n\nhello\n"
    post.postfix.sendmail(BOB, message, ALEX)
    reply = post.postfix.find_mail(BOB, b"On holiday.")
    assert b"Automatic reply: Are you there" in reply
    assert not [each for each in post.postfix.mailbox(BOB) if b"Automatic reply: a report" in each]


def test_a_loop_through_postfix_ends(post: Post) -> None:
    """Adele's rule redirects to an address that Postfix redirects to Adele."""
    rule = {
        "displayName": "round",
        "sequence": 1,
        "isEnabled": True,
        "conditions": {"subjectContains": ["In circles"]},
        "actions": {"redirectTo": [{"emailAddress": {"address": "round@far.test"}}]},
    }
    made = post.client.graph("POST", f"/users/{ADELE}/mailFolders/inbox/messageRules", rule)
    assert made.status == 201, made.body
    post.postfix.sendmail(BOB, b"From: bob@far.test\nSubject: In circles\n\nhello\n", ADELE)
    eventually(lambda: len(post.found("In circles")) == 2)
    queue_id = post.client.send(
        ALEX, subject="After it"
    )  # what would have been redirected again is queued by now
    assert post.client.outcome(queue_id) == {ALEX: "delivered"}
    waiting = post.client.administer("/admin/queue")
    assert len(post.found("In circles")) == 2, waiting


def test_postfix_verifies_our_certificate(tmp_path: Path) -> None:
    authority, data, inbound = trustme.CA(), tmp_path / "data", free_port()
    data.mkdir()
    made = authority.issue_cert("graphpost.example.test")
    made.cert_chain_pems[0].write_to_path(str(data / "mx.pem"))
    made.private_key_pem.write_to_path(str(data / "mx.key"))
    config = ways(inbound, "smtp:[127.0.0.1]") | {
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": "graphpost.example.test",
        "smtp_tls_CAfile": "{base}/ca.pem",
        "smtp_tls_loglevel": "1",
    }
    more = f'[inbound]\nport = {inbound}\ncertificate = "mx.pem"\nkey = "mx.key"'
    postfix = Postfix(users=[BOB], **config)
    authority.cert_pem.write_to_path(str(postfix.base / "ca.pem"))
    with postfix, graphpost(data, settings(data, route(postfix.port), more)) as (client, server):
        post = Post(client, postfix, server)
        postfix.sendmail(BOB, b"From: bob@far.test\nSubject: sealed\n\nhello\n", ADELE)
        received = post.mime(post.arrived("sealed")).get_all("Received", [])
        assert "with ESMTPS" in received[0]
        postfix.wait_for_log("Verified TLS connection established to 127.0.0.1")
