"""Automatic replies: when, to whom, and what."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from graphpost.clock import SECOND
from graphpost.mail.absence import answers, is_away, reply, words_for
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Body, Header, Item, Message, ZonedTime
from graphpost.mail.preferences import AutomaticReplies

ALEX = Mailbox(mailbox_id=8, object_id="8" * 36, address="alex@contoso.test", aliases=("al@contoso.test",))
ZOE = Address("zoe@one.test", "Zoe")
ASKED = Message(
    subject="Lunch?",
    from_=ZOE,
    sender=ZOE,
    to=(Address("Alex@contoso.test"),),
    internet_message_id="<1@one.test>",
    references=("<0@one.test>",),
)
NOON = 1_700_000_000 * SECOND


def at(time: ZonedTime) -> int:
    return int(time.date_time)


@pytest.mark.parametrize(
    ("status", "now", "is_so"),
    [
        ("disabled", 15, False),
        ("alwaysEnabled", 15, True),
        ("scheduled", 9, False),
        ("scheduled", 10, True),
        ("scheduled", 19, True),
        ("scheduled", 20, False),
    ],
)
def test_somebody_is_away_from_the_start_to_the_end(status: Any, now: int, is_so: bool) -> None:
    replies = AutomaticReplies(status=status, start=ZonedTime("10"), end=ZonedTime("20"))
    assert is_away(replies, now, at) is is_so


def test_a_schedule_without_times_is_none() -> None:
    assert not is_away(AutomaticReplies(status="scheduled"), 15, at)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"to": (Address("al@contoso.test"), ZOE)},
        {"to": (ZOE,), "cc": (Address("alex@contoso.test"),)},
        {"headers": (Header("Auto-Submitted", "no"),)},
        {"headers": (Header("X-Auto-Response-Suppress", "DR, RN"),)},
    ],
)
def test_a_person_who_wrote_to_the_mailbox_is_answered(changes: dict[str, Any]) -> None:
    assert answers(replace(ASKED, **changes), ZOE.address, ALEX.owns)


@pytest.mark.parametrize(
    ("changes", "sender"),
    [
        ({}, ""),
        ({}, "alex@contoso.test"),
        ({}, "AL@contoso.test"),
        ({}, "list-request@one.test"),
        ({}, "owner-list@one.test"),
        ({"from_": Address("no-reply@one.test")}, "bulk@one.test"),
        ({"from_": None, "sender": None}, "zoe@one.test"),
        ({"to": (ZOE,)}, "zoe@one.test"),
        ({"to": (), "bcc": (Address("alex@contoso.test"),)}, "zoe@one.test"),
        ({"headers": (Header("Auto-Submitted", "auto-replied"),)}, "zoe@one.test"),
        ({"headers": (Header("List-Id", "<x.y>"),)}, "zoe@one.test"),
        ({"headers": (Header("Precedence", "bulk"),)}, "zoe@one.test"),
        ({"headers": (Header("X-Auto-Response-Suppress", "OOF"),)}, "zoe@one.test"),
        ({"headers": (Header("X-Auto-Response-Suppress", "All"),)}, "zoe@one.test"),
        ({"headers": (Header("Content-Type", "multipart/report; boundary=x"),)}, "zoe@one.test"),
    ],
)
def test_nothing_else_is(changes: dict[str, Any], sender: str) -> None:
    assert not answers(replace(ASKED, **changes), sender, ALEX.owns)


@pytest.mark.parametrize(
    ("audience", "internal", "body"),
    [
        ("none", True, Body("<p>In</p>", "html")),
        ("none", False, None),
        ("contactsOnly", False, None),
        ("all", False, Body("Out", "text")),
    ],
)
def test_the_words_are_for_the_organisation_or_for_others(
    audience: Any, internal: bool, body: Body | None
) -> None:
    replies = AutomaticReplies("alwaysEnabled", audience, "<p>In</p>", "Out")
    assert words_for(replies, internal=internal) == body


@pytest.mark.parametrize("text", ["", "  \n", "<html><body><p> </p></body></html>"])
def test_without_words_there_is_no_reply(text: str) -> None:
    assert words_for(AutomaticReplies("alwaysEnabled", internal=text), internal=True) is None


def test_the_reply_says_that_it_is_automatic_and_what_it_answers() -> None:
    arrived = Item(mailbox_id=8, message_id=1, folder_id=6, message=ASKED, conversation_id=bytes(16))
    made = reply(ALEX, arrived, Body("Away"), ZOE.address, "<2@contoso.test>", NOON)
    assert made.subject == "Automatic reply: Lunch?"
    assert made.in_reply_to == "<1@one.test>"
    assert made.references == ("<0@one.test>", "<1@one.test>")
    assert made.to == (Address("zoe@one.test"),)
    assert made.headers == (
        Header("Auto-Submitted", "auto-replied"),
        Header("X-Auto-Response-Suppress", "All"),
    )
    assert made.conversation_index[6:22] == bytes(16)
