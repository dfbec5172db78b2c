"""Drafts put into a server's store, and attachments sent to them as clients do."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.targets import OwnTarget
from tests.conformance.wire import Answer, Wire

from graphpost.clock import SystemClock
from graphpost.ids import message_id_text
from graphpost.mail.mailbox import DRAFTS
from graphpost.mail.message import Address, Body, Item, Message
from graphpost.mail.parse import parse, rooted
from graphpost.mail.relay import normalise
from graphpost.store import contents
from graphpost.store.contents import Content
from graphpost.store.directory import accounts
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx
from graphpost.testing.server import ServerThread

_numbers = itertools.count(7_000_001)


def new_draft(server: ServerThread, address: str, *, mime: bytes = b"", **changes: Any) -> str:
    """The id of a new draft of that person; as MIME when there is some.  `changes` are of its Item."""
    number, now = next(_numbers), SystemClock().now()

    def add(tx: Tx) -> str:
        box = accounts.load_directory(tx).find(address)
        assert box is not None
        message = Message(
            subject="A draft",
            body=Body("See the attachment."),
            from_=Address(box.address, box.name),
            sender=Address(box.address, box.name),
            to=(Address("zoe@remote.example"),),
            internet_message_id=f"<{number}@contoso.test>",
            date=now,
        )
        if mime:
            data = normalise(mime, message_id="<m@x>", date=now)
            message = rooted(parse(data), number)
            content = Content(number, len(data), "0" * 64, data)
            contents.add(tx, box.mailbox_id, number, [content])
        times = dict.fromkeys(("created_at", "modified_at", "received_at"), now)
        values: dict[str, Any] = {"folder_id": DRAFTS, "is_draft": True, **times, **changes}
        item = Item(mailbox_id=box.mailbox_id, message_id=number, message=message, **values)
        messages.add(tx, item)
        return message_id_text(box.object_id, number, item.moves)

    return server.call(lambda: server.store.write(add))


@dataclass
class Draft:
    """A draft on a server under test; requests are Adele's."""

    own: OwnTarget
    box: str  # whose, as a path writes it
    id: str

    @property
    def path(self) -> str:
        return f"/v1.0/users/{self.box}/messages/{self.id}"

    def ask(self, method: str, path: str, body: Any = None, token: str = "reader") -> Answer:
        headers = {"Authorization": f"Bearer {self.own.token(token)}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = b"" if body is None else json.dumps(body).encode()
        return self.own.wire.request(method, path, headers, data)

    def entity(self) -> Any:
        return self.ask("GET", self.path).json

    def attachments(self) -> list[Any]:
        found: list[Any] = self.ask("GET", f"{self.path}/attachments").json["value"]
        return found

    def add(self, **members: Any) -> Answer:
        return self.ask("POST", f"{self.path}/attachments", members)

    def value(self, attachment_id: str) -> bytes:
        answer = self.ask("GET", f"{self.path}/attachments/{attachment_id}/$value")
        assert answer.status == 200, answer.body
        return answer.body

    def begin(self, size: Any, name: str = "large.bin", **members: Any) -> Answer:
        item = {"attachmentType": "file", "name": name, "size": size, **members}
        return self.ask("POST", f"{self.path}/attachments/createUploadSession", {"AttachmentItem": item})

    def session(self, size: int, **members: Any) -> Session:
        answer = self.begin(size, **members)
        assert answer.status == 201, answer.body
        return Session(self.own.wire, answer.json["uploadUrl"], size)


@dataclass
class Session:
    """An upload session, by its URL alone."""

    wire: Wire
    url: str
    size: int

    @property
    def target(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.path}?{parts.query}"

    def put(self, start: int, data: bytes, **fields: str) -> Answer:
        """These bytes as the slice that begins there."""
        return self.put_range(f"bytes {start}-{start + len(data) - 1}/{self.size}", data, **fields)

    def put_range(self, range_: str, data: bytes, **fields: str) -> Answer:
        headers = {"Content-Range": range_, "Content-Type": "application/octet-stream", **fields}
        return self.wire.request("PUT", self.target, headers, data)

    def get(self) -> Answer:
        return self.wire.request("GET", self.target, {})

    def delete(self) -> Answer:
        return self.wire.request("DELETE", self.target, {})

    def expected(self) -> list[str]:
        answer = self.get()
        assert answer.status == 200, answer.body
        ranges: list[str] = answer.json["nextExpectedRanges"]
        return ranges

    def send(self, data: bytes, sizes: list[int]) -> Answer:
        """All of the data in slices of these sizes, one after the other."""
        start = 0
        for size in itertools.cycle(sizes):
            answer = self.put(start, data[start : start + size])
            start += size
            if start >= len(data):
                return answer
            left = [f"{start}-{self.size - 1}"]
            assert (answer.status, answer.json["nextExpectedRanges"]) == (200, left), answer.body
        raise AssertionError("no sizes")


def attachment_id_of(answer: Answer) -> str:
    """The id in the Location of a finished upload, cut out as clients do."""
    assert answer.status == 201, answer.body
    assert answer.body == b""
    assert "content-type" not in answer.headers
    return answer.headers["location"].partition("Attachments('")[2].partition("')")[0]
