"""Slices as they come over the wire: limits, broken connections, restarts, expiry."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.client import eventually
from tests.conformance.conftest import SETTINGS
from tests.conformance.drafting import Draft, Session, attachment_id_of, new_draft
from tests.conformance.targets import ADELE, OwnTarget
from tests.conformance.wire import Wire

from graphpost.config import Config
from graphpost.testing.server import running_server

SLICE, MESSAGE = 200_000, 500_000
DATA = random.Random(7).randbytes(300_000)


def limited(**limits: Any) -> Callable[[Config], Config]:
    return lambda config: replace(config, limits=replace(config.limits, **limits))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnTarget]:
    change = limited(upload_slice_bytes=SLICE, message_bytes=MESSAGE)
    with running_server(tmp_path_factory.mktemp("uploads"), file=SETTINGS, change=change) as server:
        target = OwnTarget(server)
        yield target
        target.wire.close()


@pytest.fixture
def draft(own: OwnTarget) -> Draft:
    return draft_on(own)


def draft_on(own: OwnTarget) -> Draft:
    return Draft(own, ADELE, new_draft(own.server, ADELE))


@pytest.fixture
def session(draft: Draft) -> Iterator[Session]:
    """For DATA, on a connection of its own."""
    made = draft.session(len(DATA))
    made.wire = Wire(draft.own.server.url, draft.own.trust)
    yield made
    made.wire.close()


def head(session: Session, range_: str, *fields: str) -> bytes:
    lines = [f"PUT {session.target} HTTP/1.1", f"Host: {session.wire.host}", f"Content-Range: bytes {range_}"]
    return "\r\n".join([*lines, *fields, "", ""]).encode()


def test_a_slice_over_the_limit_is_413_and_the_session_goes_on(session: Session, draft: Draft) -> None:
    answer = session.put(0, DATA[: SLICE + 1])
    assert answer.error[:2] == (413, "RequestEntityTooLarge")
    assert session.wire.is_closed
    assert session.expected() == [f"0-{len(DATA) - 1}"]
    assert draft.value(attachment_id_of(session.send(DATA, [SLICE]))) == DATA


def test_a_slice_in_chunks_over_the_limit_is_413(session: Session) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (50_000, DATA[:50_000]) for _ in range(6)) + b"0\r\n\r\n"
    data = head(session, f"0-{len(DATA) - 1}/{len(DATA)}", "Transfer-Encoding: chunked") + chunks
    assert session.wire.send(data, "PUT").error[:2] == (413, "RequestEntityTooLarge")
    assert session.expected() == [f"0-{len(DATA) - 1}"]


def test_a_client_that_asks_first_need_not_send_what_is_refused(session: Session) -> None:
    for range_, length, status in (("5-104/300000", 100, 416), ("0-299999/300000", 300_000, 413)):
        data = head(session, range_, f"Content-Length: {length}", "Expect: 100-continue")
        assert session.wire.send(data, "PUT").status == status
        assert session.wire.is_closed


def test_a_refusal_is_read_by_a_client_that_sends_everything_first(session: Session) -> None:
    for _ in range(3):
        assert session.put(1, DATA[1 : SLICE + 1]).error[:2] == (416, "invalidRange")


def test_a_slice_that_stops_coming_is_408_and_counts_for_nothing(tmp_path: Path) -> None:
    """On a server of its own: what comes in time to one that soon stops waiting is late where all is slow."""
    with running_server(tmp_path, file=SETTINGS, change=limited(request_seconds=2.0)) as server:
        own = OwnTarget(server)
        draft = draft_on(own)
        session = draft.session(len(DATA))
        data = head(session, f"0-{SLICE - 1}/{len(DATA)}", f"Content-Length: {SLICE}") + DATA[:150_000]
        assert session.wire.send(data, "PUT").error[:2] == (408, "RequestTimeout")
        assert session.expected() == [f"0-{len(DATA) - 1}"]
        assert draft.value(attachment_id_of(session.send(DATA, [SLICE]))) == DATA
        own.wire.close()


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
def test_a_stranger_is_refused_before_the_body_has_come(session: Session, method: str) -> None:
    target = session.target.rpartition("authtoken=")[0] + "authtoken=wrong"
    lines = [f"{method} {target} HTTP/1.1", f"Host: {session.wire.host}", "Content-Range: bytes 0-99/300000"]
    data = "\r\n".join([*lines, "Content-Length: 100", "", "x"]).encode()
    assert session.wire.send(data, method).status == (405 if method == "POST" else 404)


def test_what_is_no_upload_url_is_not_found(session: Session) -> None:
    for target in (
        session.target + "&a=b" * 200,
        re.sub("AttachmentSessions\\('.{16}", f"AttachmentSessions('{'f' * 16}", session.target),
    ):
        assert target != session.target
        assert session.wire.request("GET", target, {}).status == 404


def test_a_client_that_goes_away_in_a_slice_comes_back_and_goes_on(session: Session, draft: Draft) -> None:
    session.put(0, DATA[:100_000])
    session.wire.open().sendall(
        head(session, f"100000-299999/{len(DATA)}", "Content-Length: 200000") + b"x" * 150_000
    )
    session.wire.close()
    assert session.expected() == [f"100000-{len(DATA) - 1}"]
    assert draft.value(attachment_id_of(session.put(100_000, DATA[100_000:]))) == DATA


def test_a_message_never_becomes_larger_than_a_message_may_be(draft: Draft) -> None:
    answer = draft.begin(MESSAGE + 1)
    assert answer.error[:2] == (413, "ErrorMessageSizeExceeded")
    first, second = draft.session(len(DATA)), draft.session(len(DATA))
    first.send(DATA, [SLICE])
    second.put(0, DATA[:SLICE])
    for _ in range(2):
        refused = second.put(SLICE, DATA[SLICE:])
        assert refused.error[:2] == (413, "ErrorMessageSizeExceeded")
    assert draft.begin(MESSAGE - len(DATA) + 1).status == 413
    assert draft.begin(MESSAGE - len(DATA)).status == 201
    file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "A" * 400_000}
    assert draft.add(**file).error[:2] == (413, "ErrorMessageSizeExceeded")
    assert len(draft.attachments()) == 1


def test_a_session_whose_time_is_over_is_gone(tmp_path: Path) -> None:
    change = limited(upload_session_seconds=0.000_001)
    with running_server(tmp_path, file=SETTINGS, change=change) as server:
        session = draft_on(OwnTarget(server)).session(10)
        for answer in (session.put(0, b"0123456789"), session.get(), session.delete()):
            assert answer.error[:2] == (404, "ErrorItemNotFound")
        session.wire.close()


@pytest.mark.slow
def test_an_upload_goes_on_after_a_restart(tmp_path: Path) -> None:
    data = DATA * 5
    with running_server(tmp_path, file=SETTINGS) as server:
        own = OwnTarget(server)
        draft = draft_on(own)
        session = draft.session(len(data))
        session.put(0, data[:777_777])
        own.wire.close()
    with running_server(tmp_path, file=SETTINGS) as server:
        own = draft.own = OwnTarget(server)
        session.wire = own.wire
        assert session.expected() == [f"777777-{len(data) - 1}"]
        assert session.put(0, data[:777_777]).status == 200
        done = session.put(777_777, data[777_777:])
        assert draft.value(attachment_id_of(done)) == data
        own.wire.close()
    with running_server(tmp_path, file=SETTINGS) as server:
        own = draft.own = OwnTarget(server)
        session.wire = own.wire
        assert attachment_id_of(session.put(777_777, data[777_777:])) == attachment_id_of(done)
        assert [each["size"] for each in draft.attachments()] == [len(data)]
        own.wire.close()


def interrupted(own: OwnTarget, draft: Draft, data: bytes) -> Session:
    """A session as a crash leaves it when every byte was durable, but nothing was attached yet."""
    from hashlib import sha256

    session = draft.session(len(data))
    session.put(0, data[:-1])
    name = session.url.partition("AttachmentSessions('")[2][:16]
    path = own.server.config.data / "blobs/parts" / name
    with path.open("ab") as file:
        file.write(data[-1:])

    def complete(tx: Any) -> None:
        values = (len(data), sha256(data).hexdigest(), int(name, 16))
        tx.execute(
            "UPDATE uploads SET received = ?, sha256 = ? WHERE upload_id = ? AND mailbox_id > 0", values
        )

    own.server.call(lambda: own.server.store.write(complete))
    return session


@pytest.mark.parametrize("ask", ["PUT", "GET"])
@pytest.mark.parametrize("size", [1000, 100_000])
@pytest.mark.parametrize("placed", [False, True], ids=["a part", "a blob"])
def test_what_a_crash_left_complete_is_attached_by_the_next_request(
    own: OwnTarget, draft: Draft, ask: str, size: int, placed: bool
) -> None:
    data = random.Random(f"{ask} {size} {placed}").randbytes(size)
    session = interrupted(own, draft, data)
    if placed and size > 65_536:
        from graphpost.store.blobs import Blob, FileBlobs

        name = session.url.partition("AttachmentSessions('")[2][:16]
        rows = own.server.call(
            lambda: own.server.store.read(
                lambda tx: tx.all("SELECT sha256 FROM uploads WHERE upload_id = ?", (int(name, 16),))
            )
        )
        FileBlobs(own.server.config.data / "blobs").adopt(name, Blob(rows[0][0], size))
    if ask == "GET":
        assert session.expected() == []
    number = attachment_id_of(session.put(size - 1, data[-1:]))
    assert draft.value(number) == data
    assert len(draft.attachments()) == 1


def test_a_finished_upload_stays_finished_whatever_happens_to_the_draft(own: OwnTarget, draft: Draft) -> None:
    session = draft.session(10)
    number = attachment_id_of(session.put(0, b"0123456789"))
    assert draft.ask("DELETE", f"{draft.path}/attachments/{number}").status == 204
    assert attachment_id_of(session.put_range("bytes 0-9/10", b"")) == number
    assert draft.attachments() == []


def test_no_slice_is_left_open(own: OwnTarget, session: Session) -> None:
    """Every file that was opened for a slice is closed again, whatever became of it."""
    import os

    def opened() -> int:
        found = 0
        for number in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # closed meanwhile
                found += "/parts/" in os.readlink(f"/proc/self/fd/{number}")
        return found

    session.put(0, DATA[:1000])
    session.put(5000, DATA[:1000])
    session.put_range("bytes 1000-1999/300000", b"short")
    eventually(lambda: opened() == 0)
    assert json.loads(session.get().body)["nextExpectedRanges"] == ["1000-299999"]
