"""Reports about deliveries, read by the standard library."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mail.golden import GOLDEN, check

from graphpost.mail.encoding import canonical
from graphpost.mail.message import Address
from graphpost.mail.parse import parse
from graphpost.mail.report import (
    RETURNED_WHOLE,
    Action,
    NdrFacts,
    RecipientFact,
    delay_report,
    non_delivery_report,
    success_report,
)

NOON = 1_700_000_000_000_000
UNKNOWN = RecipientFact(
    address="nobody@fabrikam.com",
    action="failed",
    status="5.1.1",
    remote_mta="mx.fabrikam.com",
    code=550,
    text="<nobody@fabrikam.com>: Recipient address rejected:\r\nUser unknown in virtual mailbox table; see\r\n"
    "https://fabrikam.com/help for more about this and other replies",
    last_attempt_at=NOON + 5_000_000,
)
FACTS = NdrFacts(
    message_id="<report-1@mail.contoso.com>",
    date=NOON + 6_000_000,
    sender=Address("postmaster@contoso.com", "Mail Delivery"),
    recipient=Address("AdeleV@contoso.com", "Adele Vance"),
    reporting_mta="mail.contoso.com",
    arrived_at=NOON,
    recipients=(UNKNOWN,),
    original=b"From: AdeleV@contoso.com\r\nSubject: Meet for lunch?\r\n\r\nThe new cafeteria is open.\r\n",
    subject="Meet for lunch?",
    original_message_id="<0001@contoso.com>",
    references=("<0000@contoso.com>",),
)


def read(data: bytes) -> EmailMessage:
    assert canonical(data) == data
    assert max(map(len, data.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def statuses(data: bytes) -> list[dict[str, str]]:
    """The delivery-status part: a block for the message, then one for each recipient."""
    part = list(read(data).iter_parts())[1]
    assert part.get_content_type() == "message/delivery-status"
    return [
        {name: " ".join(str(value).split()) for name, value in block.items()} for block in part.iter_parts()
    ]


def test_a_non_delivery_report_is_as_written_down() -> None:
    check(non_delivery_report(FACTS), GOLDEN / "report" / "failed.eml")


def test_a_delay_report_is_as_written_down() -> None:
    slow = replace(
        UNKNOWN, action="delayed", status="4.4.1", code=0, text="connection timed out", remote_mta=""
    )
    facts = replace(FACTS, recipients=(slow,), retry_until=NOON + 172_800_000_000, envelope_id="E1")
    check(delay_report(facts), GOLDEN / "report" / "delayed.eml")


def test_a_success_report_is_as_written_down() -> None:
    done = replace(UNKNOWN, action="relayed", status="2.0.0", code=250, text="queued")
    check(success_report(replace(FACTS, recipients=(done,))), GOLDEN / "report" / "relayed.eml")


def test_a_report_has_three_parts_and_says_that_it_is_automatic() -> None:
    message = read(non_delivery_report(FACTS))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Subject"] == "Undeliverable: Meet for lunch?"
    assert message["In-Reply-To"] == "<0001@contoso.com>"
    assert message["References"] == "<0000@contoso.com> <0001@contoso.com>"


def test_the_remote_reply_is_in_it_in_full() -> None:
    (whole, recipient) = statuses(non_delivery_report(FACTS))
    assert whole == {
        "Reporting-MTA": "dns; mail.contoso.com",
        "Arrival-Date": "Tue, 14 Nov 2023 22:13:20 +0000",
    }
    assert recipient == {
        "Final-Recipient": "rfc822; nobody@fabrikam.com",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.fabrikam.com",
        "Diagnostic-Code": "smtp; 550 5.1.1 " + " ".join(UNKNOWN.text.split()),
        "Last-Attempt-Date": "Tue, 14 Nov 2023 22:13:25 +0000",
    }
    words = next(read(non_delivery_report(FACTS)).iter_parts()).get_content()
    assert "mx.fabrikam.com said: 550 5.1.1 " + " ".join(UNKNOWN.text.split()) in words
    assert "There is no such address" in words


@pytest.mark.parametrize(
    ("report", "action", "given", "status"),
    [
        (delay_report, "delayed", "5.7.8", "4.7.8"),  # a whole destination that refuses us is tried again
        (delay_report, "delayed", "2.0.0", "4.0.0"),
        (non_delivery_report, "failed", "4.4.7", "4.4.7"),
        (non_delivery_report, "failed", "2.0.0", "5.0.0"),
        (success_report, "relayed", "5.0.0", "2.0.0"),
    ],
)
def test_the_status_goes_with_the_action(
    report: Callable[[NdrFacts], bytes], action: Action, given: str, status: str
) -> None:
    fact = replace(UNKNOWN, action=action, status=given, text="said so")
    (_, recipient) = statuses(report(replace(FACTS, recipients=(fact,))))
    assert recipient["Status"] == status
    assert recipient["Diagnostic-Code"] == f"smtp; 550 {given} said so", "what was said stays"


def test_a_given_diagnostic_is_used() -> None:
    fact = replace(UNKNOWN, diagnostic="smtp; 554 no")
    assert (
        statuses(non_delivery_report(replace(FACTS, recipients=(fact,))))[1]["Diagnostic-Code"]
        == "smtp; 554 no"
    )


def test_each_recipient_has_a_block() -> None:
    other = replace(UNKNOWN, address="other@x.y", status="nonsense")
    found = statuses(non_delivery_report(replace(FACTS, recipients=(UNKNOWN, other))))
    assert [block.get("Status") for block in found] == [None, "5.1.1", "5.0.0"]


def test_an_internationalised_recipient_is_written_in_ascii() -> None:
    fact = replace(UNKNOWN, address="jürgen@x.y")
    found = statuses(non_delivery_report(replace(FACTS, recipients=(fact,))))
    assert found[1]["Final-Recipient"] == "utf-8; j\\x{FC}rgen@x.y"


def test_of_a_large_original_the_header_is_returned() -> None:
    large = replace(FACTS, original=b"Subject: x\r\n\r\n" + b"y" * RETURNED_WHOLE)
    part = list(read(non_delivery_report(large)).iter_parts())[2]
    assert part.get_content_type() == "text/rfc822-headers"
    assert part.get_payload().strip() == "Subject: x"


@pytest.mark.parametrize(
    ("subject", "media_type"),
    [
        ("ü".encode(), "message/global-headers"),
        (b"\xfc", "text/rfc822-headers"),
        (b"u", "text/rfc822-headers"),
    ],
)
def test_an_internationalised_header_says_that_it_is_one(subject: bytes, media_type: str) -> None:
    data = non_delivery_report(replace(FACTS, original=b"Subject: " + subject + b"\r\n"))
    part = list(read(data).iter_parts())[2]
    assert part.get_content_type() == media_type
    attachment = parse(data).attachments[1]
    assert (attachment.kind, attachment.content_type) == ("file", media_type)


def test_a_bare_header_is_returned_as_one() -> None:
    part = list(read(non_delivery_report(replace(FACTS, original=b"Subject: x\n"))).iter_parts())[2]
    assert part.get_content_type() == "text/rfc822-headers"


def test_delivered_to_one_is_delivered() -> None:
    relayed = replace(UNKNOWN, action="relayed", status="2.0.0")
    delivered = replace(UNKNOWN, action="delivered", status="2.0.0")
    assert parse(success_report(replace(FACTS, recipients=(relayed, delivered)))).subject.startswith(
        "Delivered: "
    )
    assert parse(success_report(replace(FACTS, recipients=(relayed,)))).subject.startswith("Relayed: ")


def test_a_report_reads_well_in_a_mailbox() -> None:
    message = parse(non_delivery_report(FACTS))
    assert message.body.kind == "text"
    assert message.body.content.startswith(
        "Your message could not be delivered to:\r\n\r\n  nobody@fabrikam.com\r\n"
    )
    assert [a.content_type for a in message.attachments] == ["message/delivery-status", "message/rfc822"]
    assert message.attachments[1].name == "Meet for lunch?"


@pytest.mark.parametrize("report", [non_delivery_report, delay_report, success_report])
@given(text=st.text(max_size=100), original=st.binary(max_size=200))
def test_no_text_can_add_a_field(report: object, text: str, original: bytes) -> None:
    attack = text + "\r\nX-Attack: 1\r\n\r\n"
    fact = RecipientFact(attack, "failed", attack, attack, attack, 550, attack, NOON)
    facts = NdrFacts(
        message_id=attack,
        date=NOON,
        sender=Address("a@b.c", attack),
        recipient=Address("d@e.f", attack),
        reporting_mta=attack,
        arrived_at=NOON,
        recipients=(fact, fact),
        original=original,
        subject=attack,
        original_message_id=attack,
        references=(attack,),
        envelope_id=attack,
    )
    assert callable(report)
    data = report(facts)
    assert canonical(data) == data
    assert b"\r\nX-Attack" not in data.replace(b"=\r\n", b""), "but after a soft line break in the words"
    assert len(list(read(data).iter_parts())) == 3
