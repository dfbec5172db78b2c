"""Reading messages: lists, pages, filters, entities, MIME."""

from urllib.parse import quote

import pytest
from tests.graph.shelf import (
    ADELE,
    ALEX,
    ALEXS,
    BASE,
    CONVERSATION,
    DRAFT,
    HIDDEN,
    INBOX_COUNT,
    MIME,
    PROJECT,
    RAW,
    RICH,
    SENT_COUNT,
    Shelf,
    folder_id,
    message_id,
    query_of,
)

from graphpost.errors import AccessDenied, BadRequest, GraphError, NotFound
from graphpost.graph.messages.reading import count_messages, get_message, get_message_value, list_messages
from graphpost.ids import conversation_id_text

ALL = INBOX_COUNT + SENT_COUNT + 3
CONTEXT = f"{BASE}/$metadata#users('{ADELE.object_id}')"
BASIC = frozenset({"Mail.ReadBasic", "Mail.Send"})
DEFAULT_KEYS = [
    "@odata.etag",
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "receivedDateTime",
    "sentDateTime",
    "hasAttachments",
    "internetMessageId",
    "subject",
    "bodyPreview",
    "importance",
    "parentFolderId",
    "conversationId",
    "conversationIndex",
    "isDeliveryReceiptRequested",
    "isReadReceiptRequested",
    "isRead",
    "isDraft",
    "webLink",
    "inferenceClassification",
    "body",
    "sender",
    "from",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "replyTo",
    "flag",
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    opened = Shelf(tmp_path_factory.mktemp("shelf"))
    yield opened
    opened.close()


def subjects(answer):
    return [value["subject"] for value in answer.values]


def test_a_list_is_the_ten_newest(shelf):
    answer = shelf.call(list_messages)
    assert list(answer.json) == ["@odata.context", "@odata.nextLink", "value"]
    assert answer.json["@odata.context"] == f"{CONTEXT}/messages"
    assert answer.json["@odata.nextLink"].startswith(f"{BASE}/me/messages?$skip=10&$skiptoken=")
    assert subjects(answer)[:2] == ["Report 199", "Invoice 198"]
    assert len(answer.values) == 10


def test_pages_have_every_message_once(shelf):
    pages = shelf.pages(list_messages, "$top=100&$select=subject")
    assert [len(page) for page in pages] == [100, 100, ALL - 200]
    assert len({value["id"] for page in pages for value in page}) == ALL


def test_the_next_link_repeats_the_query(shelf):
    answer = shelf.call(
        list_messages, "%24filter=subject+eq+%27a%26b%27+or+isRead&$top=5&$count=true&other=%C3%A9"
    )
    query = query_of(answer.json["@odata.nextLink"])
    assert query.pop("$skiptoken")
    assert query == {
        "$filter": "subject eq 'a&b' or isRead",
        "$top": "5",
        "$count": "true",
        "other": "é",
        "$skip": "5",
    }


def test_the_last_page_has_no_next_link(shelf):
    assert "@odata.nextLink" not in shelf.call(list_messages, f"$top=3&$skip={ALL - 3}").json
    assert "@odata.nextLink" not in shelf.call(list_messages, f"$skip={ALL + 5}").json


def test_a_folder_is_read_by_name_in_any_case_and_by_id(shelf):
    by_name = shelf.call(list_messages, "$count=true", folder="InBox")
    by_id = shelf.call(list_messages, "$count=true", folder=folder_id(6))
    assert by_name.values == by_id.values
    assert by_name.json["@odata.count"] == by_id.json["@odata.count"] == INBOX_COUNT
    assert by_name.json["@odata.context"] == f"{CONTEXT}/mailFolders('InBox')/messages"


def test_the_count_is_of_what_the_filter_finds(shelf):
    answer = shelf.call(list_messages, "$count=true&$filter=importance eq 'high'&$top=2", folder="inbox")
    assert answer.json["@odata.count"] == INBOX_COUNT // 10
    assert list(answer.json)[:2] == ["@odata.context", "@odata.count"]


@pytest.mark.parametrize(
    ("query", "captures", "count"),
    [
        ("", {}, ALL),
        ("", {"folder": "sentitems"}, SENT_COUNT),
        ("$filter=isRead eq false", {"folder": "inbox"}, INBOX_COUNT // 4),
    ],
)
def test_the_count_alone_is_text(shelf, query, captures, count):
    answer = shelf.call(count_messages, query, **captures)
    assert (answer.raw, answer.content_type) == (str(count).encode(), "text/plain")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("isRead eq false", 50),
        ("not isRead", 50),
        ("isread EQ false and subject eq 'invoice 8'", 1),
        ("receivedDateTime ge 2026-01-02T00:00:00Z", 176),
        ("receivedDateTime ge 2026-01-02 and receivedDateTime lt 2026-01-03", 24),
        ("from/emailAddress/address eq 'SENDER1@example.com'", 40),
        ("(from/emailAddress/address) eq 'sender1@example.com'", 40),
        ("from/emailAddress/name eq 'Sender 1'", 40),
        ("sender/emailAddress/address eq 'sender1@example.com'", 40),
        ("internetMessageId eq '<7@example.com>'", 1),
        ("startswith(subject,'report')", 100),
        ("contains(subject,'voice 19')", 5),
        ("importance eq 'high'", 20),
        ("importance in ('high','low')", 20),
        ("flag/flagStatus eq 'flagged'", 8),
        ("categories/any(c:c eq 'blue & co')", 10),
        ("categories/any(c:startswith(c,'R'))", 10),
        ("isDraft eq true", 0),
        ("hasAttachments eq true", 0),
        ("inferenceClassification eq 'focused'", 200),
        (f"conversationId eq '{conversation_id_text(ADELE.object_id, CONVERSATION)}'", 4),
        ("conversationId eq 'nonsense'", 0),
        (f"parentFolderId eq '{folder_id(6)}'", 200),
        ("parentFolderId eq 'inbox'", 200),
        ("parentFolderId eq 'nonsense'", 0),
    ],
)
def test_messages_are_filtered(shelf, text, count):
    answer = shelf.call(list_messages, f"$filter={quote(text)}&$count=true", folder="inbox")
    assert answer.json["@odata.count"] == count


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("$orderby=receivedDateTime", "Invoice 0"),
        ("$orderby=receivedDateTime asc", "Invoice 0"),
        ("$orderby=receivedDateTime desc", "Report 199"),
        ("$orderby=from/emailAddress/name desc,receivedDateTime desc", "Report 199"),
        ("$orderby=importance desc,subject", "Invoice 0"),
        ("$orderby=" + ",".join(f"a.x{n}/receivedDateTime desc" for n in range(3000)), "Report 199"),
        ("$filter=isRead eq true&$orderby=receivedDateTime desc", "Report 199"),
        ("$filter=isRead eq true", "Report 1"),  # the oldest first, as Graph documents it
    ],
)
def test_messages_are_ordered(shelf, query, first):
    assert subjects(shelf.call(list_messages, query, folder="inbox"))[0] == first


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("$filter=subject eq", "BadRequest"),
        ("$filter=nosuch eq 'x'", "BadRequest"),
        ("$filter=mentionsPreview eq null", "BadRequest"),
        ("$filter=body eq 'x'", "ErrorInvalidUrlQueryFilter"),
        ("$filter=toRecipients/any(r:r/emailAddress/nosuch eq 'x')", "ErrorInvalidUrlQueryFilter"),
        ("$filter=from eq 'x'", "ErrorInvalidUrlQueryFilter"),
        ("$filter=subject/x eq 'x'", "ErrorInvalidUrlQueryFilter"),
        ("$filter=isRead eq 'yes'", "ErrorInvalidUrlQueryFilter"),
        ("$filter=webLink eq 'x'", "ErrorInvalidUrlQueryFilter"),
        ("$orderby=body", "ErrorInvalidUrlQuery"),
        ("$orderby=categories", "ErrorInvalidUrlQuery"),
        ("$orderby=nosuch", "BadRequest"),
        ("$select=nosuch", "BadRequest"),
        ("$select=unsubscribeData", "BadRequest"),
        ("$expand=nosuch", "ExpandNotSupported"),
        ("$expand=subject", "ExpandNotSupported"),
        ("$expand=attachments/x", "ExpandNotSupported"),
        ("$expand=attachments($select=nosuch)", "BadRequest"),
        ("$expand=singleValueExtendedProperties", "ErrorInvalidUrlQueryFilter"),
        ("$expand=singleValueExtendedProperties($filter=value eq 'x')", "ErrorInvalidUrlQueryFilter"),
        ("$expand=singleValueExtendedProperties($filter=id eq 'x')", "ErrorInvalidUrlQueryFilter"),
        ("$top=0", "BadRequest"),
        ("$top=1001", "BadRequest"),
        ("$search=x&$filter=isRead", "SearchWithFilter"),
    ],
)  # fmt: skip
def test_a_bad_query_is_400(shelf, query, code):
    with pytest.raises(BadRequest) as caught:
        shelf.call(list_messages, query)
    assert caught.value.code == code


def test_a_token_without_bodies_searches_nothing(shelf):
    with pytest.raises(AccessDenied):
        shelf.call(list_messages, "$search=x", permissions=frozenset({"Mail.ReadBasic"}))


def test_an_unknown_property_is_named(shelf):
    with pytest.raises(BadRequest) as caught:
        shelf.call(list_messages, "$select=subject,foo")
    assert "Could not find a property named 'foo' on type 'microsoft.graph.message'." in caught.value.message


def test_a_message_has_every_property_in_order(shelf):
    answer = shelf.call(get_message, message=message_id(RICH))
    assert list(answer.json) == ["@odata.context", *DEFAULT_KEYS]
    value = answer.json
    assert value["@odata.context"] == f"{CONTEXT}/messages/$entity"
    assert value["@odata.etag"] == f'W/"{value["changeKey"]}"' == answer.headers["ETag"]
    assert value["changeKey"].startswith("CQAAABYAAA")
    assert value["id"] == message_id(RICH)
    assert value["createdDateTime"] == "2026-01-01T00:00:01Z"
    assert value["lastModifiedDateTime"] == "2026-01-01T00:00:02Z"
    assert value["receivedDateTime"] == "2026-01-01T00:00:03Z"
    assert value["sentDateTime"] == "2026-01-01T00:00:04Z"
    assert value["parentFolderId"] == folder_id(PROJECT)
    assert value["conversationId"] == conversation_id_text(ADELE.object_id, CONVERSATION)
    assert value["conversationIndex"] == "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=="
    assert value["from"] == {"emailAddress": {"name": "a@example.com", "address": "a@example.com"}}
    assert value["bccRecipients"] == [{"emailAddress": {"name": "Bo", "address": "b@example.com"}}]
    assert value["replyTo"] == [{"emailAddress": {"name": "Rea", "address": "r@example.com"}}]
    assert value["hasAttachments"] is True
    assert value["isDeliveryReceiptRequested"] is True
    assert value["importance"] == "low"
    assert value["inferenceClassification"] == "other"
    assert value["flag"] == {
        "flagStatus": "flagged",
        "dueDateTime": {"dateTime": "2026-01-02T00:00:00.5000000", "timeZone": "W. Europe Standard Time"},
        "startDateTime": {"dateTime": "2026-01-01T00:00:00.0000000", "timeZone": "UTC"},
    }
    assert value["body"] == {
        "contentType": "html",
        "content": '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head>'
        '<body><p>Hi <img src="cid:logo"></p></body></html>',
    }


def test_beta_has_more(shelf):
    value = shelf.call(get_message, version="beta", message=message_id(RICH)).json
    assert value["unsubscribeData"] == ["mailto:u@example.com"]
    assert value["unsubscribeEnabled"] is True
    assert "mentionsPreview" in value


def test_a_draft_without_sender_has_nulls(shelf):
    value = shelf.call(get_message, message=message_id(DRAFT, 2)).json
    assert value["sender"] is value["from"] is None
    assert value["subject"] == ""
    assert value["body"] == {"contentType": "text", "content": "a < b\nc"}
    assert value["sentDateTime"] is None


def test_select_keeps_the_order_and_the_id(shelf):
    answer = shelf.call(get_message, "$select=FROM,subject,body,from", message=message_id(RICH))
    assert list(answer.json) == ["@odata.context", "@odata.etag", "id", "subject", "body", "from"]
    assert answer.json["@odata.context"] == f"{CONTEXT}/messages(from,subject,body)/$entity"


def test_headers_and_the_unique_body_come_when_selected(shelf):
    value = shelf.call(
        get_message, "$select=internetMessageHeaders,uniqueBody", message=message_id(RICH)
    ).json
    assert value["internetMessageHeaders"] == [
        {"name": "x-one", "value": "1"},
        {"name": "X-Two", "value": "2"},
    ]
    assert value["uniqueBody"]["contentType"] == "html"


@pytest.mark.parametrize(
    ("number", "moves", "wanted", "kind", "content"),
    [
        (RICH, 0, "text", "text", None),
        (DRAFT, 2, "text", "text", "a < b\nc"),
        (DRAFT, 2, "html", "html", '<div class="PlainText">a &lt; b<br>\r\nc</div>'),
    ],
)
def test_the_body_comes_in_the_preferred_form(shelf, number, moves, wanted, kind, content):
    preference = f'outlook.body-content-type="{wanted}"'
    answer = shelf.call(get_message, headers={"prefer": preference}, message=message_id(number, moves))
    assert answer.headers["Preference-Applied"] == preference
    body = answer.json["body"]
    assert body["contentType"] == kind
    assert "<html>" not in body["content"] if kind == "text" else "<html>" in body["content"]
    if content:
        assert content in body["content"]


def test_ids_are_immutable_on_demand_and_resolve_either_way(shelf):
    headers = {"prefer": 'outlook.timezone="UTC", IdType="ImmutableId"'}
    listed = shelf.call(list_messages, "$filter=isDraft eq true", headers=headers)
    immutable = listed.values[0]["id"]
    assert immutable == message_id(DRAFT, immutable=True)
    assert shelf.call(get_message, message=immutable).json["id"] == message_id(DRAFT, 2)
    assert shelf.call(get_message, headers=headers, message=message_id(DRAFT, 2)).json["id"] == immutable


@pytest.mark.parametrize(
    ("text", "error", "code"),
    [
        ("nonsense", BadRequest, "ErrorInvalidIdMalformed"),
        (message_id(RICH).lower(), BadRequest, "ErrorInvalidIdMalformed"),
        (folder_id(6), BadRequest, "ErrorInvalidIdMalformed"),
        (message_id(2**63), BadRequest, "ErrorInvalidIdMalformed"),
        (message_id(2**64 - 1, immutable=True), BadRequest, "ErrorInvalidIdMalformed"),
        (message_id(77_777), NotFound, "ErrorItemNotFound"),
        (message_id(DRAFT, 1), NotFound, "ErrorItemNotFound"),
        (message_id(HIDDEN), NotFound, "ErrorItemNotFound"),
        (message_id(HIDDEN, immutable=True), NotFound, "ErrorItemNotFound"),
        (message_id(ALEXS, box=ALEX), NotFound, "ErrorItemNotFound"),
        (message_id(ALEXS), NotFound, "ErrorItemNotFound"),
    ],
)
@pytest.mark.parametrize("handler", [get_message, get_message_value])
def test_an_id_that_names_nothing_is_refused(shelf, handler, text, error, code):
    with pytest.raises(error) as caught:
        shelf.call(handler, message=text)
    assert caught.value.code == code


def test_a_message_is_found_in_its_folder_only(shelf):
    assert shelf.call(get_message, message=message_id(RICH), folder=folder_id(PROJECT)).status == 200
    with pytest.raises(NotFound):
        shelf.call(get_message, message=message_id(RICH), folder="inbox")


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        ("nofolder", "ErrorInvalidIdMalformed"),
        (folder_id(77_777), "ErrorItemNotFound"),
        (folder_id(0), "ErrorItemNotFound"),
        (folder_id(6, ALEX), "ErrorItemNotFound"),
    ],
)
@pytest.mark.parametrize("handler", [list_messages, count_messages])
def test_a_folder_that_is_not_there_is_refused(shelf, handler, folder, code):
    with pytest.raises(GraphError) as caught:
        shelf.call(handler, folder=folder)
    assert caught.value.code == code


def test_read_basic_sees_no_bodies(shelf):
    value = shelf.call(get_message, permissions=BASIC, message=message_id(RICH)).json
    assert set(DEFAULT_KEYS) - set(value) == {"body", "bodyPreview"}


@pytest.mark.parametrize(
    "query", ["$select=body", "$select=subject,bodyPreview", "$select=uniqueBody", "$expand=attachments"]
)
def test_read_basic_may_not_ask_for_bodies(shelf, query):
    with pytest.raises(AccessDenied) as caught:
        shelf.call(list_messages, query, permissions=BASIC)
    assert caught.value.code == "ErrorAccessDenied"


def test_attachments_are_expanded_with_their_bytes(shelf):
    value = shelf.call(get_message, "$select=subject&$expand=attachments", message=message_id(RICH)).json
    assert value["@odata.context"] == f"{CONTEXT}/messages(subject,attachments())/$entity"
    assert list(value)[-2:] == ["subject", "attachments"]
    assert [each["name"] for each in value["attachments"]] == [
        "a.txt",
        "groß.bin",
        "As it came",
        "l.png",
        "Link",
    ]
    assert value["attachments"][0]["contentBytes"] == "aGVsbG8="


def test_expanded_attachments_have_what_is_selected(shelf):
    answer = shelf.call(
        list_messages, "$select=id&$expand=attachments($select=id,name)&$filter=hasAttachments eq true"
    )
    assert [
        set(each) - {"@odata.type", "@odata.mediaContentType"} for each in answer.values[0]["attachments"]
    ] == [{"id", "name"}] * 5
    assert answer.json["@odata.context"].endswith("/messages(id,attachments(id,name))")


def test_extended_properties_are_expanded_by_id(shelf):
    single = "$expand=singleValueExtendedProperties($filter=id eq 'integer 0x0036' or id eq 'String 0x1042')"
    value = shelf.call(get_message, single, message=message_id(RICH)).json
    assert value["singleValueExtendedProperties"] == [{"id": "Integer 0x36", "value": "2"}]
    multi = (
        "$expand=extensions,multiValueExtendedProperties"
        "($filter=id eq 'StringArray {00020329-0000-0000-C000-000000000046} Name Keys')"
    )
    value = shelf.call(get_message, multi, message=message_id(RICH)).json
    assert value["multiValueExtendedProperties"][0]["value"] == ["a", "b"]
    assert value["extensions"] == []
    assert (
        "singleValueExtendedProperties" not in shelf.call(get_message, single, message=message_id(RAW)).json
    )


def test_mime_comes_as_it_was(shelf):
    answer = shelf.call(get_message_value, message=message_id(RAW))
    assert answer.raw == MIME
    assert answer.content_type == "text/plain"


def test_mime_is_composed_with_bcc(shelf):
    answer = shelf.call(get_message_value, message=message_id(DRAFT, 2))
    assert b"Bcc: b@example.com" in answer.raw or b"Bcc: <b@example.com>" in answer.raw


def test_a_context_names_the_user_as_the_path_did(shelf):
    answer = shelf.call(list_messages, "$top=1", user_key="AdeleV@contoso.test")
    assert answer.json["@odata.context"] == f"{BASE}/$metadata#users('AdeleV%40contoso.test')/messages"
    answer = shelf.call(list_messages, box=ALEX, user_key="o'alex@contoso.test")
    assert "users('o%27%27alex%40contoso.test')" in answer.json["@odata.context"]
