"""Changing mail folders, through the whole API on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.graph.cabinet import BASE, Cabinet, folder_id, number_of
from tests.graph.desk import ADELE
from tests.store.made import delivery, item

from graphpost.graph.folders import changing as folder_changes
from graphpost.mail.mailbox import WELL_KNOWN
from graphpost.mail.message import Attachment, ContentRef
from graphpost.store import contents
from graphpost.store.contents import Content
from graphpost.store.mailbox import folders, messages, trees
from graphpost.store.queue import deliveries

EXISTS = "A folder with the specified name already exists."
WORDS = ("displayName", "parentFolderId", "childFolderCount", "unreadItemCount", "totalItemCount", "isHidden")


@pytest.fixture
def cabinet(tmp_path: Path) -> Iterator[Cabinet]:
    opened = Cabinet.in_file(tmp_path)
    yield opened
    opened.close()


def filled(cabinet: Cabinet, folder: str, count: int, first: int = 1, **changes: Any) -> None:
    """Messages into a folder, every third unread."""
    place = number_of(folder)
    cabinet.put(item(first + n, 1, place, is_read=(first + n) % 3 != 0, **changes) for n in range(count))


def test_a_folder_is_created_in_the_top_level(cabinet: Cabinet) -> None:
    answer = cabinet.ask("POST", "mailFolders", {"displayName": "Clients", "isHidden": False})
    assert answer.status == 201
    assert [answer.json[word] for word in WORDS] == ["Clients", folder_id(1), 0, 0, 0, False]
    assert answer.json["@odata.context"] == f"{BASE}/$metadata#users('{ADELE.object_id}')/mailFolders/$entity"
    key = answer.json["id"]
    assert answer.headers["Location"] == f"{BASE}/users('{ADELE.object_id}')/mailFolders('{key}')"
    got = cabinet.ask("GET", f"mailFolders/{key}").json
    assert got == answer.json
    assert answer.headers["ETag"] == got["@odata.etag"]
    assert "Clients" in cabinet.names()


def test_a_child_folder_is_created_and_counted(cabinet: Cabinet) -> None:
    key = cabinet.folder("Project", "INBOX")
    assert cabinet.names("inbox") == ["Project"]
    assert cabinet.counts("inbox") == (1, 0, 0)
    assert cabinet.names(key) == []


def test_a_hidden_folder_is_listed_on_demand_and_not_counted(cabinet: Cabinet) -> None:
    key = cabinet.folder("Secret", "inbox", isHidden="true")
    assert cabinet.ask("GET", f"mailFolders/{key}").json["isHidden"] is True
    assert cabinet.ask("GET", "mailFolders/inbox/childFolders").json["value"] == []
    assert cabinet.names("inbox") == ["Secret"]
    assert cabinet.counts("inbox") == (0, 0, 0)


@pytest.mark.parametrize("name", ["Projekt", "PROJEKT", "  projekt\t"])
def test_a_name_is_given_once_in_a_parent(cabinet: Cabinet, name: str) -> None:
    cabinet.folder("Projekt", "inbox")
    answer = cabinet.ask("POST", "mailFolders/inbox/childFolders", {"displayName": name})
    assert answer.error == (409, "ErrorFolderExists")
    assert answer.message == f"{EXISTS[:-1]}., Could not create folder '{name.strip()}'."
    cabinet.folder(name)
    assert cabinet.names("inbox") == ["Projekt"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a" * 255, "a" * 255),
        (" padded ", "padded"),
        ("one\r\nline", "one line"),
        ("Grüße/寸📎", "Grüße/寸📎"),
    ],
)
def test_a_name_is_kept_on_one_line(cabinet: Cabinet, name: str, kept: str) -> None:
    cabinet.folder(name)
    assert kept in cabinet.names()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "ErrorInvalidParameter"),
        ({"displayName": None}, "ErrorInvalidParameter"),
        ({"displayName": " \t"}, "ErrorInvalidParameter"),
        ({"displayName": "a" * 256}, "ErrorInvalidParameter"),
        ({"displayName": ["a"]}, "RequestBodyRead"),
        ({"displayName": "a", "isHidden": "perhaps"}, "RequestBodyRead"),
        (
            {"displayName": "a", "@odata.type": "#microsoft.graph.mailSearchFolder", "filterQuery": "x"},
            "NotSupported",
        ),
        ([], "UnableToDeserializePostBody"),
    ],
)
def test_a_folder_that_cannot_be_is_refused(cabinet: Cabinet, body: Any, code: str) -> None:
    before = cabinet.names()
    assert cabinet.ask("POST", "mailFolders", body).error == (400, code)
    assert cabinet.names() == before


def test_a_folder_below_none_is_not_found(cabinet: Cabinet) -> None:
    for key, error in [
        (folder_id(77), (404, "ErrorItemNotFound")),
        ("nosuch", (400, "ErrorInvalidIdMalformed")),
    ]:
        answer = cabinet.ask("POST", f"mailFolders/{key}/childFolders", {"displayName": "x"})
        assert answer.error == error


def test_a_folder_is_renamed_and_nothing_else_is_changed(cabinet: Cabinet) -> None:
    key = cabinet.folder("Old", "inbox")
    filled(cabinet, key, 4)
    before = cabinet.ask("GET", f"mailFolders/{key}").json
    body = {"DisplayName": "New", "isHidden": True, "totalItemCount": 99, "parentFolderId": "x"}
    answer = cabinet.ask("PATCH", f"mailFolders/{key}", body)
    assert answer.status == 200
    assert answer.json["@odata.etag"] != before["@odata.etag"]
    assert answer.json == {**before, "displayName": "New", "@odata.etag": answer.json["@odata.etag"]}
    assert cabinet.ask("GET", f"mailFolders/{key}").json == answer.json
    assert cabinet.names("inbox") == ["New"]


def test_a_folder_may_get_its_own_name_in_other_letters_but_not_anothers(cabinet: Cabinet) -> None:
    key = cabinet.folder("One")
    cabinet.folder("Two")
    assert cabinet.ask("PATCH", f"mailFolders/{key}", {"displayName": "ONE"}).json["displayName"] == "ONE"
    assert cabinet.ask("PATCH", f"mailFolders/{key}", {"displayName": "two"}).error == (
        409,
        "ErrorFolderExists",
    )
    assert cabinet.ask("PATCH", f"mailFolders/{key}", {}).status == 200


@pytest.mark.parametrize("known", WELL_KNOWN)
def test_the_default_folders_stay_where_and_what_they_are(cabinet: Cabinet, known: str) -> None:
    before = cabinet.names()
    wanted = [
        ("DELETE", f"mailFolders/{known}", None, (400, "ErrorDeleteDistinguishedFolder")),
        (
            "POST",
            f"mailFolders/{folder_id(WELL_KNOWN[known][0])}/permanentDelete",
            None,
            (400, "ErrorDeleteDistinguishedFolder"),
        ),
        (
            "POST",
            f"mailFolders/{known}/move",
            {"destinationId": "archive"},
            (400, "ErrorMoveDistinguishedFolder"),
        ),
        ("PATCH", f"mailFolders/{known}", {"displayName": "Mine"}, (403, "ErrorAccessDenied")),
    ]
    for method, path, body, error in wanted:
        assert cabinet.ask(method, path, body).error == error
    assert cabinet.names() == before


def test_a_deleted_folder_is_in_deleted_items_with_all_that_is_in_it(cabinet: Cabinet) -> None:
    key = cabinet.folder("Done")
    child = cabinet.folder("Inner", key)
    filled(cabinet, key, 6)
    filled(cabinet, child, 3, 100)
    assert cabinet.ask("DELETE", f"mailFolders/{key}").status == 204
    assert "Done" not in cabinet.names()
    assert cabinet.names("deleteditems") == ["Done"]
    assert cabinet.counts(key) == (1, 6, 2)
    assert cabinet.counts(child) == (0, 3, 1)
    assert cabinet.counts("deleteditems") == (1, 0, 0)


def test_folders_of_one_name_are_deleted_one_after_the_other(cabinet: Cabinet) -> None:
    for _ in range(3):
        assert cabinet.ask("DELETE", f"mailFolders/{cabinet.folder('Same')}").status == 204
    assert cabinet.names("deleteditems") == ["Same", "Same1", "Same2"]
    for name in ("b" * 255, "B" * 255):
        cabinet.ask("DELETE", f"mailFolders/{cabinet.folder(name)}")
    assert cabinet.names("deleteditems")[:2] == ["B" * 254 + "1", "b" * 255]


def test_what_is_deleted_below_deleted_items_is_gone(cabinet: Cabinet) -> None:
    key = cabinet.folder("Done")
    child = cabinet.folder("Inner", key)
    filled(cabinet, child, 3)
    cabinet.ask("DELETE", f"mailFolders/{key}")
    assert cabinet.ask("DELETE", f"mailFolders/{child}").status == 204
    assert cabinet.ask("GET", f"mailFolders/{child}").error == (404, "ErrorItemNotFound")
    assert cabinet.counts(key) == (0, 0, 0)
    assert cabinet.ask("DELETE", f"mailFolders/{key}").status == 204
    assert cabinet.ask("DELETE", f"mailFolders/{key}").error == (404, "ErrorItemNotFound")
    assert cabinet.read(lambda tx: messages.count(tx, 1)) == 0


def test_a_tree_is_deleted_for_good_with_messages_and_contents(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = cabinet.folder("Large")
    below = [cabinet.folder(f"Part {n}", key) for n in range(3)]
    below.append(cabinet.folder("Deep", below[0]))
    filled(cabinet, key, trees.ROWS + 10)
    for n, each in enumerate(below):
        place = number_of(each)
        many = [item(5000 + 100 * n + m, 1, place) for m in range(7)]
        cabinet.put(many, [Content(1, 1, "0" * 64, b"x")])
    assert cabinet.ask("POST", f"mailFolders/{key}/permanentDelete").status == 204
    for each in (key, *below):
        assert cabinet.ask("GET", f"mailFolders/{each}").error == (404, "ErrorItemNotFound")
    assert "Large" not in cabinet.names() + cabinet.names("deleteditems")
    for table in ("messages", "contents"):
        sql = f"SELECT COUNT(*) FROM {table} WHERE mailbox_id = ?"
        assert cabinet.read(lambda tx, sql=sql: tx.one(sql, (1,))) == (0,)


def test_a_message_on_its_way_outlives_its_folder(cabinet: Cabinet) -> None:
    key = cabinet.folder("Sent by me")
    filled(cabinet, key, 2)
    cabinet.write(lambda tx: deliveries.add(tx, delivery(1, 1)))
    cabinet.ask("POST", f"mailFolders/{key}/permanentDelete")
    left = cabinet.read(lambda tx: messages.get(tx, 1, 1))
    assert left is not None
    assert (left.folder_id, left.moves) == (0, 1)
    assert cabinet.read(lambda tx: messages.get(tx, 1, 2)) is None
    assert cabinet.ask("GET", "messages").json["value"] == []


def test_a_folder_is_moved_with_all_that_is_in_it(cabinet: Cabinet) -> None:
    key = cabinet.folder("Wanderer")
    cabinet.folder("Inner", key)
    filled(cabinet, key, 5)
    answer = cabinet.ask("POST", f"mailFolders/{key}/move", {"DestinationId": "ARCHIVE"})
    assert answer.status == 200
    assert answer.json["parentFolderId"] == folder_id(WELL_KNOWN["archive"][0])
    assert cabinet.counts(answer.json["id"]) == (1, 5, 1)
    assert cabinet.names("archive") == ["Wanderer"]
    again = cabinet.ask("POST", f"mailFolders/{key}/move", {"destinationId": "archive"})
    assert (again.status, again.json) == (200, answer.json)
    back = cabinet.ask(
        "POST", f"mailFolders('{key}')/microsoft.graph.move", {"destinationId": "msgfolderroot"}
    )
    assert back.status == 200
    assert "Wanderer" in cabinet.names()


def test_a_copy_has_children_messages_and_contents_of_its_own(cabinet: Cabinet) -> None:
    key = cabinet.folder("Original", isHidden=False)
    inner = cabinet.folder("Inner", key, isHidden=True)
    stored = contents.prepare(cabinet.blobs, 9, b"large" * 1000, 100)
    assert stored.data is None
    attached = (Attachment(attachment_id=1, name="a", size=5, content=ContentRef(8)),)
    place = number_of(inner)
    cabinet.put(
        [item(1, 1, place, attachments=attached, version=5, moves=2, is_read=False)],
        [Content(8, 5, "0" * 64, b"hello"), stored],
    )
    filled(cabinet, key, trees.ROWS + 5, 100)
    answer = cabinet.ask("POST", f"mailFolders/{key}/copy", {"destinationId": "archive"})
    assert answer.status == 200
    copy = answer.json["id"]
    assert copy != key
    assert cabinet.counts(copy) == cabinet.counts(key)
    (twin,) = cabinet.ask("GET", f"mailFolders/{copy}/childFolders?includeHiddenFolders=true").json["value"]
    assert (twin["displayName"], twin["isHidden"], twin["unreadItemCount"]) == ("Inner", True, 1)
    (message,) = cabinet.ask("GET", f"mailFolders/{twin['id']}/messages?$expand=attachments").json["value"]
    assert message["attachments"][0]["contentBytes"] == "aGVsbG8="
    assert cabinet.ask("POST", f"mailFolders/{key}/permanentDelete").status == 204
    assert cabinet.ask("GET", f"messages/{message['id']}").status == 200
    (left,) = cabinet.read(lambda tx: messages.find(tx, 1, folder_id=number_of(twin["id"])))
    assert (left.version, left.moves) == (1, 0)
    assert set(cabinet.read(lambda tx: contents.of_message(tx, 1, left.message_id))) == {8, 9}


def test_a_default_folder_is_copied_as_a_plain_one(cabinet: Cabinet) -> None:
    filled(cabinet, folder_id(6), 3)
    copy = cabinet.ask("POST", "mailFolders/inbox/copy", {"destinationId": "archive"}).json
    assert (copy["displayName"], copy["totalItemCount"]) == ("Inbox", 3)
    assert cabinet.ask("DELETE", f"mailFolders/{copy['id']}").status == 204


@pytest.mark.parametrize("action", ["move", "copy"])
def test_moving_and_copying_needs_a_place_to_go(cabinet: Cabinet, action: str) -> None:
    top = cabinet.folder("Top")
    inner = cabinet.folder("Inner", top)
    deep = cabinet.folder("Deep", inner)
    cabinet.folder("top", "archive")
    for body, error in [
        ({"destinationId": top}, (400, "ErrorMoveCopyFailed")),
        ({"destinationId": inner}, (400, "ErrorMoveCopyFailed")),
        ({"destinationId": deep}, (400, "ErrorMoveCopyFailed")),
        ({"destinationId": "archive"}, (409, "ErrorFolderExists")),
        ({"destinationId": folder_id(77)}, (404, "ErrorItemNotFound")),
        ({"destinationId": folder_id(0)}, (404, "ErrorItemNotFound")),
        ({"destinationId": "no such"}, (400, "ErrorInvalidIdMalformed")),
        ({"destinationId": ""}, (400, "RequestBodyRead")),
        ({}, (400, "RequestBodyRead")),
        ({"destinationId": 7}, (400, "RequestBodyRead")),
        (None, (400, "BadRequest")),
    ]:
        assert cabinet.ask("POST", f"mailFolders/{top}/{action}", body).error == error, body
    assert cabinet.names(deep) == []
    assert cabinet.names("archive") == ["top"]


def test_a_folder_is_not_copied_beside_itself(cabinet: Cabinet) -> None:
    key = cabinet.folder("Twin", "inbox")
    answer = cabinet.ask("POST", f"mailFolders/{key}/copy", {"destinationId": "inbox"})
    assert answer.error == (409, "ErrorFolderExists")


def test_only_the_version_that_is_known_is_changed(cabinet: Cabinet) -> None:
    key = cabinet.folder("Versioned")
    etag = cabinet.ask("GET", f"mailFolders/{key}").json["@odata.etag"]
    now = cabinet.ask("PATCH", f"mailFolders/{key}", {"displayName": "Next"}, if_match=etag).json[
        "@odata.etag"
    ]
    conflict = (412, "ErrorIrresolvableConflict")
    path = f"mailFolders/{key}"
    assert cabinet.ask("PATCH", path, {"displayName": "Late"}, if_match=etag).error == conflict
    assert cabinet.ask("DELETE", path, if_match=etag).error == conflict
    assert cabinet.ask("POST", f"{path}/permanentDelete", if_match='"x", ' + etag).error == conflict
    for action in ("move", "copy"):
        answer = cabinet.ask("POST", f"{path}/{action}", {"destinationId": "archive"}, if_match=etag)
        assert answer.error == conflict
    assert cabinet.ask("PATCH", path, {"displayName": "Any"}, if_match="*").status == 200
    assert cabinet.ask("DELETE", path, if_match=now).error == conflict
    assert cabinet.ask("DELETE", path, if_match="W/unquoted").error == conflict
    now = cabinet.ask("GET", path).json["@odata.etag"]
    assert cabinet.ask("DELETE", path, if_match=f'"x", {now}').status == 204


def test_folders_are_not_nested_without_end(cabinet: Cabinet) -> None:
    key, number = "msgfolderroot", 1
    made = []
    for level in range(folder_changes.DEPTH - 1):
        made.append(folders.Folder(mailbox_id=1, folder_id=2000 + level, parent_id=number, name="x"))
        number = 2000 + level
    cabinet.write(lambda tx: [folders.add(tx, each) for each in made])
    key = folder_id(number)
    other = cabinet.folder("Other")
    answer = cabinet.ask("POST", f"mailFolders/{key}/childFolders", {"displayName": "y"})
    assert answer.error == (400, "ErrorFolderSave")
    answer = cabinet.ask("POST", f"mailFolders/{other}/move", {"destinationId": key})
    assert answer.error == (400, "ErrorMoveCopyFailed")
    assert cabinet.ask("POST", f"mailFolders/{folder_id(2000)}/permanentDelete").status == 204
    assert cabinet.ask("GET", f"mailFolders/{key}").status == 404
