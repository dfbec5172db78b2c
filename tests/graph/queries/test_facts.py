"""Filters that no column answers: recipients, bodies, extended properties."""

import pytest
from tests.graph.shelf import RICH, SENT_COUNT, Shelf, message_id

from graphpost.errors import AccessDenied, BadRequest
from graphpost.graph.messages import listing
from graphpost.graph.messages.reading import count_messages, list_messages

KEYS = "StringArray {00020329-0000-0000-C000-000000000046} Name Keys"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    opened = Shelf(tmp_path_factory.mktemp("shelf"))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "condition",
    [
        "toRecipients/any(r:r/emailAddress/address eq 'T@EXAMPLE.com')",
        "ccRecipients/Any(r: startswith(r/emailAddress/name,'cle'))",
        "bccRecipients/any(r:r/emailAddress/address eq 'b@example.com' and r/emailAddress/name eq 'Bo')",
        "replyTo/any(r:contains(r/emailAddress/address,'r@')) and isRead",
        "toRecipients/all(r:r/emailAddress/name eq 'Tim') and toRecipients/any() and subject eq 'everything'",
        "contains(body/content,'CID:LOGO')",
        "body/contentType eq 'html'",
        "bodyPreview eq 'hi'",
        "sender/emailAddress/name eq 'sam'",
        "isDeliveryReceiptRequested eq true and importance eq 'low'",
        "isReadReceiptRequested and receivedDateTime ge 2026-01-01",
        "attachments/any(a:a/name eq 'A.TXT' and a/size le 5)",
        "attachments/any(a:a/isInline)",
        "internetMessageHeaders/any(h:h/name eq 'x-one' and h/value eq '1')",
        "categories/any(c:startswith(c,'r') and endswith(c,'ed')) and flag/flagStatus eq 'flagged'"
        " and importance eq 'low'",
        "singleValueExtendedProperties/Any(ep: ep/id eq 'integer 0x0036' and ep/value eq '2')",
        "singleValueExtendedProperties/any(ep:ep/id eq 'Integer 0x36' and cast(ep/value, Edm.Int32) gt 1)",
        "singleValueExtendedProperties/any(ep:ep/id eq 'Integer 0x36' and ep/value ne null)",
        f"multiValueExtendedProperties/any(ep:ep/id eq '{KEYS}' and ep/value/any(v:v eq 'B'))",
        "(contains(body/content,'nothing') or subject eq 'Everything')",
        "not (body/contentType eq 'text' or isRead eq false)",
    ],
)
@pytest.mark.parametrize("place", [{}, {"folder": "deleteditems"}])
def test_a_message_is_found_by_what_it_says(shelf: Shelf, condition: str, place: dict[str, str]) -> None:
    answer = shelf.call(list_messages, f"$count=true&$filter={condition.replace('&', '%26')}", **place)
    found = [] if place else [message_id(RICH)]
    assert [value["id"] for value in answer.values] == found
    assert answer.json["@odata.count"] == len(found)


@pytest.mark.parametrize(
    "condition",
    [
        "toRecipients/any(r:r/emailAddress/nosuch eq 'x')",
        "toRecipients/any(r:isRead or r/nosuch eq 1)",
        "toRecipients/any(r:r eq 'x')",
        "toRecipients/any(r:r/emailAddress eq 'x')",
        "toRecipients eq 'x'",
        "contains(toRecipients,'x')",
        "contains(body,'x')",
        "body/nosuch eq 'x'",
        "uniqueBody/content eq 'x'",
        "indexof(bodyPreview,'x') eq 1",
        "singleValueExtendedProperties/any(ep:ep/id eq 'nonsense')",
        "singleValueExtendedProperties/any(ep:ep/id eq 5)",
        "singleValueExtendedProperties/any(ep:cast(ep/value,Edm.Nonsense) eq 1)",
        "subject eq 'x' or webLink eq 'x'",
        "bodyPreview gt 5",
        "bodyPreview eq 'x'" + " or isRead" * 501,
    ],
)
def test_what_cannot_be_asked_is_400(shelf: Shelf, condition: str) -> None:
    for handler in (list_messages, count_messages):
        with pytest.raises(BadRequest) as caught:
            shelf.call(handler, f"$filter={condition}")
        assert caught.value.code == "ErrorInvalidUrlQueryFilter"


def test_many_conditions_are_answered_together(shelf: Shelf) -> None:
    condition = "body/contentType eq 'html'" + " or subject eq 'none'" * 490
    assert len(shelf.call(list_messages, f"$filter={condition}").values) == 1


@pytest.mark.parametrize("condition", ["contains(body/content,'x')", "attachments/any(a:a/name eq 'x')"])
def test_a_token_without_bodies_asks_nothing_about_them(shelf: Shelf, condition: str) -> None:
    with pytest.raises(AccessDenied):
        shelf.call(list_messages, f"$filter={condition}", permissions=frozenset({"Mail.ReadBasic"}))


@pytest.mark.parametrize("order", ["", "receivedDateTime desc", "importance desc,subject,sentDateTime desc"])
@pytest.mark.parametrize("chunk", [7, 1000])
def test_pages_are_those_of_one_long_list(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, order: str, chunk: int
) -> None:
    monkeypatch.setattr(listing, "CHUNK", chunk)
    query = "$select=subject&$filter=contains(body/content,'body of 1') and isRead" + (
        f"&$orderby={order}" if order else ""
    )
    whole = shelf.call(list_messages, query + "&$top=1000")
    pages = shelf.pages(list_messages, query + "&$top=7")
    assert len(whole.values) > SENT_COUNT
    assert [value for page in pages for value in page] == whole.values
    assert shelf.call(list_messages, query + "&$top=7&$skip=20").values == whole.values[20:27]
    count = shelf.call(count_messages, "$filter=contains(body/content,'body of 1') and isRead")
    assert int(count.raw) == len(whole.values)


def test_a_sorted_page_far_away_is_too_much(shelf: Shelf) -> None:
    with pytest.raises(BadRequest) as caught:
        shelf.call(list_messages, "$filter=body/contentType eq 'text'&$orderby=subject&$skip=50000")
    assert caught.value.code == "InefficientFilter"
