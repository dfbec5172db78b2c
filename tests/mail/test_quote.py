"""Quotes: what stands below an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.mail.golden import GOLDEN, check

from graphpost.clock import NEVER, from_datetime
from graphpost.graph.html import safe_document
from graphpost.mail.message import Address, Body, Message
from graphpost.mail.quote import long_time, prefixed, quoted
from graphpost.mail.quoted import unique_part

SENT = "Friday, November 20, 2026 1:05 PM"
PEOPLE = {
    "from_": Address("zoe@one.test", "Zoë <Müller> & Söhne"),
    "to": (Address("adele@contoso.test", "Adele Vance"), Address("alex@contoso.test")),
    "cc": (Address("bo@two.test", "bo@two.test"),),
}
HTML = (
    '<html xmlns:o="urn:x"><head><meta charset="iso-8859-1"><title>t</title><style>p {margin: 0}</style></head>\r\n'
    '<body lang="EN-US" onload="x()" style="word-wrap: break-word"><p>Soup <b>today</b>?</p>\r\n'
    "<!--[if mso]><p>word</p><![endif]--><script>alert(1)</script></body></html>\r\n"
)
CASES = {
    "document.html": (
        Message(subject="Lunch & <more>", body=Body(HTML, "html"), **PEOPLE),
        "Yes <b>please</b>\nat 1",
    ),
    "fragment.html": (Message(subject="Lunch", body=Body("<p>Soup?</p>", "html"), from_=PEOPLE["from_"]), ""),
    "plain.txt": (
        Message(subject="Lunch", body=Body("Soup?\r\nToday.", "text"), **PEOPLE),
        "Yes <b>\r\nplease",
    ),
    "nothing.txt": (Message(), ""),
}


@pytest.mark.parametrize("name", CASES)
def test_quotes_are_the_golden_ones(name: str) -> None:
    message, comment = CASES[name]
    body = quoted(message, SENT, comment)
    assert body.kind == ("html" if name.endswith("html") else "text")
    check(body.content.encode(), GOLDEN / "quote" / name)


def test_html_that_is_too_deep_is_quoted_as_its_text() -> None:
    body = quoted(Message(body=Body("<div>" * 2000 + "a &lt;b&gt;<br>c", "html")), SENT, "Yes")
    assert body.kind == "html"
    assert body.content.endswith('<div><div class="PlainText">a &lt;b&gt;<br>\r\nc</div></div></body></html>')


def test_a_quote_is_harmless_already() -> None:
    body = quoted(Message(subject="Lunch", body=Body(HTML, "html"), **PEOPLE), SENT, "Yes")
    assert safe_document(body.content).split() == body.content.split()
    assert unique_part(body).content.endswith("Yes")


def test_a_name_begins_no_line_of_the_heading() -> None:
    author = Address("zoe@one.test", "Zoë\r\nSubject: Forged")
    body = quoted(Message(subject="a\r\nTo: b", from_=author), SENT)
    assert body.content.split("\r\n")[3:7] == [
        "From: Zoë Subject: Forged <zoe@one.test>",
        f"Sent: {SENT}",
        "To: ",
        "Subject: a To: b",
    ]


@pytest.mark.parametrize(
    ("prefix", "subject", "expected"),
    [
        ("RE:", "Lunch", "RE: Lunch"),
        ("RE:", "RE: Lunch", "RE: Lunch"),
        ("RE:", "Re: Lunch", "Re: Lunch"),
        ("RE:", "Regarding", "RE: Regarding"),
        ("RE:", "FW: Lunch", "RE: FW: Lunch"),
        ("FW:", "RE: Lunch", "FW: RE: Lunch"),
        ("FW:", "fw: Lunch", "fw: Lunch"),
        ("RE:", "", "RE: "),
    ],
)
def test_a_prefix_is_not_doubled(prefix: str, subject: str, expected: str) -> None:
    assert prefixed(prefix, subject) == expected


@pytest.mark.parametrize(
    ("hour", "zone", "expected"),
    [
        (0, "UTC", "Friday, November 20, 2026 12:05 AM"),
        (12, "UTC", "Friday, November 20, 2026 12:05 PM"),
        (13, "UTC", SENT),
        (3, "America/Los_Angeles", "Thursday, November 19, 2026 7:05 PM"),
    ],
)
def test_a_time_is_written_long(hour: int, zone: str, expected: str) -> None:
    instant = from_datetime(datetime(2026, 11, 20, hour, 5, 59, tzinfo=UTC))
    assert long_time(instant, ZoneInfo(zone)) == expected


def test_a_time_no_calendar_has_is_not_written() -> None:
    assert long_time(NEVER, UTC) == ""
