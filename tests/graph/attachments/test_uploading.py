"""Slices of one upload that reach two processes: `node` stands for one, each has locks of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.graph.desk import ADELE, ALEX, APP, NOW, StillClock
from tests.store.made import item, upload

from graphpost.clock import SECOND
from graphpost.config import AccountSettings, LimitSettings
from graphpost.delivery.quotas import Quotas
from graphpost.errors import GraphError, InsufficientStorage, NotFound, Unauthenticated, Unavailable
from graphpost.graph.attachments.uploading import Uploads
from graphpost.graph.attachments.uploads import Place
from graphpost.graph.call import Reply, Request, Services
from graphpost.ids import Numbers, message_id_text
from graphpost.mail.mailbox import DRAFTS, Directory
from graphpost.mail.message import Attachment, ContentRef
from graphpost.mail.rights import FULL_ACCESS, Given
from graphpost.store.audit import Actor
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import folders, messages, uploads
from graphpost.store.mailbox.deferrals import Requester
from graphpost.store.mailbox.uploads import part_name
from graphpost.store.store import Store, Tx

pytestmark = pytest.mark.anyio
NUMBER, TOKEN = 77, "t" * 43
PLACE = Place(ADELE.object_id, message_id_text(ADELE.object_id, 1, 0), NUMBER, TOKEN)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Building:
    """A store with a draft and a session for ten bytes, and the nodes that serve it."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore.open(path / "mail.db", readers=2)
        self.blobs = FileBlobs(path / "blobs")
        self.directory = Directory.of([ADELE])
        self.told: list[tuple[Actor, dict[str, Any]]] = []  # of what the audit log has

    def note(self, actor: Actor, **record: Any) -> None:
        self.told.append((actor, record))

    def node(self, store: Store | None = None) -> Uploads:
        clock = StillClock()
        return Uploads(
            Services(
                store=store or self.store,
                blobs=FileBlobs(self.blobs.root),
                directory=lambda: self.directory,
                verifier=cast(Any, None),
                submitter=cast(Any, None),
                numbers=Numbers(clock.now, node=1),
                clock=clock,
                limits=LimitSettings(),
                tenant_id="",
                notifier=cast(Any, None),
                auditor=cast(Any, self),
                quotas=Quotas(self.store, AccountSettings(), clock, cast(Any, None)),
            )
        )

    def furnish(self, tx: Tx) -> None:
        folders.create_defaults(tx, ADELE.mailbox_id)
        messages.add(tx, item(1, ADELE.mailbox_id, DRAFTS, is_draft=True))
        attachment = Attachment(attachment_id=5, name="a.bin", size=10, content=ContentRef(6))
        token = sha256(TOKEN.encode()).hexdigest()
        expiry = NOW + 60 * SECOND
        made = upload(NUMBER, ADELE.mailbox_id, token_hash=token, expires_at=expiry, attachment=attachment)
        uploads.add(tx, made)

    def part(self) -> bytes:
        return self.blobs.parts.read(part_name(NUMBER))


@pytest.fixture
async def building(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Building]:
    made = Building(tmp_path)
    await made.store.write(made.furnish)
    yield made
    await made.store.close()


class Slow:
    """A store whose reads are answered with what was, once somebody has let them go."""

    def __init__(self, store: Store, quick: int) -> None:
        self.dialect = store.dialect
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self._store = store
        self._quick = quick

    async def read(self, fn: Callable[[Tx], Any]) -> Any:
        found = await self._store.read(fn)
        self._quick -= 1
        if self._quick < 0:
            self.reached.set()
            await self.go.wait()
        return found

    async def write(self, fn: Callable[[Tx], Any]) -> Any:
        return await self._store.write(fn)

    async def close(self) -> None:
        """The store is somebody else's."""


class Gate:
    """In the middle of a body."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()


async def body(data: bytes, gate: Gate | None) -> AsyncIterator[bytes]:
    yield data[:2]
    if gate:
        gate.reached.set()
        await gate.go.wait()
    yield data[2:]


async def put(node: Uploads, start: int, data: bytes, gate: Gate | None = None) -> Reply:
    headers = {"content-range": f"bytes {start}-{start + len(data) - 1}/10"}
    return await node.handle(asked("PUT", PLACE, headers), body(data, gate))


def asked(method: str, place: Place, headers: dict[str, str]) -> Request:
    path, _, query = place.url("").partition("?")
    return Request(method, path, query, headers, b"", "https://localhost", "r", remote="192.0.2.7")


async def test_a_part_that_another_process_writes_to_is_busy(building: Building) -> None:
    gate = Gate()
    writing = asyncio.create_task(put(building.node(), 0, b"01234", gate))
    await gate.reached.wait()
    with pytest.raises(Unavailable) as caught:
        await put(building.node(), 0, b"01234")
    assert caught.value.headers == {"Retry-After": "1"}
    gate.go.set()
    assert (await writing).body["nextExpectedRanges"] == ["5-9"]


@pytest.mark.parametrize("quick", [0, 1, 2])
async def test_a_process_that_is_late_does_not_cut_off_what_another_has_acknowledged(
    building: Building, quick: int
) -> None:
    slow = Slow(building.store, quick)
    late = asyncio.create_task(put(building.node(cast(Any, slow)), 0, b"xxxxx"))
    await slow.reached.wait()
    if quick < 2:  # else the late one has the part already
        assert (await put(building.node(), 0, b"01234")).status == 200
    slow.go.set()
    assert (await late).status == 200
    assert building.part() == (b"01234" if quick < 2 else b"xxxxx")


async def test_a_process_that_is_late_finds_the_upload_finished(building: Building) -> None:
    slow = Slow(building.store, 1)
    late = asyncio.create_task(put(building.node(cast(Any, slow)), 0, b"01234"))
    await slow.reached.wait()
    first = await put(building.node(), 0, b"0123456789")
    slow.go.set()
    again = await late
    assert (first.status, again.status) == (201, 201)
    assert again.headers == first.headers
    found = await building.store.read(lambda tx: messages.get(tx, ADELE.mailbox_id, 1))
    assert found is not None
    assert len(found.message.attachments) == 1


async def open_again(building: Building, requester: Requester) -> None:
    """The session as if somebody had opened it."""

    def again(tx: Tx) -> None:
        found = uploads.get(tx, ADELE.mailbox_id, NUMBER)
        assert found is not None
        uploads.remove(tx, ADELE.mailbox_id, NUMBER)
        made = msgspec.structs.replace(found, requester=requester, client_id=requester.client_id)
        uploads.add(tx, made)

    await building.store.write(again)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_how_a_session_ends_has_a_record_of_who_opened_it(building: Building, method: str) -> None:
    building.directory = Directory.of([ADELE, ALEX], [APP], rights=[Given(mailbox_id=ADELE.mailbox_id, holder=ALEX.object_id, rights=frozenset({FULL_ACCESS}))])  # fmt: skip
    await open_again(building, Requester("user", "t", ALEX.object_id, APP.client_id, frozenset({"Mail.ReadWrite.Shared"})))  # fmt: skip
    node = building.node()
    await put(node, 0, b"01234")
    await node.handle(asked("GET", PLACE, {}), body(b"", None))
    with pytest.raises(NotFound):
        await node.handle(asked(method, replace(PLACE, token="x" * 43), {}), body(b"", None))
    assert building.told == []
    for _ in range(2):
        if method == "PUT":
            await put(node, 5, b"56789")
    if method == "DELETE":
        await node.handle(asked(method, PLACE, {}), body(b"", None))
    ((actor, record),) = building.told
    assert (actor.kind, actor.client_id, actor.person, actor.right, actor.remote, actor.action) == (
        "user",
        APP.client_id,
        ALEX.address,
        FULL_ACCESS,
        "192.0.2.7",
        f"{method} upload",
    )
    assert record == {
        "mailbox_id": ADELE.mailbox_id,
        "mailbox": ADELE.address,
        "message_id": 1,
        "status": 201 if method == "PUT" else 204,
        "code": "",
    }


@pytest.mark.parametrize(
    ("requester", "app", "wanted"),
    [
        (Requester("user", "t", ADELE.object_id, APP.client_id), {}, 200),
        (Requester("user", "t", ADELE.object_id, APP.client_id), {"enabled": False}, 401),
        (
            Requester("user", "t", ADELE.object_id, APP.client_id),
            {"delegated_permissions": ("Mail.Send",)},
            403,
        ),
        (Requester("user", "t", ALEX.object_id, APP.client_id), {}, 403),
        (Requester("user", "t", "nobody", APP.client_id), {}, 401),
        (Requester("application", "t", APP.object_id, APP.client_id), {}, 200),
        (
            Requester("application", "t", APP.object_id, APP.client_id),
            {"mailbox_scope": (ADELE.address,)},
            200,
        ),
        (
            Requester("application", "t", APP.object_id, APP.client_id),
            {"mailbox_scope": ("domain:x.y",)},
            403,
        ),
        (Requester("application", "t", APP.object_id, "gone"), {}, 401),
    ],
)
async def test_who_opened_it_must_still_be_one_who_may(
    building: Building, requester: Requester, app: dict[str, Any], wanted: int
) -> None:
    await open_again(building, requester)
    names = {"delegated_permissions": ("Mail.ReadWrite",), "application_permissions": ("Mail.ReadWrite",)}
    building.directory = Directory.of([ADELE, ALEX], [msgspec.structs.replace(APP, **{**names, **app})])
    node = building.node()
    if wanted == 200:
        assert (await put(node, 0, b"01234")).status == 200
        return
    with pytest.raises(GraphError) as caught:
        await put(node, 0, b"01234")
    assert caught.value.status == wanted
    with pytest.raises(GraphError):
        await node.handle(asked("GET", PLACE, {}), body(b"", None))
    told = [(actor.client_id, actor.action, record["status"]) for actor, record in building.told]
    assert told == [(requester.client_id, f"{method} upload", wanted) for method in ("PUT", "GET")]


async def test_who_may_no_more_when_the_last_slice_has_come_attaches_nothing(building: Building) -> None:
    await open_again(building, Requester("user", "t", ADELE.object_id, APP.client_id))
    able = msgspec.structs.replace(APP, delegated_permissions=("Mail.ReadWrite",))
    building.directory = Directory.of([ADELE], [able])
    gate = Gate()
    sending = asyncio.create_task(put(building.node(), 0, b"0123456789", gate))
    await gate.reached.wait()
    building.directory = Directory.of([msgspec.structs.replace(ADELE, enabled=False)], [able])
    gate.go.set()
    with pytest.raises(Unauthenticated):
        await sending
    building.directory = Directory.of([ADELE], [able])
    found = await building.store.read(lambda tx: messages.get(tx, ADELE.mailbox_id, 1))
    assert found is not None
    assert found.message.attachments == ()
    assert (await put(building.node(), 0, b"0123456789")).status == 201  # it is all there


async def test_what_is_finished_has_to_fit_into_the_mailbox_as_it_is_then(building: Building) -> None:
    building.directory = Directory.of([msgspec.structs.replace(ADELE, quota=9)])
    for _ in range(2):
        with pytest.raises(InsufficientStorage):
            await put(building.node(), 0, b"0123456789")
    found = await building.store.read(lambda tx: messages.get(tx, ADELE.mailbox_id, 1))
    assert found is not None
    assert found.message.attachments == ()
    building.directory = Directory.of([ADELE])
    assert (await put(building.node(), 0, b"0123456789")).status == 201
