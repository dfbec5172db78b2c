"""What a JSON message body may look like, and what is read from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.desk import NOW

from graphpost.config import LimitSettings
from graphpost.errors import BadRequest
from graphpost.graph.bodies.extended import normalise_property_id
from graphpost.graph.bodies.message import read_fields, read_message
from graphpost.graph.bodies.reading import Reading
from graphpost.graph.bodies.values import fold
from graphpost.graph.schema import MESSAGE, Write
from graphpost.ids import Numbers
from graphpost.mail.message import Address, Body, ExtendedProperty, Flag, Header, ZonedTime


def reading() -> Reading:
    return Reading(LimitSettings(), Numbers(lambda: NOW, node=1), NOW)


def read(**members: Any) -> dict[str, Any]:
    return read_fields(fold(members), reading())


def person(address: str | None = None, name: str | None = None) -> dict[str, Any]:
    return {"emailAddress": {"address": address, "name": name}}


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"subject": "Hi"}, {"subject": "Hi"}),
        ({"SUBJECT": "Hi"}, {"subject": "Hi"}),
        ({"subject": "first", "Subject": "last"}, {"subject": "last"}),
        ({"subject": None}, {"subject": ""}),
        ({"subject": "a\r\nBcc: e@v.il"}, {"subject": "a Bcc: e@v.il"}),
        ({"subject": "a\0b\tc"}, {"subject": "a b c"}),
        ({"subject": "Grüße 🎉"}, {"subject": "Grüße 🎉"}),
        ({"id": {"not": "looked at"}, "bodyPreview": 7, "webLink": None, "nonsense": []}, {}),
        ({"@odata.type": "#microsoft.graph.message", "subject@odata.type": "String"}, {}),
        ({"body": None}, {"body": Body()}),
        ({"body": {}}, {"body": Body()}),
        ({"body": {"content": "x"}}, {"body": Body("x", "text")}),
        ({"body": {"contentType": "HTML", "content": "<p>"}}, {"body": Body("<p>", "html")}),
        ({"body": {"ContentType": "html", "Content": "<p>"}}, {"body": Body("<p>", "html")}),
        ({"body": {"contentType": "Text", "content": None}}, {"body": Body("", "text")}),
        ({"body": {"contentType": "String", "content": "x"}}, {"body": Body("x", "text")}),
        ({"body": {"contentType": "", "content": "x"}}, {"body": Body("x", "text")}),
        ({"body": {"contentType": "text", "content": "a\r\nb\0"}}, {"body": Body("a\r\nb\0", "text")}),
        ({"importance": "HIGH"}, {"importance": "high"}),
        ({"importance": "String"}, {}),
        ({"importance": None}, {}),
        ({"inferenceClassification": "Other"}, {"inference": "other"}),
        ({"isReadReceiptRequested": "TRUE"}, {"is_read_receipt_requested": True}),
        ({"isDeliveryReceiptRequested": "false"}, {"is_delivery_receipt_requested": False}),
        ({"isDeliveryReceiptRequested": None}, {}),
        ({"isRead": False}, {"is_read": False}),
        ({"categories": ["Red", "", None, "Blue\n2"]}, {"categories": ("Red", "Blue 2")}),
        ({"categories": None}, {"categories": ()}),
        ({"internetMessageId": "<a.b@c>"}, {"internet_message_id": "<a.b@c>"}),
        ({"internetMessageId": "Internet Message Id value"}, {}),
        ({"internetMessageId": "<a b@c>"}, {}),
        ({"internetMessageId": "<a@c>\r\nBcc: e@v.il"}, {}),
        ({"internetMessageId": "<" + "a" * 1000 + "@c>"}, {}),
        ({"toRecipients": [person("a@x.org", "A")]}, {"to": (Address("a@x.org", "A"),)}),
        ({"ccRecipients": [person(" a@x.org ")]}, {"cc": (Address("a@x.org"),)}),
        ({"BccRecipients": [{"EmailAddress": {"Address": "a@x.org"}}]}, {"bcc": (Address("a@x.org"),)}),
        ({"replyTo": [person("a@x.org", "A\r\nB")]}, {"reply_to": (Address("a@x.org", "A B"),)}),
        ({"toRecipients": []}, {"to": ()}),
        ({"toRecipients": [None, {}, person(), person("", ""), {"@odata.type": "microsoft.graph.recipient"}]}, {"to": ()}),
        ({"from": {"emailAddress": {}}}, {}),
        ({"from": None, "sender": {}}, {}),
        ({"from": person("a@x.org")}, {"from_": Address("a@x.org")}),
        ({"internetMessageHeaders": []}, {"headers": ()}),
        ({"internetMessageHeaders": [{"@odata.type": "x"}, {"name": "", "value": ""}]}, {"headers": ()}),
        ({"internetMessageHeaders": [{"name": "X-A", "value": "ü"}]}, {"headers": (Header("X-A", "ü"),)}),
        ({"internetMessageHeaders": [{"name": "x-a", "value": ""}]}, {"headers": (Header("x-a", ""),)}),
        ({"internetMessageHeaders": [{"name": "X-MS-Exchange-Organization-SCL", "value": "-1"}]}, {"headers": ()}),
        ({"internetMessageHeaders": [{"name": "x-ms-exchange-forest-a", "value": "b"}]}, {"headers": ()}),
        ({"flag": None}, {"flag": Flag()}),
        ({"flag": {"flagStatus": "NotFlagged", "dueDateTime": None, "startDateTime": {}}}, {"flag": Flag()}),
        ({"flag": {"flagStatus": "complete"}}, {"flag": Flag(status="complete")}),
        (
            {"flag": {"startDateTime": {"dateTime": "2026-01-02T03:04", "timeZone": "Europe/Berlin"}}},
            {"flag": Flag(status="flagged", start=ZonedTime("2026-01-02T03:04:00", "Europe/Berlin"))},
        ),
        (
            {"flag": {"completedDateTime": {"dateTime": "2026-01-02T03:04:05.1234567Z"}}},
            {"flag": Flag(completed=ZonedTime("2026-01-02T03:04:05.1234567", "UTC"))},
        ),
        (
            {"singleValueExtendedProperties": [{"id": "integer 0x0036", "value": "2"}]},
            {"extended": (ExtendedProperty("Integer 0x36", "2"),)},
        ),
        (
            {
                "singleValueExtendedProperties": [{"id": "String 0x1045", "value": "<mailto:a@x.org>"}],
                "multiValueExtendedProperties": [{"id": "StringArray 0x1046", "value": ["a", "b"]}],
            },
            {
                "extended": (
                    ExtendedProperty("String 0x1045", "<mailto:a@x.org>"),
                    ExtendedProperty("StringArray 0x1046", ("a", "b")),
                )
            },
        ),
    ],
)  # fmt: skip
def test_members_are_read_leniently(members: dict[str, Any], fields: dict[str, Any]) -> None:
    assert read(**members) == fields


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("String 0x1042", "String 0x1042"),
        ("string 0x001a", "String 0x1A"),
        (" Integer  0x0036 ", "Integer 0x36"),
        ("SystemTime 0x3fef", "SystemTime 0x3FEF"),
        ("StringArray 0x1", "StringArray 0x1"),
        (
            "String {00020386-0000-0000-C000-000000000046} Name X-Foo Bar",
            "String {00020386-0000-0000-c000-000000000046} Name X-Foo Bar",
        ),
        (
            "Integer 00062008-0000-0000-C000-000000000046 id 0x008501",
            "Integer {00062008-0000-0000-c000-000000000046} Id 0x8501",
        ),
    ],
)
def test_extended_ids_have_one_normal_form(text: str, normal: str) -> None:
    assert normalise_property_id(text) == normal
    assert normalise_property_id(normal) == normal


def test_threading_comes_from_extended_properties() -> None:
    message = read_message(
        fold(
            {
                "singleValueExtendedProperties": [
                    {"id": "String 0x1042", "value": "<a@x>\r\nBcc: e@v.il"},
                    {"id": "String 0x1039", "value": "<b@x>\r\n <a@x>"},
                ]
            }
        ),
        reading(),
    )
    assert "\n" not in message.in_reply_to
    assert message.references == ("<b@x>", "<a@x>")


def test_a_message_has_a_preview() -> None:
    message = read_message(
        fold({"body": {"contentType": "html", "content": "<p>Hello <b>you</b></p>"}}), reading()
    )
    assert message.preview == "Hello you"


def test_every_writable_property_is_read_and_no_other() -> None:
    for name, row in MESSAGE.properties.items():
        fields = read(**{name: None})
        assert not fields or row.write is not Write.NEVER, name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(sorted(row.name for row in MESSAGE.properties.values()))
members_of = st.dictionaries(
    st.sampled_from(
        [
            "emailAddress",
            "address",
            "name",
            "value",
            "id",
            "content",
            "contentType",
            "dateTime",
            "timeZone",
            "startDateTime",
            "contentBytes",
            "@odata.type",
            "item",
        ]
    ),
    st.recursive(
        json_values,
        lambda inner: st.dictionaries(
            st.sampled_from(["address", "name", "dateTime", "timeZone", "toRecipients", "attachments"]),
            inner,
            max_size=3,
        ),
    ),
    max_size=4,
)


@given(st.dictionaries(names, json_values | members_of | st.lists(members_of, max_size=3), max_size=5))
def test_whatever_the_body_it_is_read_or_refused_and_never_breaks_a_line(body: dict[str, Any]) -> None:
    body = json.loads(json.dumps(body))
    try:
        message = read_message(fold(body), reading())
    except BadRequest:
        return
    lines = [message.subject, message.internet_message_id, message.in_reply_to, *message.categories]
    lines += [part for a in message.recipients + message.reply_to for part in (a.address, a.name)]
    lines += [part for h in message.headers for part in (h.name, h.value)]
    lines += [
        part for a in message.attachments for part in (a.name, a.content_type, a.content_id, a.source_url)
    ]
    assert not any(bad in line for line in lines for bad in "\r\n\0")
