"""The conversation index and the topic."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime

import pytest

from graphpost.clock import SECOND, from_datetime
from graphpost.mail.thread import (
    ancestry,
    answering_index,
    child_index,
    conversation_named,
    conversation_of,
    conversation_of_topic,
    is_index,
    new_index,
    topic,
)

GUID = bytes(range(16))
NOON = from_datetime(datetime(2024, 2, 9, 12, tzinfo=UTC))
DAY = 86_400 * SECOND


def test_a_new_index_is_a_header_of_22_bytes_that_begins_with_01_01() -> None:
    index = new_index(NOON, GUID)
    assert len(index) == 22
    assert index[:2] == b"\x01\x01"
    assert index[6:] == GUID


def test_the_time_in_an_index_is_that_of_a_real_sample() -> None:
    sample = b64decode("AQHaWz2nB6oiCvmLzkCRa1GT+9U0Qg==")
    made = new_index(from_datetime(datetime(2024, 2, 9, 9, 52, 12, tzinfo=UTC)), sample[6:])
    assert made[:5] == sample[:5]
    assert abs(made[5] - sample[5]) <= 1


def test_a_conversation_is_named_by_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        new_index(NOON, b"short")


def test_every_reply_adds_five_bytes_and_keeps_the_conversation() -> None:
    first = new_index(NOON, GUID)
    second = child_index(first, NOON + SECOND)
    third = child_index(second, NOON + 2 * SECOND, salt=7)
    assert (len(second), len(third)) == (27, 32)
    assert third.startswith(second)
    assert conversation_of(third) == GUID
    assert third[-1] == 7 << 4 | 1


def test_a_reply_tells_the_time_since_the_beginning() -> None:
    index = new_index(NOON, GUID)
    ticks = int.from_bytes(child_index(index, NOON + DAY)[22:26], "big")
    assert ticks >> 31 == 0
    assert abs((ticks << 18) // 10_000_000 - 86_400) < 3


def test_a_reply_after_years_uses_the_coarse_unit() -> None:
    index = new_index(NOON, GUID)
    ticks = int.from_bytes(child_index(index, NOON + 1000 * DAY)[22:26], "big")
    assert ticks >> 31 == 1
    assert abs(((ticks & 0x7FFFFFFF) << 23) // 10_000_000 - 86_400_000) < 3


def test_a_reply_before_the_beginning_counts_as_at_once() -> None:
    assert child_index(new_index(NOON, GUID), NOON - DAY)[22:26] == bytes(4)


def test_the_desktop_variant_is_read_too() -> None:
    filetime = (NOON * 10 + 116_444_736_000_000_000).to_bytes(8, "big")
    desktop = filetime[:6] + GUID
    assert conversation_of(desktop) == GUID
    ticks = int.from_bytes(child_index(desktop, NOON + DAY)[22:26], "big")
    assert abs((ticks << 18) // 10_000_000 - 86_400) < 3


@pytest.mark.parametrize("index", [b"", b"\x01" * 21, b"\x01" * 23, b"\x02" * 22])
def test_other_bytes_are_not_an_index(index: bytes) -> None:
    assert not is_index(index)
    assert conversation_of(index) is None
    with pytest.raises(ValueError, match="not a conversation index"):
        child_index(index, NOON)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Meet for lunch?", "Meet for lunch?"),
        ("RE: Meet", "Meet"),
        ("Re: FW: fwd: AW: Meet", "Meet"),
        ("re:Meet", "Meet"),
        ("9/9/2018: concert", "9/9/2018: concert"),
        ("a:b", "a:b"),
        ("Note: this", "Note: this"),
        ("RE: ", ""),
        ("", ""),
    ],
)
def test_the_topic_is_the_subject_without_prefixes(subject: str, expected: str) -> None:
    assert topic(subject) == expected


def test_messages_of_one_topic_belong_together() -> None:
    assert conversation_of_topic("RE: Meet") == conversation_of_topic("meet")
    assert len(conversation_of_topic("x")) == 16
    assert conversation_of_topic("a") != conversation_of_topic("b")


NAMING = f"<{'0' * 15}a.12345678.{GUID.hex()}@contoso.test>"


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ([NAMING], GUID),
        (["", "<other@x>", NAMING], GUID),
        ([NAMING, NAMING.replace(GUID.hex(), "f" * 32)], GUID),
        ([], None),
        ([""], None),
        ([NAMING + "x"], None),
        ([NAMING.upper()], None),
        ([NAMING.replace(".12345678", "")], None),
        ([NAMING.replace("contoso.test", "")], None),
        ([NAMING.replace("@", "@" * 300)], None),
    ],
)
def test_a_conversation_may_be_named_in_a_message_id(ids: list[str], found: bytes | None) -> None:
    assert conversation_named(ids) == found


def test_an_answering_index_goes_on_where_there_is_one() -> None:
    begun = new_index(NOON, GUID)
    assert answering_index(begun, GUID, NOON) == child_index(begun, NOON)
    assert answering_index(begun, b"", NOON) == child_index(begun, NOON)


@pytest.mark.parametrize(
    "parent", [b"", b"\1", new_index(NOON, bytes(16)), new_index(NOON, GUID) + bytes(5 * 101)]
)
def test_an_answering_index_begins_anew_in_the_conversation_where_there_is_none(parent: bytes) -> None:
    assert answering_index(parent, GUID, NOON) == child_index(new_index(NOON, GUID), NOON)


MANY = [f"<{number}@x>" for number in range(100)]


@pytest.mark.parametrize(
    ("message_id", "references", "in_reply_to", "expected"),
    [
        ("<b@x>", [], "", ["<b@x>"]),
        ("<b@x>", ["<a@x>"], "<other@x>", ["<a@x>", "<b@x>"]),
        ("<b@x>", [], "<a@x>", ["<a@x>", "<b@x>"]),
        ("<b@x>", ["<b@x>", "<a@x>", "<a@x>"], "", ["<a@x>", "<b@x>"]),
        ("b@x", [], "", ["<b@x>"]),
        ("", ["<a@x>"], "", ["<a@x>"]),
        ("<b c@x>", ["<ü@x>", "<a@x><c@x>", "<a\r\n@x>", "<" + "a" * 901 + ">"], "", []),
        ("<b@x>", MANY[:48], "", [*MANY[:48], "<b@x>"]),
        ("<b@x>", MANY, "", [MANY[0], *MANY[-48:], "<b@x>"]),
    ],
)
def test_the_references_of_an_answer_end_with_what_it_answers(
    message_id: str, references: list[str], in_reply_to: str, expected: list[str]
) -> None:
    assert list(ancestry(message_id, references, in_reply_to)) == expected
