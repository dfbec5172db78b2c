"""What rules may ask of a message is worked out from what it is."""

from __future__ import annotations

from typing import Any

import pytest

from graphpost.mail.message import Address, Attachment, Body, ExtendedProperty, Header, Message
from graphpost.mail.parse import parse
from graphpost.mail.traits import LOOP, Traits

ME = ("Adele@contoso.test", "ad@contoso.test")


def traits(size: int = 1000, **fields: Any) -> Traits:
    return Traits(Message(**fields), size, ME)


def arrived(header: str) -> Traits:
    data = f"From: a@x.test\r\n{header}\r\n\r\nHello\r\n".encode()
    return Traits(parse(data), len(data), ME)


KINDS = ("is_automatic_forward", "is_automatic_reply", "is_encrypted", "is_signed", "is_permission_controlled",
         "is_meeting_request", "is_meeting_response", "is_non_delivery_report", "is_read_receipt", "is_voicemail")  # fmt: skip


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ("Subject: x", ()),
        ("Auto-Submitted: auto-replied", ("is_automatic_reply",)),
        ("Auto-Submitted: auto-replied (vacation)", ("is_automatic_reply",)),
        ("Auto-Submitted: auto-generated", ()),
        ("Auto-Submitted: no", ()),
        ("Precedence: auto_reply", ("is_automatic_reply",)),
        ("Autoforwarded: TRUE", ("is_automatic_forward",)),
        (f"{LOOP}: bo@x.test", ("is_automatic_forward",)),
        ("Content-Type: multipart/signed; protocol=x; boundary=b", ("is_signed",)),
        ("Content-Type: application/pkcs7-mime; smime-type=signed-data", ("is_signed",)),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data", ("is_encrypted",)),
        ("Content-Type: application/x-pkcs7-mime", ("is_encrypted",)),
        ("Content-Type: multipart/encrypted; boundary=b", ("is_encrypted",)),
        ("Content-Class: rpmsg.message", ("is_permission_controlled",)),
        ("Content-Type: text/calendar; method=REQUEST", ("is_meeting_request",)),
        ("Content-Type: text/calendar; method=\"REPLY\"", ("is_meeting_response",)),
        ("Content-Class: urn:content-classes:calendarmessage", ("is_meeting_request",)),
        (
            "Content-Class: urn:content-classes:calendarmessage\r\nIn-Reply-To: <a@x.test>",
            ("is_meeting_response",),
        ),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", ("is_non_delivery_report",)),
        (
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
            ("is_read_receipt",),
        ),
        ("Content-Class: urn:content-classes:voice", ("is_voicemail",)),
    ],
)  # fmt: skip
def test_what_kind_of_mail_it_is_follows_from_its_header(header: str, kinds: tuple[str, ...]) -> None:
    found = arrived(header)
    assert tuple(kind for kind in KINDS if getattr(found, kind)) == kinds


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/calendar", "is_meeting_request"),
        ("application/x-microsoft-rpmsg-message", "is_permission_controlled"),
    ],
)
def test_what_is_attached_says_it_too(content_type: str, kind: str) -> None:
    found = traits(attachments=(Attachment(attachment_id=1, content_type=content_type),))
    assert [each for each in KINDS if getattr(found, each)] == [kind]


@pytest.mark.parametrize(
    ("text", "flag"),
    [("", ""), ("Follow up", "followUp"), ("REPLY TO ALL", "replyToAll"), ("Please sing", "any")],
)
def test_what_is_asked_for_stands_in_a_field(text: str, flag: str) -> None:
    assert arrived(f"X-Message-Flag: {text}").action_flag == flag


@pytest.mark.parametrize(
    ("level", "word"), [("1", "personal"), ("2", "private"), ("3", "confidential"), ("9", "normal")]
)
def test_sensitivity_is_an_extended_property(level: str, word: str) -> None:
    assert traits(extended=(ExtendedProperty("Integer 0x36", level),)).sensitivity == word
    assert traits().sensitivity == "normal"
    assert arrived("Sensitivity: private").sensitivity == "private"


def people(*addresses: str) -> tuple[Address, ...]:
    return tuple(map(Address, addresses))


@pytest.mark.parametrize(
    ("to", "cc", "expected"),
    [
        (("adele@CONTOSO.test",), (), (True, False, True)),
        (("AD@contoso.test", "adele@contoso.test"), (), (True, False, True)),
        (("ad@contoso.test", "bo@x.test"), (), (True, False, False)),
        (("bo@x.test",), ("adele@contoso.test",), (False, True, False)),
        (("adele@contoso.test",), ("bo@x.test",), (True, False, False)),
        ((), (), (False, False, False)),
    ],
)
def test_whether_it_is_to_me_takes_every_address_of_mine(
    to: tuple[str, ...], cc: tuple[str, ...], expected: tuple[bool, bool, bool]
) -> None:
    found = traits(to=people(*to), cc=people(*cc))
    assert (found.is_to_me, found.is_cc_me, found.is_only_to_me) == expected


def test_texts_are_compared_without_letter_case_and_html_as_it_reads() -> None:
    found = traits(
        subject="Straße",
        body=Body("<p>Dear&nbsp;<b>ADELE</b></p><script>evil</script>", "html"),
        headers=(Header("X-Mine", "One"),),
        from_=Address("Bo@X.test", "Bo B"),
        to=people("c@x.test"),
    )
    assert found.subject == "strasse"
    assert "adele" in found.body
    assert "evil" not in found.body
    assert found.header == "x-mine: one"
    assert found.sender == "bo b <bo@x.test>"
    assert found.recipients == " <c@x.test>"


def test_who_sent_it_on_and_by_how_many_hosts_is_in_the_header() -> None:
    found = arrived(f"{LOOP}: Bo@X.test\r\nReceived: by a\r\nReceived: by b")
    assert found.passed_by == ("bo@x.test",)
    assert found.hops == 2
    assert traits().passed_by == ()


def test_what_is_looked_at_of_a_long_body_is_bounded() -> None:
    assert len(traits(body=Body("x" * 1_000_000)).body) == 262_144
