"""Reports that come back, as mail systems write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mail.test_receipt import FACTS as RECEIPT
from tests.mail.test_report import FACTS, UNKNOWN

from graphpost.mail.receipt import receipt
from graphpost.mail.report import delay_report, non_delivery_report, success_report
from graphpost.mail.returned import Returned, Told, read_returned

POSTFIX = b"""\
From: MAILER-DAEMON@mx.one.test (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: adele@contoso.test
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4Xy.1/mx.one.test"

This is a MIME-encapsulated message.

--4Xy.1/mx.one.test
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<zoe@one.test>: user unknown

--4Xy.1/mx.one.test
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.one.test
Original-Envelope-Id: 0003c1a2b3c4d5e6
X-Postfix-Queue-ID: 4Xy
Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000 (UTC)

Final-Recipient: rfc822; z.smith@inner.one.test
Original-Recipient: rfc822;zoe@one.test
Action: failed
Status: 5.1.1
Remote-MTA: dns; inner.one.test
Diagnostic-Code: smtp; 550 5.1.1 <z.smith@inner.one.test>: Recipient address
    rejected: User unknown

Final-Recipient: rfc822; yan@one.test
Action: delayed (will retry)
Status: 4.4.1

--4Xy.1/mx.one.test
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Subject: Lunch
Message-ID: <0003c1a2b3c4d5e6.00ff@contoso.test>

--4Xy.1/mx.one.test--
"""

EXCHANGE = b"""\
From: <postmaster@fabrikam.test>
To: <adele@contoso.test>
Subject: Undeliverable: Lunch
Content-Type: multipart/report; report-type=delivery-status; boundary="_x_"

--_x_
Content-Type: multipart/alternative; boundary="_y_"

--_y_
Content-Type: text/plain; charset="us-ascii"

Delivery has failed to these recipients or groups:
--_y_--

--_x_
Content-Type: message/delivery-status

Reporting-MTA: dns;AM0PR01.prod.outlook.test
Received-From-MTA: dns;mail.contoso.test
Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822;zoe@fabrikam.test
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
X-Display-Name: zoe

--_x_
Content-Type: message/rfc822

Message-ID: <1@contoso.test>
Subject: Lunch

Soup.
--_x_--
"""

QMAIL = b"""\
Date: 14 Nov 2023 22:13:20 -0000
From: MAILER-DAEMON@one.test
To: adele@contoso.test
Subject: failure notice

Hi. This is the qmail-send program at one.test.
I'm afraid I wasn't able to deliver your message to the following addresses.

<zoe@one.test>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <adele@contoso.test>
Message-ID: <1@contoso.test>
To: zoe@one.test, yan@one.test
Subject: Lunch

Soup.
"""

EXIM = b"""\
X-Failed-Recipients: zoe@one.test
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@one.test>
To: adele@contoso.test
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

  zoe@one.test
    SMTP error from remote mail server: 550 no

------ This is a copy of the message, including all the headers. ------

Message-ID: <1@contoso.test>

Soup.
"""

OUTLOOK_RECEIPT = b"""\
From: Zoe <zoe@one.test>
To: adele@contoso.test
Subject: Read: Lunch
Content-Type: multipart/report; boundary="b"; report-type=disposition-notification

--b
Content-Type: text/plain

Your message was read.

--b
Content-Type: message/disposition-notification

Reporting-UA: one.test; Outlook
Final-Recipient: RFC822;zoe@one.test
Original-Message-ID: <1@contoso.test>
Disposition: automatic-action/MDN-sent-automatically; displayed
X-MSExch-Correlation-Key: x

--b--
"""


def crlf(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("ends", [crlf, bytes])
def test_a_delivery_report_names_message_and_recipients(ends: Any) -> None:
    found = read_returned(ends(POSTFIX))
    assert found == Returned(
        (
            Told(
                "bounced",
                "z.smith@inner.one.test",
                "zoe@one.test",
                "5.1.1",
                "smtp; 550 5.1.1 <z.smith@inner.one.test>: Recipient address rejected: User unknown",
            ),
            Told("delayed", "yan@one.test", status="4.4.1"),
        ),
        envelope_id="0003c1a2b3c4d5e6",
        message_id="<0003c1a2b3c4d5e6.00ff@contoso.test>",
    )


def test_exchanges_report_is_one() -> None:
    found = read_returned(crlf(EXCHANGE))
    assert found is not None
    (told,) = found.told
    assert (told.state, told.address, told.status) == ("bounced", "zoe@fabrikam.test", "5.1.10")
    assert found.message_id == "<1@contoso.test>"


def test_a_receipt_says_that_it_was_read() -> None:
    found = read_returned(crlf(OUTLOOK_RECEIPT))
    assert found is not None
    assert (found.told[0].state, found.told[0].address, found.message_id) == (
        "read",
        "zoe@one.test",
        "<1@contoso.test>",
    )


@pytest.mark.parametrize("text", [QMAIL, EXIM])
def test_a_bounce_in_words_names_whom_it_could_not_reach_before_the_copy(text: bytes) -> None:
    found = read_returned(crlf(text))
    assert found is not None
    assert [(told.state, told.address) for told in found.told] == [("bounced", "zoe@one.test")]
    assert found.message_id == "<1@contoso.test>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no header",
        b"From: zoe@one.test\r\nIn-Reply-To: <1@contoso.test>\r\n\r\nI am away.\r\n",
        b"From: MAILER-DAEMON@one.test\r\n\r\nIt did not work.\r\n",
        POSTFIX.replace(b"Action: failed", b"Action: eaten").replace(b"Action: delayed", b"Action: eaten"),
        OUTLOOK_RECEIPT.replace(b"displayed", b"denied"),
        OUTLOOK_RECEIPT.replace(b"Original-Message-ID: <1@contoso.test>\n", b""),
        POSTFIX.replace(b"message/delivery-status\n", b"text/plain\n")
        .replace(b"MAILER-DAEMON", b"zoe")
        .replace(b"Mail Delivery", b"Zoe"),
    ],
)
def test_other_mail_is_no_report(data: bytes) -> None:
    assert read_returned(data) is None


@pytest.mark.parametrize(
    ("write", "action", "state"),
    [
        (non_delivery_report, "failed", "bounced"),
        (delay_report, "delayed", "delayed"),
        (success_report, "delivered", "delivered"),
        (success_report, "relayed", "relayed"),
    ],
)
def test_our_own_reports_are_read(write: Any, action: Any, state: str) -> None:
    original = b"Message-ID: <0001@contoso.com>\r\nSubject: x\r\n\r\ny\r\n"
    fact = replace(UNKNOWN, action=action, address="jürgen@fabrikam.com", status="2.0.0")
    data = write(replace(FACTS, recipients=(fact,), original=original, envelope_id="0123456789abcdef"))
    found = read_returned(data)
    assert found is not None
    assert (found.told[0].state, found.told[0].address) == (state, "jürgen@fabrikam.com")
    assert (found.envelope_id, found.message_id) == ("0123456789abcdef", "<0001@contoso.com>")


@pytest.mark.parametrize(
    ("disposition", "state"), [("displayed", "read"), ("deleted", "deleted"), ("processed", "processed")]
)
def test_our_own_receipts_are_read(disposition: Any, state: str) -> None:
    found = read_returned(receipt(replace(RECEIPT, disposition=disposition)))
    assert found is not None
    assert (found.told[0].state, found.told[0].address) == (state, "AlexW@contoso.com")
    assert found.message_id == "<1@one.test>"


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_an_encoded_status_is_decoded(encoding: str) -> None:
    import base64
    import quopri

    status = b"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; z=@one.test\nAction: failed\n"
    coded = base64.encodebytes(status) if encoding == "base64" else quopri.encodestring(status)
    data = (
        b"From: x@y.z\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n"
        b"Content-Transfer-Encoding: " + encoding.encode() + b"\n\n" + coded + b"\n--b--\n"
    )
    found = read_returned(data)
    assert found is not None
    assert found.told[0].address == "z=@one.test"


def test_a_report_of_very_many_is_cut() -> None:
    block = b"Final-Recipient: rfc822; %d@one.test\nAction: failed\n\n"
    blocks = b"".join(block % number for number in range(100_000))
    found = read_returned(POSTFIX.replace(b"Final-Recipient", blocks + b"Final-Recipient", 1))
    assert found is not None
    assert len(found.told) == 1000


SEEDS = (POSTFIX, EXCHANGE, QMAIL, EXIM, OUTLOOK_RECEIPT)


@settings(max_examples=200)
@given(
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(st.tuples(st.integers(0, 1500), st.binary(max_size=20), st.integers(0, 40)), max_size=6),
)
def test_nothing_that_is_hostile_raises(seed: bytes, cuts: list[tuple[int, bytes, int]]) -> None:
    data = seed
    for at, text, length in cuts:
        data = data[:at] + text + data[at + length :]
    found = read_returned(data)
    for told in found.told if found else ():
        assert len(told.text) <= 500
        assert told.text.isprintable()


@settings(max_examples=100)
@given(data=st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    read_returned(b"From: mailer-daemon\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n" + data)
