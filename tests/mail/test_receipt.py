"""Receipts: whom they may go to, and what they say to a program and to a person."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.mail.encoding import canonical
from graphpost.mail.message import Address
from graphpost.mail.receipt import Disposition, ReceiptFacts, asked_by, receipt

OPTIONS = "disposition-notification-options"
NOON = 1_700_000_000_000_000
FACTS = ReceiptFacts(
    message_id="<2@contoso.com>",
    date=NOON,
    reader=Address("AlexW@contoso.com", "Alex"),
    recipient="zoe@one.test",
    reporting_ua="post.contoso.com",
    disposition="displayed",
    sent_at=NOON - 60_000_000,
    subject="Meet for lunch?",
    original_message_id="<1@one.test>",
    references=("<0@one.test>", "<1@one.test>"),
)
ASKED = {"disposition-notification-to": "Zoe <zoe@one.test>"}


def read(data: bytes) -> EmailMessage:
    assert canonical(data) == data
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def notification(data: bytes) -> dict[str, str]:
    part = list(read(data).iter_parts())[1]
    assert part.get_content_type() == "message/disposition-notification"
    text = part.as_bytes().partition(b"\n\n")[2].decode()
    return dict(email.message_from_string(text).items())


def test_a_receipt_is_a_report_of_two_parts() -> None:
    message = read(receipt(FACTS))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "disposition-notification"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "message/disposition-notification",
    ]
    assert (message["From"], message["To"]) == ("Alex <AlexW@contoso.com>", "zoe@one.test")
    assert message["Subject"] == "Read: Meet for lunch?"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<1@one.test>"
    assert message["References"] == "<0@one.test> <1@one.test>"
    text = next(read(receipt(FACTS)).iter_parts()).get_content()
    assert "was read on Tue, 14 Nov 2023 22:13:20 +0000." in text


@pytest.mark.parametrize(
    ("disposition", "said", "subject"),
    [
        ("displayed", "manual-action/MDN-sent-automatically; displayed", "Read: Meet for lunch?"),
        ("processed", "automatic-action/MDN-sent-automatically; processed", "Read: Meet for lunch?"),
        ("deleted", "manual-action/MDN-sent-automatically; deleted", "Not read: Meet for lunch?"),
    ],
)
def test_it_says_what_became_of_the_message(disposition: Disposition, said: str, subject: str) -> None:
    data = receipt(replace(FACTS, disposition=disposition))
    assert notification(data) == {
        "Reporting-UA": "post.contoso.com; Graphpost",
        "Final-Recipient": "rfc822; AlexW@contoso.com",
        "Original-Message-ID": "<1@one.test>",
        "Disposition": said,
    }
    assert read(data)["Subject"] == subject


def test_who_asked_and_sent_the_message_is_told() -> None:
    assert asked_by(ASKED, "ZOE@one.test") == "zoe@one.test"
    assert asked_by({**ASKED, OPTIONS: "x=optional,required"}, "zoe@one.test") == "zoe@one.test"


@pytest.mark.parametrize(
    ("fields", "return_path"),
    [
        ({}, "zoe@one.test"),
        (ASKED, ""),
        (ASKED, "other@one.test"),
        ({"disposition-notification-to": "zoe@one.test, victim@two.test"}, "zoe@one.test"),
        ({"disposition-notification-to": "nonsense"}, "nonsense"),
        ({"disposition-notification-to": "no-reply@one.test"}, "no-reply@one.test"),
        ({**ASKED, "auto-submitted": "auto-generated"}, "zoe@one.test"),
        ({**ASKED, "list-id": "<x>"}, "zoe@one.test"),
        ({**ASKED, "content-type": "multipart/report; report-type=delivery-status"}, "zoe@one.test"),
        ({**ASKED, OPTIONS: "signed-receipt-protocol=required,pkcs7-signature"}, "zoe@one.test"),
        ({**ASKED, OPTIONS: "x=optional,a; signed-receipt-micalg = Required , sha1"}, "zoe@one.test"),
    ],
)
def test_nobody_else_is(fields: dict[str, str], return_path: str) -> None:
    assert asked_by(fields, return_path) == ""


@settings(max_examples=50)
@given(text=st.text(max_size=100))
def test_no_text_can_add_a_field(text: str) -> None:
    attack = text + "\r\nX-Attack: 1\r\n\r\n"
    facts = replace(
        FACTS,
        subject=attack,
        original_message_id=attack,
        references=(attack,),
        reader=Address("a@b.c", attack),
    )
    data = receipt(replace(facts, reporting_ua=attack))
    assert b"\r\nX-Attack" not in data.replace(b"=\r\n", b""), "but after a soft line break in the words"
    assert read(data).get_content_type() == "multipart/report"
