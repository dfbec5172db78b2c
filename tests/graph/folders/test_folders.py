"""Reading mail folders."""

import pytest
from tests.graph.shelf import ADELE, ALEX, BASE, INBOX_COUNT, PROJECT, Shelf, folder_id

from graphpost.errors import BadRequest, NotFound
from graphpost.graph.folders.reading import get_folder, list_child_folders, list_folders

CONTEXT = f"{BASE}/$metadata#users('{ADELE.object_id}')/mailFolders"
TOP_LEVEL = [
    "Archive",
    "Conversation History",
    "Deleted Items",
    "Drafts",
    "Inbox",
    "Junk Email",
    "Outbox",
    "Sent Items",
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    opened = Shelf(tmp_path_factory.mktemp("shelf"))
    yield opened
    opened.close()


def names(answer):
    return [value["displayName"] for value in answer.values]


def test_the_top_level_is_what_is_not_hidden_without_the_root(shelf):
    answer = shelf.call(list_folders)
    assert names(answer) == TOP_LEVEL
    assert answer.json["@odata.context"] == CONTEXT
    assert "@odata.nextLink" not in answer.json


def test_hidden_folders_are_listed_on_demand(shelf):
    answer = shelf.call(list_folders, "includeHiddenFolders=true&$top=100")
    assert set(names(answer)) > set(TOP_LEVEL)
    assert {value["isHidden"] for value in answer.values} == {True, False}
    with pytest.raises(BadRequest):
        shelf.call(list_folders, "includeHiddenFolders=perhaps")


def test_a_folder_has_its_properties(shelf):
    value = shelf.call(get_folder, folder="INBOX").json
    assert list(value) == [
        "@odata.context",
        "@odata.etag",
        "id",
        "displayName",
        "parentFolderId",
        "childFolderCount",
        "unreadItemCount",
        "totalItemCount",
        "isHidden",
    ]
    assert value["@odata.context"] == CONTEXT + "/$entity"
    assert value["id"] == folder_id(6)
    assert value["parentFolderId"] == folder_id(1)
    assert (value["childFolderCount"], value["unreadItemCount"], value["totalItemCount"]) == (
        1,
        50,
        INBOX_COUNT,
    )


def test_the_well_known_name_is_shown_on_beta(shelf):
    assert shelf.call(get_folder, version="beta", folder="sentitems").json["wellKnownName"] == "sentitems"
    assert shelf.call(get_folder, version="beta", folder=folder_id(PROJECT)).json["wellKnownName"] is None
    with pytest.raises(BadRequest):
        shelf.call(get_folder, "$select=wellKnownName", folder="inbox")


def test_child_folders_are_listed(shelf):
    answer = shelf.call(list_child_folders, folder="inbox")
    assert names(answer) == ["Project"]
    assert answer.json["@odata.context"] == CONTEXT + "('inbox')/childFolders"
    assert names(shelf.call(list_child_folders, folder="msgfolderroot")) == TOP_LEVEL
    assert names(shelf.call(list_child_folders, folder="drafts")) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=displayName eq 'sent items'", ["Sent Items"]),
        ("$filter=startswith(displayName,'d')", ["Deleted Items", "Drafts"]),
        ("$filter=totalItemCount gt 100", ["Inbox"]),
        ("$top=2&$skip=1", ["Conversation History", "Deleted Items"]),
        ("$orderby=displayName desc&$top=1", ["Sent Items"]),
        ("$orderby=totalItemCount desc,displayName&$top=3", ["Inbox", "Sent Items", "Drafts"]),
    ],
)
def test_folders_are_filtered_ordered_and_paged(shelf, query, expected):
    assert names(shelf.call(list_folders, query)) == expected


def test_pages_go_on_where_the_last_ended(shelf):
    answer = shelf.call(list_folders, "$top=5&$count=true&$select=displayName", path="/me/mailFolders")
    assert answer.json["@odata.count"] == 8
    assert answer.json["@odata.context"] == CONTEXT + "(displayName)"
    rest = shelf.follow(list_folders, answer.json["@odata.nextLink"])
    assert names(answer) + names(rest) == TOP_LEVEL
    assert set(rest.values[0]) == {"@odata.etag", "id", "displayName"}


@pytest.mark.parametrize(
    "query",
    ["$filter=nosuch eq 1", "$filter=displayName gt 1", "$orderby=nosuch", "$select=x", '$search="inbox"'],
)
def test_a_bad_query_is_400(shelf, query):
    with pytest.raises(BadRequest):
        shelf.call(list_folders, query)


@pytest.mark.parametrize(
    ("folder", "error", "code"),
    [
        ("nosuch", BadRequest, "ErrorInvalidIdMalformed"),
        ("Sent Items", BadRequest, "ErrorInvalidIdMalformed"),
        (folder_id(2**63), BadRequest, "ErrorInvalidIdMalformed"),
        (folder_id(77), NotFound, "ErrorItemNotFound"),
        (folder_id(6, ALEX), NotFound, "ErrorItemNotFound"),
    ],
)
@pytest.mark.parametrize("handler", [get_folder, list_child_folders])
def test_a_folder_that_is_not_there_is_refused(shelf, handler, folder, error, code):
    with pytest.raises(error) as caught:
        shelf.call(handler, folder=folder)
    assert caught.value.code == code
