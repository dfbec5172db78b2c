"""Upload sessions: the same bytes in any slices, and a clear answer to everything else."""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.drafting import Draft, Session, attachment_id_of, new_draft
from tests.conformance.targets import ADELE, ALEX, OwnTarget
from tests.conformance.wire import Wire

MIB = 1024 * 1024
CHUNK = 320 * 1024
HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def draft(own: OwnTarget) -> Draft:
    return Draft(own, ADELE, new_draft(own.server, ADELE))


@pytest.fixture
def session(draft: Draft) -> Session:
    """For ten bytes."""
    return draft.session(10)


def left_over(own: OwnTarget) -> list[str]:
    return [path.name for path in (own.server.config.data / "blobs/parts").iterdir()]


# Creating


def test_a_session_has_what_clients_read(draft: Draft) -> None:
    answer = draft.begin(10, contentType="image/png", isInline=True, contentId="<logo>")
    assert answer.status == 201
    session = answer.json
    assert session["@odata.context"].endswith("/v1.0/$metadata#microsoft.graph.uploadSession")
    assert session["nextExpectedRanges"] == ["0-9"]
    assert re.fullmatch(r"\d{4}(-\d\d){2}T\d\d(:\d\d){2}\.0{7}Z", session["expirationDateTime"])
    assert datetime.fromisoformat(session["expirationDateTime"]) > datetime.now(UTC)
    url = session["uploadUrl"]
    assert url.startswith(f"https://{draft.own.wire.host}/upload/v1.0/Users('")
    path, _, query = url.partition("?")
    assert path.removeprefix("https://").count("/") >= 2
    assert re.fullmatch(r"authtoken=[\w-]{43}", query)
    done = Session(draft.own.wire, url, 10).put(0, b"0123456789")
    made = next(each for each in draft.attachments() if each["id"] == attachment_id_of(done))
    assert (made["name"], made["contentType"], made["isInline"], made["contentId"]) == (
        "large.bin",
        "image/png",
        True,
        "logo",
    )
    assert draft.entity()["hasAttachments"] is False


@pytest.mark.parametrize("name", ["attachmentItem", "AttachmentItem", "ATTACHMENTITEM"])
@pytest.mark.parametrize(
    "path", ["createUploadSession", "microsoft.graph.createUploadSession", "CREATEUPLOADSESSION"]
)
def test_names_are_taken_in_every_spelling(draft: Draft, name: str, path: str) -> None:
    item = {
        "@odata.type": "#microsoft.graph.AttachmentItem",
        "AttachmentType": "File",
        "NAME": "a",
        "size": "5",
    }
    answer = draft.ask("POST", f"{draft.path}/attachments/{path}", {name: item})
    assert answer.json["nextExpectedRanges"] == ["0-4"]


@pytest.mark.parametrize(
    ("item", "status", "code"),
    [
        (None, 400, "RequestBodyRead"),
        ([], 400, "RequestBodyRead"),
        ({"attachmentType": "file", "name": "a"}, 400, "ErrorRequiredPropertyMissing"),
        ({"attachmentType": "file", "size": 5}, 400, "ErrorRequiredPropertyMissing"),
        ({"name": "a", "size": 5}, 400, "ErrorRequiredPropertyMissing"),
        ({"attachmentType": "item", "name": "a", "size": 5}, 400, "ErrorInvalidRequest"),
        ({"attachmentType": "reference", "name": "a", "size": 5}, 400, "ErrorInvalidRequest"),
        ({"attachmentType": "folder", "name": "a", "size": 5}, 400, "RequestBodyRead"),
        ({"attachmentType": "file", "name": "a", "size": 0}, 400, "ErrorInvalidRequest"),
        ({"attachmentType": "file", "name": "a", "size": -1}, 400, "ErrorInvalidRequest"),
        ({"attachmentType": "file", "name": "a", "size": 1.5}, 400, "RequestBodyRead"),
        ({"attachmentType": "file", "name": "a", "size": True}, 400, "RequestBodyRead"),
        ({"attachmentType": "file", "name": "a", "size": "many"}, 400, "RequestBodyRead"),
        ({"attachmentType": "file", "name": "a", "size": 150 * MIB + 1}, 413, "ErrorMessageSizeExceeded"),
        ({"attachmentType": "file", "name": "a", "size": 10**30}, 413, "ErrorMessageSizeExceeded"),
    ],
)
def test_what_cannot_be_a_session_is_refused(draft: Draft, item: object, status: int, code: str) -> None:
    path = f"{draft.path}/attachments/createUploadSession"
    assert draft.ask("POST", path, {"AttachmentItem": item}).error[:2] == (status, code)


def test_a_session_needs_the_permission_to_write_in_that_mailbox(draft: Draft) -> None:
    path = f"{draft.path}/attachments/createUploadSession"
    body = {"AttachmentItem": {"attachmentType": "file", "name": "a", "size": 5}}
    assert draft.ask("POST", path, body, token="user").error[:2] == (403, "ErrorAccessDenied")
    assert draft.ask("POST", path, body, token="app-out-of-scope").status == 403
    others = path.replace(ADELE, ALEX)
    assert draft.ask("POST", others, body).error[:2] == (404, "ErrorItemNotFound")


# Uploading


@settings(max_examples=30, suppress_health_check=HEALTH)
@given(st.binary(min_size=1, max_size=200_000), st.lists(st.integers(1, 70_000), min_size=1, max_size=5))
def test_any_slices_give_the_same_bytes(own: OwnTarget, data: bytes, sizes: list[int]) -> None:
    draft = Draft(own, ADELE, new_draft(own.server, ADELE))
    sizes = [max(size, len(data) // 50) for size in sizes]
    number = attachment_id_of(draft.session(len(data)).send(data, sizes))
    assert draft.value(number) == data
    (made,) = draft.attachments()
    assert (made["id"], made["size"]) == (number, len(data))


@pytest.mark.slow
@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1])
def test_slices_around_the_sizes_that_clients_use(draft: Draft, size: int) -> None:
    data = some_bytes(3 * size + 12_345)
    number = attachment_id_of(draft.session(len(data)).send(data, [size]))
    assert hashlib.sha256(draft.value(number)).digest() == hashlib.sha256(data).digest()


def test_one_byte_at_a_time(session: Session, draft: Draft) -> None:
    assert draft.value(attachment_id_of(session.send(b"0123456789", [1]))) == b"0123456789"


@pytest.mark.parametrize("size", [100, 65_536, 65_537])
def test_a_finished_file_is_stored_as_any_other_and_nothing_is_left_over(draft: Draft, size: int) -> None:
    before, data = draft.own.stored(), some_bytes(size, size)
    done = draft.session(size).send(data, [size // 2])
    after = draft.own.stored()
    assert after["contents"] == before["contents"] + 1
    assert after["blobs"] == before["blobs"] + (size > 65_536)
    assert draft.value(attachment_id_of(done)) == data


def test_the_location_is_the_attachment_s_address(session: Session, draft: Draft) -> None:
    answer = session.put(0, b"0123456789")
    assert answer.headers["content-length"] == "0"
    location = answer.headers["location"].removeprefix(f"https://{draft.own.wire.host}")
    assert draft.ask("GET", location).json["name"] == "large.bin"


def test_progress_is_told_by_every_answer(session: Session) -> None:
    assert session.expected() == ["0-9"]
    first = session.put(0, b"0123")
    assert (first.status, first.json["nextExpectedRanges"]) == (200, ["4-9"])
    assert first.headers["content-type"].startswith("application/json")
    assert first.headers["request-id"]
    assert session.expected() == ["4-9"]
    assert session.put(4, b"456789").status == 201
    assert session.expected() == []


def test_a_slice_that_came_before_is_acknowledged_again(session: Session, draft: Draft) -> None:
    session.put(0, b"0123")
    again = session.put(0, b"xxxx")
    assert (again.status, again.json["nextExpectedRanges"]) == (200, ["4-9"])
    assert session.put(1, b"x").json["nextExpectedRanges"] == ["4-9"]
    assert draft.value(attachment_id_of(session.put(4, b"456789"))) == b"0123456789"


@pytest.mark.parametrize(
    ("range_", "data"), [("5-9", b"56789"), ("0-9", b""), ("5-9", b""), ("0-4", b"01234")]
)
def test_a_finished_upload_is_finished_again_without_a_second_attachment(
    session: Session, draft: Draft, range_: str, data: bytes
) -> None:
    session.put(0, b"01234")
    first = session.put(5, b"56789")
    for _ in range(2):
        again = session.put_range(f"bytes {range_}/10", data)
        assert attachment_id_of(again) == attachment_id_of(first)
    assert len(draft.attachments()) == 1


def test_an_authorization_header_is_of_no_account(session: Session) -> None:
    assert session.put(0, b"0123", Authorization="Bearer nonsense").status == 200
    assert session.put(4, b"456789", Authorization="Basic Og==").status == 201


def test_sessions_of_one_draft_are_independent(draft: Draft) -> None:
    one, two = draft.session(6, name="one"), draft.session(4, name="two")
    one.put(0, b"on")
    two.put(0, b"tw")
    assert attachment_id_of(two.put(2, b"o2")) != attachment_id_of(one.put(2, b"e one"[:4]))
    assert {each["name"] for each in draft.attachments()} == {"one", "two"}


def test_two_uploads_at_the_same_time_both_arrive(draft: Draft) -> None:
    files = {f"file {number}": some_bytes(300_000, number) for number in range(4)}
    sessions = {name: draft.session(len(data), name=name) for name, data in files.items()}
    found: dict[str, str] = {}

    def send(name: str) -> None:
        own, session = draft.own, sessions[name]
        session.wire = Wire(own.server.url, own.trust)
        found[name] = attachment_id_of(session.send(files[name], [70_000]))
        session.wire.close()

    threads = [threading.Thread(target=send, args=(name,)) for name in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: draft.value(found[name]) for name in files} == files


def test_the_same_slice_twice_at_the_same_time_counts_once(draft: Draft) -> None:
    data = some_bytes(400_000)
    session = draft.session(len(data))
    statuses = []

    def send() -> None:
        mine = Session(Wire(draft.own.server.url, draft.own.trust), session.url, session.size)
        statuses.append(mine.put(0, data).status)
        mine.wire.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 4
    (made,) = draft.attachments()
    assert draft.value(made["id"]) == data


# What is wrong


@pytest.mark.parametrize(
    ("range_", "data", "status", "code"),
    [
        ("bytes 5-6/10", b"56", 416, "invalidRange"),  # a hole
        ("bytes 2-5/10", b"2345", 416, "invalidRange"),  # an overlap
        ("bytes 9-10/10", b"9x", 416, "invalidRange"),
        ("bytes 6-5/10", b"", 416, "invalidRange"),
        ("bytes 4-6/10", b"45", 400, "ErrorInvalidRequest"),
        ("bytes 4-6/10", b"4567", 400, "ErrorInvalidRequest"),
        ("bytes 4-6/10", b"", 400, "ErrorInvalidRequest"),
        ("bytes 4-6/11", b"456", 400, "ErrorInvalidRequest"),
        ("bytes 4-6/*", b"456", 400, "ErrorInvalidRequest"),
        ("bytes */10", b"456", 400, "ErrorInvalidRequest"),
        ("", b"456", 400, "ErrorInvalidRequest"),
        ("bytes -4-6/10", b"456", 400, "ErrorInvalidRequest"),
        ("lines 4-6/10", b"456", 400, "ErrorInvalidRequest"),
        (f"bytes 4-{'9' * 40}/10", b"456", 400, "ErrorInvalidRequest"),
    ],
)
def test_a_wrong_range_changes_nothing(
    session: Session, draft: Draft, range_: str, data: bytes, status: int, code: str
) -> None:
    session.put(0, b"0123")
    answer = session.put_range(range_, data)
    assert answer.error[:2] == (status, code)
    assert session.expected() == ["4-9"]
    assert draft.value(attachment_id_of(session.put(4, b"456789"))) == b"0123456789"


def test_a_slice_in_chunks_is_as_long_as_it_says(session: Session) -> None:
    def send(*pieces: bytes) -> int:
        head = f"PUT {session.target} HTTP/1.1\r\nHost: {session.wire.host}\r\nTransfer-Encoding: chunked\r\n"
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        return session.wire.send(f"{head}Content-Range: bytes 0-4/10\r\n\r\n".encode() + body, "PUT").status

    assert send(b"01", b"23") == 400
    assert send(b"01", b"23", b"45") == 400
    assert session.expected() == ["0-9"]
    assert send(b"01", b"234") == 200
    assert session.expected() == ["5-9"]


def test_a_compressed_slice_is_refused(session: Session) -> None:
    answer = session.put_range("bytes 0-3/10", b"0123", **{"Content-Encoding": "gzip"})
    assert answer.error[:2] == (415, "RequestBodyRead")


def other_tokens(url: str) -> list[str]:
    path, _, token = url.partition("?authtoken=")
    return [
        path,
        f"{path}?authtoken=",
        f"{path}?authtoken={token[:-1]}",
        f"{path}?authtoken={token}A",
        f"{path}?authtoken={token}&authtoken=x",
        f"{path}?authtoken={'A' * 43}",
        f"{path}?authtoken={'%FF' * 43}",
        f"{path}?AuthToken={token}",
    ]


def test_a_wrong_token_opens_nothing(session: Session, draft: Draft) -> None:
    session.put(0, b"0123")
    for url in other_tokens(session.url):
        wrong = Session(session.wire, url, 10)
        for answer in (wrong.put(4, b"456789"), wrong.get(), wrong.delete()):
            assert answer.error[:2] == (404, "ErrorItemNotFound"), url
    assert session.expected() == ["4-9"]


def test_the_token_of_another_session_opens_nothing(session: Session, draft: Draft) -> None:
    other = draft.session(10)
    mixed = Session(session.wire, session.url.partition("?")[0] + "?" + other.url.partition("?")[2], 10)
    assert mixed.put(0, b"0123456789").error[:2] == (404, "ErrorItemNotFound")
    assert mixed.delete().status == 404
    assert session.expected() == other.expected() == ["0-9"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"/upload/v1.0/", "/upload/v2.0/"),
        (r"/upload/v1.0/", "/upload/"),
        (r"/upload/v1.0/", "/upload/../upload/v1.0/"),
        (r"/upload/v1.0/", "/upload//v1.0/"),
        (r"Users\('[^']+'\)", "Users('aaaaaaaa-0000-4000-8000-000000000009')"),
        (r"Users\('[^']+'\)", "Users('../../x')"),
        (r"Messages\('[^']+'\)", "Messages('AAMk')"),
        (r"Messages\('[^']+'\)", "Messages('..%2F..%2Fx')"),
        (r"Sessions\('[^']+'\)", "Sessions('0000000000000000')"),
        (r"Sessions\('[^']+'\)", "Sessions('..%2F..%2Flock')"),
        (r"Sessions\('([^']+)'\)", r"Sessions('\1%00')"),
        (r"Sessions\('([^']+)'\)", r"Sessions('\1%0A')"),
        (r"Sessions\('([^']+)'\)", r"Sessions('\1')/x"),
        (r"Sessions\('([^']+)'\)", r"Sessions('\1')%0A"),
    ],
)
def test_a_path_that_is_not_a_session_s_leads_nowhere(session: Session, old: str, new: str) -> None:
    url, changed = re.subn(old, new, session.url)
    assert changed
    assert Session(session.wire, url, 10).put(0, b"01234").error[:2] == (404, "ErrorItemNotFound")
    assert session.expected() == ["0-9"]


def test_a_session_is_not_another_message_s_or_mailbox_s(session: Session, draft: Draft) -> None:
    second = new_draft(draft.own.server, ADELE)
    others = re.sub(r"Messages\('[^']+'\)", f"Messages('{second}')", session.url)
    assert Session(session.wire, others, 10).get().status == 404
    alex = draft.own.object_ids[ALEX]
    others = re.sub(r"Users\('[^']+'\)", f"Users('{alex}')", session.url)
    assert Session(session.wire, others, 10).get().status == 404


def test_quotes_in_the_url_may_be_encoded(session: Session) -> None:
    url = session.url.replace("'", "%27").replace("(", "%28").replace(")", "%29").replace("=')", "%3D')")
    assert Session(session.wire, url, 10).put(0, b"0123456789").status == 201


@pytest.mark.parametrize("method", ["POST", "PATCH", "HEAD", "OPTIONS"])
def test_other_methods_are_told_which_there_are(session: Session, method: str) -> None:
    answer = session.wire.request(method, session.target, {})
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, PUT")


def test_a_session_that_was_given_up_is_gone(session: Session, draft: Draft) -> None:
    session.put(0, b"0123")
    assert left_over(draft.own)
    gone = session.delete()
    assert (gone.status, gone.body) == (204, b"")
    for answer in (session.put(4, b"456789"), session.get(), session.delete()):
        assert answer.error[:2] == (404, "ErrorItemNotFound")
    assert session.url.partition("AttachmentSessions('")[2][:16] not in left_over(draft.own)
    assert draft.attachments() == []


def test_a_draft_that_is_gone_or_sent_meanwhile_takes_nothing_more(draft: Draft) -> None:
    from graphpost.ids import parse_item_id
    from graphpost.store.directory import accounts
    from graphpost.store.mailbox import messages

    session = draft.session(10)
    store, key = draft.own.server.store, parse_item_id(draft.id)

    def remove(tx):  # type: ignore[no-untyped-def]
        box = accounts.load_directory(tx).find(ADELE)
        messages.remove(tx, messages.get(tx, box.mailbox_id, key.message_id))

    session.put(0, b"0123")
    draft.own.server.call(lambda: store.write(remove))
    assert session.put(4, b"456789").error[:2] == (404, "ErrorItemNotFound")
    assert session.put(4, b"456789").error[:2] == (404, "ErrorItemNotFound")


def test_tokens_are_neither_stored_nor_logged(session: Session, draft: Draft) -> None:
    session.put(0, b"0123")
    session.put(9, b"9")
    token = session.url.partition("authtoken=")[2]
    assert token not in draft.own.server.output.getvalue()
    store = draft.own.server.store
    rows = draft.own.server.call(lambda: store.read(lambda tx: tx.all("SELECT * FROM uploads")))
    assert rows
    assert token not in repr(rows)
    assert json.loads(session.get().body)["nextExpectedRanges"] == ["4-9"]
