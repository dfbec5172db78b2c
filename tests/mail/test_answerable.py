"""What may be answered without a person."""

from __future__ import annotations

import pytest

from graphpost.mail.answerable import fields_of, is_automatic, is_doubtful, is_read_by_nobody, suppresses
from graphpost.mail.message import Header, Message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Auto-Submitted", "auto-replied"),
        ("Auto-Submitted", "auto-generated; type=x"),
        ("AUTO-SUBMITTED", "Auto-Notified"),
        ("Precedence", "bulk"),
        ("Precedence", " List "),
        ("Precedence", "junk"),
        ("Precedence", "auto_reply"),
        ("List-Id", "<news.example.test>"),
        ("List-Unsubscribe", "<mailto:x@y.z>"),
        ("Mailing-List", "contact x@y.z"),
        ("X-Autoreply", "yes"),
        ("X-Loop", "x@y.z"),
        ("X-MS-Exchange-Inbox-Rules-Loop", "x@y.z"),
        ("Content-Type", "multipart/report; report-type=delivery-status; boundary=x"),
        ("Content-Type", "Multipart/Report; report-type=feedback-report"),
        ("Return-Path", "<>"),
    ],
)
def test_what_looks_automatic_is(name: str, value: str) -> None:
    assert is_automatic(fields_of([Header("Subject", "x"), Header(name, value)]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Auto-Submitted", "no"),
        ("Auto-Submitted", "No ; x=y"),
        ("Precedence", "first-class"),
        ("Content-Type", "multipart/mixed; boundary=x"),
        ("Return-Path", "<zoe@one.test>"),
        ("X-Auto-Response-Suppress", "All"),
    ],
)
def test_what_somebody_wrote_is_not(name: str, value: str) -> None:
    assert not is_automatic(fields_of([Header(name, value)]))


@pytest.mark.parametrize(
    ("name", "first", "second", "is_so"),
    [
        ("Precedence", "bulk", "bulk", True),
        ("Precedence", "first-class", "list", True),
        ("Auto-Submitted", "no; x=y", "auto-replied", True),
        ("Auto-Submitted", "no", "no", False),
    ],
)
def test_of_two_such_fields_each_counts(name: str, first: str, second: str, is_so: bool) -> None:
    assert is_automatic(fields_of([Header(name, first), Header(name, second)])) is is_so


def test_a_second_field_counts_too() -> None:
    fields = fields_of(
        [Header("X-Auto-Response-Suppress", "DR"), Header("x-auto-response-suppress", "OOF, RN")]
    )
    assert [suppresses(fields, kind) for kind in ("DR", "OOF", "RN", "NRN", "AutoReply")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("value", ["All", "all", "DR, ALL"])
def test_all_is_every_kind(value: str) -> None:
    assert suppresses({"x-auto-response-suppress": value}, "OOF")


def test_none_is_none() -> None:
    assert not suppresses({"x-auto-response-suppress": "None"}, "OOF")
    assert not suppresses({}, "OOF")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "MAILER-DAEMON@x.y",
        "postmaster@x.y",
        "no-reply@x.y",
        "NoReply@x.y",
        "do_not_reply@x.y",
        "owner-list@x.y",
        "list-owner@x.y",
        "list-request@x.y",
        "list-bounces@x.y",
        "bounce+adele=contoso.com@x.y",
        "prvs=1234=zoe@x.y",
        "SRS0=xx=yy=z.test=zoe@x.y",
    ],
)
def test_some_addresses_are_read_by_nobody(address: str) -> None:
    assert is_read_by_nobody(address)


@pytest.mark.parametrize("address", ["zoe@x.y", "reply@x.y", "norah@x.y", "bouncer@x.y", "request@x.y"])
def test_people_have_other_addresses(address: str) -> None:
    assert not is_read_by_nobody(address)


@pytest.mark.parametrize(
    ("results", "is_so"),
    [
        ("mx.test; spf=fail smtp.mailfrom=a@b.c; dmarc=none", True),
        ("mx.test; spf=none; dkim=none; dmarc=fail (p=none) header.from=b.c", True),
        ("mx.test; SPF = Fail", True),
        ("mx.test; spf=fail; dkim=pass; dmarc=pass header.from=b.c", False),
        ('mx.test; spf=fail ("; dmarc=pass")', True),
        ("mx.test; spf=fail (; dmarc=pass )", True),
        ('mx.test; spf=fail smtp.mailfrom="; dmarc=pass"', True),
        ("mx.test; spf=softfail; dmarc=none", False),
        ("mx.test; spf=pass; dmarc=pass", False),
        ("mx.test; none", False),
        ("", False),
    ],
)
def test_what_was_found_to_be_forged_is_doubtful(results: str, is_so: bool) -> None:
    headers = (
        Header("Authentication-Results", results),
        Header("Authentication-Results", "other.test; dmarc=pass" if is_so else "other.test; spf=fail"),
    )
    assert is_doubtful(Message(headers=headers, is_foreign=True)) is is_so
    assert not is_doubtful(Message(headers=headers))
