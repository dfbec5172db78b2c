"""Reading attachments."""

import hashlib
from base64 import b64decode

import pytest
from tests.graph.shelf import (
    ADELE,
    ALEX,
    BASE,
    LARGE,
    MIME,
    RAW,
    RICH,
    Shelf,
    attachment_id,
    folder_id,
    message_id,
)

from graphpost.errors import BadRequest, MethodNotAllowed, NotFound, StoreError
from graphpost.graph.attachments.reading import get_attachment, get_attachment_value, list_attachments
from graphpost.graph.messages.reading import get_message
from graphpost.ids import attachment_id_text

CONTEXT = f"{BASE}/$metadata#users('{ADELE.object_id}')/messages('{message_id(RICH).replace('=', '%3D')}')/attachments"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    opened = Shelf(tmp_path_factory.mktemp("shelf"))
    yield opened
    opened.close()


def test_a_list_has_every_attachment_with_its_type_and_bytes(shelf):
    answer = shelf.call(list_attachments, "$count=true", message=message_id(RICH))
    assert answer.json["@odata.context"] == CONTEXT
    assert answer.json["@odata.count"] == 5
    assert [each["@odata.type"].removeprefix("#microsoft.graph.") for each in answer.values] == [
        "fileAttachment",
        "fileAttachment",
        "itemAttachment",
        "fileAttachment",
        "referenceAttachment",
    ]
    assert b64decode(answer.values[1]["contentBytes"]) == LARGE
    assert b64decode(answer.values[3]["contentBytes"]) == b"hello world"
    assert "contentBytes" not in answer.values[2]
    assert answer.content_type.startswith("application/json;odata.metadata=minimal")


def test_a_message_without_attachments_has_an_empty_list(shelf):
    assert shelf.call(list_attachments, message=message_id(RAW)).values == []


def test_a_list_has_pages_on_demand(shelf):
    answer = shelf.call(list_attachments, "$top=2&$skip=1&$select=name", message=message_id(RICH))
    assert [each["name"] for each in answer.values] == ["groß.bin", "As it came"]
    assert answer.json["@odata.nextLink"].endswith("$top=2&$skip=3&$select=name")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("$filter=isInline eq true", ["l.png"]),
        ("$filter=contentType eq 'TEXT/plain' or size gt 1000", ["a.txt", "groß.bin"]),
        ("$filter=contentId ne null", ["l.png"]),
        ("$filter=lastModifiedDateTime gt 2026-01-01T00:00:01Z&$orderby=name desc&$top=2", ["Link", "l.png"]),
    ],
)
def test_attachments_are_filtered_and_ordered(shelf, query, names):
    answer = shelf.call(list_attachments, query + "&$select=name", message=message_id(RICH))
    assert [each["name"] for each in answer.values] == names
    nested = query.removeprefix("$").replace("&", ";") + ";$select=name"
    if "$top" not in query:
        value = shelf.call(get_message, f"$expand=attachments({nested})", message=message_id(RICH)).json
        assert [each["name"] for each in value["attachments"]] == names


def test_a_file_has_its_properties_in_order(shelf):
    value = shelf.call(get_attachment, message=message_id(RICH), attachment=attachment_id(RICH, 1)).json
    assert value == {
        "@odata.context": CONTEXT + "/$entity",
        "@odata.type": "#microsoft.graph.fileAttachment",
        "@odata.mediaContentType": "text/plain",
        "id": attachment_id(RICH, 1),
        "lastModifiedDateTime": "2026-01-01T00:00:00Z",
        "name": "a.txt",
        "contentType": "text/plain",
        "size": 5,
        "isInline": False,
        "contentId": None,
        "contentLocation": None,
        "contentBytes": "aGVsbG8=",
    }
    assert list(value)[:4] == ["@odata.context", "@odata.type", "@odata.mediaContentType", "id"]
    assert list(value)[-1] == "contentBytes"


def test_select_leaves_the_bytes_out(shelf):
    answer = shelf.call(
        get_attachment, "$select=name,Size", message=message_id(RICH), attachment=attachment_id(RICH, 2)
    )
    assert set(answer.json) - {"@odata.context", "@odata.type", "@odata.mediaContentType"} == {
        "id",
        "name",
        "size",
    }
    assert answer.json["@odata.context"].endswith("/attachments(name,size)/$entity")


def test_a_reference_shows_where_it_points_on_beta(shelf):
    keys = {"message": message_id(RICH), "attachment": attachment_id(RICH, 5)}
    assert "sourceUrl" not in shelf.call(get_attachment, **keys).json
    value = shelf.call(get_attachment, version="beta", **keys).json
    assert value["sourceUrl"] == "https://example.com/x"
    assert value["providerType"] == "other"


@pytest.mark.parametrize(
    ("number", "content", "media", "disposition"),
    [
        (1, b"hello", "text/plain", 'attachment; filename="a.txt"'),
        (2, LARGE, "application/octet-stream", "attachment; filename*=UTF-8''gro%C3%9F.bin"),
        (3, MIME, "message/rfc822", 'attachment; filename="As it came"'),
        (4, b"hello world", "application/octet-stream", 'attachment; filename="l.png"'),
    ],
)
def test_the_raw_value_is_never_shown_by_a_browser(shelf, number, content, media, disposition):
    answer = shelf.call(
        get_attachment_value, message=message_id(RICH), attachment=attachment_id(RICH, number)
    )
    assert answer.raw == content
    assert answer.content_type == media
    assert answer.headers == {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}


def test_a_reference_has_no_raw_value(shelf):
    with pytest.raises(MethodNotAllowed):
        shelf.call(get_attachment_value, message=message_id(RICH), attachment=attachment_id(RICH, 5))


@pytest.mark.parametrize(
    ("attachment", "error", "code"),
    [
        ("nonsense", BadRequest, "ErrorInvalidIdMalformed"),
        (message_id(RICH), BadRequest, "ErrorInvalidIdMalformed"),
        (attachment_id(2**63, 1), BadRequest, "ErrorInvalidIdMalformed"),
        (attachment_id(RICH, 77), NotFound, "ErrorItemNotFound"),
        (attachment_id(RAW, 1), NotFound, "ErrorItemNotFound"),
        (attachment_id_text(ALEX.object_id, RICH, 0, 1), NotFound, "ErrorItemNotFound"),
    ],
)
@pytest.mark.parametrize("handler", [get_attachment, get_attachment_value])
def test_an_id_that_names_nothing_is_refused(shelf, handler, attachment, error, code):
    with pytest.raises(error) as caught:
        shelf.call(handler, message=message_id(RICH), attachment=attachment)
    assert caught.value.code == code


def test_an_attachment_is_found_through_an_immutable_id_and_a_folder(shelf):
    keys = {"message": message_id(RICH, immutable=True), "attachment": attachment_id(RICH, 1)}
    assert shelf.call(get_attachment, **keys, folder=folder_id(1000)).json["name"] == "a.txt"
    with pytest.raises(NotFound):
        shelf.call(get_attachment, **keys, folder="inbox")


def test_an_attached_message_is_expanded_to_its_entity(shelf):
    query = "$expand=microsoft.graph.itemattachment/item"
    value = shelf.call(
        get_attachment, query, message=message_id(RICH), attachment=attachment_id(RICH, 3)
    ).json
    item = value["item"]
    assert item["@odata.type"] == "#microsoft.graph.message"
    assert item["id"] == ""
    assert item["subject"] == "As it came"
    assert item["from"]["emailAddress"]["address"] == "a@b.c"
    assert item["body"]["content"].strip() == "Hello"
    listed = shelf.call(list_attachments, query, message=message_id(RICH)).values
    assert ["item" in each for each in listed] == [False, False, True, False, False]


def test_nothing_else_is_expanded(shelf):
    with pytest.raises(BadRequest) as caught:
        shelf.call(list_attachments, "$expand=item", message=message_id(RICH))
    assert caught.value.code == "ExpandNotSupported"


def test_bytes_that_are_gone_are_an_error_and_not_half_an_answer(shelf):
    name = hashlib.sha256(LARGE).hexdigest()
    path = shelf.blobs.path(name)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(StoreError):
        shelf.call(get_attachment_value, message=message_id(RICH), attachment=attachment_id(RICH, 2))
    path.with_suffix(".away").rename(path)
