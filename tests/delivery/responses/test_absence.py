"""Automatic replies are sent once to each sender, in the transaction that files, and answer no machine."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.policy import default
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.delivery.conftest import MakeOffice
from tests.delivery.post import ADELE, ALEX, HOUR, NEVER, Office, furnish, settling

from graphpost.clock import SECOND, to_datetime
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Header, Item, ZonedTime
from graphpost.mail.preferences import AutomaticReplies, PersonalSettings
from graphpost.mail.rules import Actions, Rule
from graphpost.store.mailbox import preferences
from graphpost.store.mailbox.preferences import MOST_ANSWERED, Entry, Kind

pytestmark = pytest.mark.anyio
AWAY = AutomaticReplies("alwaysEnabled", "all", "<p>Away, <b>in</b></p>", "Away, out")
ZOE = Address("zoe@one.test", "Zoe")


async def leave(office: Office, box: Mailbox = ALEX, replies: AutomaticReplies = AWAY) -> None:
    settings = PersonalSettings(automatic_replies=replies)
    await office.store.write(lambda tx: preferences.set_settings(tx, box.mailbox_id, settings))


async def deliver(office: Office, number: int, *to: str, **fields: Any) -> None:
    """Send, and wait until so many deliveries are done in all."""
    await office.send(*(to or (ALEX.address,)), **fields)
    await office.until_done(number)


async def replies(office: Office, box: Mailbox = ADELE) -> list[Item]:
    return [each for each in await office.inbox(box) if each.message.subject.startswith("Automatic reply:")]


async def test_who_writes_to_somebody_away_is_answered(office: Office) -> None:
    await leave(office)
    await deliver(office, 2)
    (item,) = await replies(office)
    parsed = message_from_bytes(await office.bytes_of(item), policy=default)
    (sent,) = [each for each in await office.queue() if each.mailbox_id == ADELE.mailbox_id]
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["X-Auto-Response-Suppress"] == "All"
    assert parsed["In-Reply-To"] == sent.internet_message_id
    assert parsed["References"].split()[-1] == sent.internet_message_id
    assert parsed["To"] == ADELE.address
    assert "Away, <b>in</b>" in parsed.get_body(("html",)).get_content()
    (answer,) = [each for each in await office.queue() if each.mailbox_id == ALEX.mailbox_id]
    assert (answer.sender, answer.hidden) == ("", True)


async def test_a_sender_is_answered_once(office: Office) -> None:
    await leave(office)
    for number in (2, 3, 4):
        await deliver(office, number)
    assert len(await replies(office)) == 1


async def test_messages_that_come_together_are_answered_once(office: Office) -> None:
    await leave(office)
    await asyncio.gather(*(office.send(ALEX.address) for _ in range(20)))
    await office.until_done(21)
    assert len(await replies(office)) == 1
    assert len(await office.inbox(ALEX)) == 20


async def test_the_reply_is_filed_with_the_message_or_not_at_all(office: Office) -> None:
    await leave(office)
    office.store.breaks = settling
    await office.send(ALEX.address)
    await office.until(lambda: office.store.broke > 0)
    assert await office.inbox(ALEX) == []
    entries = await office.store.read(lambda tx: preferences.entries(tx, ALEX.mailbox_id, Kind.ANSWERED))
    assert entries == []
    office.store.breaks = lambda fn: None
    await office.clock.advance(2.0)
    await office.until_done(2)
    assert (len(await office.inbox(ALEX)), len(await replies(office))) == (1, 1)


async def test_others_get_the_words_for_others(office: Office) -> None:
    await leave(office)
    await deliver(office, 2, from_=ZOE, sender=ZOE)
    ((_, envelope, data),) = office.one.taken
    assert (envelope.sender, envelope.recipients) == ("", (ZOE.address,))
    assert b"Away, out" in data


async def test_others_are_not_answered_when_they_are_no_audience(office: Office) -> None:
    await leave(office, replies=AutomaticReplies("alwaysEnabled", "contactsOnly", "in", "out"))
    await deliver(office, 1, from_=ZOE, sender=ZOE)
    assert office.one.taken == []


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": (Header("Auto-Submitted", "auto-generated"),)},
        {"headers": (Header("Precedence", "list"),)},
        {"headers": (Header("List-Id", "<x.y>"),)},
        {"headers": (Header("X-Auto-Response-Suppress", "OOF"),)},
    ],
)
async def test_what_is_automatic_is_not_answered(office: Office, fields: dict[str, Any]) -> None:
    await leave(office)
    await deliver(office, 1, **fields)
    assert [each.mailbox_id for each in await office.queue()] == [ADELE.mailbox_id]


async def test_nobody_is_answered_before_and_after_a_schedule(office: Office) -> None:
    start, end = ZonedTime("2101-01-01T00:00:00"), ZonedTime("2101-01-02T00:00:00")
    await leave(office, replies=AutomaticReplies("scheduled", "all", "Away", "Away", start, end))
    await deliver(office, 1)
    assert await replies(office) == []


async def test_a_schedule_is_in_its_own_time_zone(office: Office) -> None:
    def local(hours: float) -> ZonedTime:
        at = to_datetime(office.clock.now() + int(hours * HOUR) * SECOND)
        return ZonedTime(
            at.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%dT%H:%M:%S"), "Tokyo Standard Time"
        )

    await leave(office, replies=AutomaticReplies("scheduled", "all", "Away", "Away", local(1), local(2)))
    await deliver(office, 1)
    assert await replies(office) == []
    await office.clock.advance(HOUR)
    await deliver(office, 3)
    assert len(await replies(office)) == 1
    await office.clock.advance(HOUR)
    await office.store.write(lambda tx: preferences.forget_answers(tx, ALEX.mailbox_id))
    await deliver(office, 4)
    assert len(await replies(office)) == 1


async def test_two_who_are_away_and_forward_to_each_other_come_to_rest(office: Office) -> None:
    for box, other in ((ADELE, ALEX), (ALEX, ADELE)):
        await leave(office, box)
        actions = Actions(forward_to=(Address(other.address),), redirect_to=(Address(other.address),))
        entry = Entry("f", "f", Rule(name="f", sequence=1, is_enabled=True, actions=actions))
        await office.store.write(
            lambda tx, box=box, entry=entry: preferences.add(tx, box.mailbox_id, Kind.RULE, entry)
        )
    await deliver(office, 4)  # the message, a forward, a redirection, the reply
    await office.settle_down()
    subjects = sorted(each.message.subject for each in await office.inbox(ADELE))
    assert [subject[:15] for subject in subjects] == ["Automatic reply", "FW: Lunch", "Lunch"]
    assert len(await office.queue()) == 4


async def test_a_rule_that_deletes_for_good_leaves_nothing_to_answer(office: Office) -> None:
    await leave(office)
    rule = Rule(name="r", sequence=1, is_enabled=True, actions=Actions(permanent_delete=True))
    await office.store.write(
        lambda tx: preferences.add(tx, ALEX.mailbox_id, Kind.RULE, Entry("r", "r", rule))
    )
    await deliver(office, 1)
    assert await replies(office) == []


async def test_strangers_cannot_make_it_answer_without_end(office: Office) -> None:
    await leave(office)

    def fill(tx: Any) -> bool:
        return all(
            preferences.note_answer(tx, ALEX.mailbox_id, f"{number}@one.test", 1)
            for number in range(MOST_ANSWERED)
        )

    assert await office.store.write(fill)
    await deliver(office, 1)
    assert await replies(office) == []


async def test_a_reply_that_cannot_be_delivered_is_told_to_nobody(office: Office) -> None:
    await leave(office)
    office.one.says(NEVER)
    await deliver(office, 2, from_=ZOE, sender=ZOE)
    assert len(office.one.taken) == 1
    assert [each.message.subject for each in await office.inbox(ALEX)] == ["Lunch"]


async def test_of_two_nodes_one_answers(make_nodes: MakeOffice) -> None:
    one, two = make_nodes(), make_nodes()
    await furnish(one.store)
    await leave(one)
    for node in (one, two):
        await node.worker.start()
    others = [Address(f"p{number}@two.test") for number in range(5)]
    await asyncio.gather(
        *(
            node.send(ALEX.address, from_=author, sender=author)
            for author in (*others, *reversed(others))
            for node in (one, two)
        )
    )
    await one.until_done(20 + len(others))
    answered = sorted(address for node in (one, two) for address in node.two.addresses)
    assert answered == [each.address for each in others]
