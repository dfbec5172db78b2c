"""A real store with Adele's mailbox of a few hundred messages, and handlers called on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec

from graphpost.auth.access import Principal
from graphpost.clock import SECOND
from graphpost.config import LimitSettings
from graphpost.graph.call import Call, Reply, Services
from graphpost.ids import Numbers, attachment_id_text, folder_id_text, message_id_text
from graphpost.mail.mailbox import DRAFTS, INBOX, SENT_ITEMS, Directory, Folder, Mailbox
from graphpost.mail.message import (
    Address,
    Attachment,
    Body,
    ContentRef,
    ExtendedProperty,
    Flag,
    Header,
    Item,
    Message,
    ZonedTime,
)
from graphpost.odata.query import split_query
from graphpost.store import contents
from graphpost.store.blobs import FileBlobs
from graphpost.store.databases.sqlite import SqliteStore
from graphpost.store.mailbox import folders, messages

BASE = "https://localhost:8443/v1.0"
ADELE = Mailbox(
    mailbox_id=1,
    object_id="aaaaaaaa-0000-4000-8000-000000000001",
    address="AdeleV@contoso.test",
    name="Adele Vance",
    aliases=("adele@contoso.test",),
    created_at=1_700_000_000 * SECOND,
)
ALEX = Mailbox(mailbox_id=2, object_id="aaaaaaaa-0000-4000-8000-000000000002", address="o'alex@contoso.test")
START = 1_767_225_600 * SECOND  # 2026-01-01
HOUR = 3600 * SECOND
PROJECT = 1000  # a folder under the inbox
CONVERSATION = bytes(range(16))
INBOX_COUNT, SENT_COUNT = 200, 50
MIME = b"From: a@b.c\r\nBcc: secret@b.c\r\nSubject: As it came\r\n\r\nHello\r\n"
LARGE = bytes(range(256)) * 2000  # goes to a blob
RICH, RAW, DRAFT, HIDDEN, ALEXS = 9001, 9002, 9003, 9004, 9005

Handler = Callable[[Call], Awaitable[Reply]]


EVERYTHING = frozenset({"Mail.Read", "Mail.ReadWrite", "User.Read", "User.Read.All"})


@dataclass
class Answer:
    """A reply with its body read to the end."""

    status: int
    raw: bytes
    content_type: str
    headers: Mapping[str, str]
    json: Any = field(default=None)

    @property
    def values(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self.json["value"])


class Shelf:
    """The store, and a `call` of a handler as the API would make it."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.store = SqliteStore.open(folder / "mail.db", readers=2)
        self.blobs = FileBlobs(folder / "blobs")
        self.directory = Directory.of([ADELE, ALEX])
        self.services = Services(
            store=self.store,
            blobs=self.blobs,
            directory=lambda: self.directory,
            verifier=cast(Any, None),
            submitter=cast(Any, None),
            numbers=Numbers(lambda: START, node=1),
            clock=cast(Any, None),
            limits=LimitSettings(),
            tenant_id="11111111-2222-3333-4444-555555555555",
            notifier=cast(Any, None),
            quotas=cast(Any, None),
        )
        large = contents.prepare(self.blobs, 12, LARGE, 1000)
        self.runner.run(self.store.write(lambda tx: fill(tx, large)))

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()

    def call(
        self,
        handler: Handler,
        query: str = "",
        *,
        path: str = "/me/messages",
        version: str = "v1.0",
        headers: Mapping[str, str] | None = None,
        permissions: frozenset[str] = EVERYTHING,
        kind: str = "user",
        box: Mailbox | None = ADELE,
        user_key: str = "me",
        **captures: str,
    ) -> Answer:
        call = Call(
            method="GET",
            version=version,
            base=BASE.replace("v1.0", version),
            path=path,
            captures=captures,
            query=split_query(query, bare_names=version == "beta"),
            headers=headers or {},
            body=b"",
            principal=Principal(
                kind=cast(Any, kind),
                tenant_id="t",
                object_id=ADELE.object_id,
                client_id="c",
                permissions=permissions,
            ),
            mailbox=box,
            user_key=user_key,
            request_id="r",
            services=self.services,
        )
        return self.runner.run(_answer(handler(call)))

    def follow(self, handler: Handler, link: str, **captures: str) -> Answer:
        """What a client gets that follows a nextLink."""
        url = urlsplit(link)
        return self.call(handler, url.query, path=url.path.removeprefix("/v1.0"), **captures)

    def pages(self, handler: Handler, query: str, **captures: str) -> list[list[dict[str, Any]]]:
        """Every page, by following nextLink to the end."""
        answer = self.call(handler, query, **captures)
        found = [answer.values]
        while link := answer.json.get("@odata.nextLink"):
            assert link.startswith(BASE + "/me/messages?")
            answer = self.follow(handler, link, **captures)
            found.append(answer.values)
        return found


async def _answer(reply: Awaitable[Reply]) -> Answer:
    done = await reply
    body = done.body
    if body is None or isinstance(body, bytes):
        raw = body or b""
    elif hasattr(body, "__aiter__"):
        raw = b"".join([chunk async for chunk in body])
    else:
        raw = msgspec.json.encode(body)
    is_json = "json" in done.content_type or (not isinstance(body, bytes | None) and not done.content_type)
    return Answer(done.status, raw, done.content_type, done.headers, json.loads(raw) if is_json else None)


def message_id(number: int, moves: int = 0, *, immutable: bool = False, box: Mailbox = ADELE) -> str:
    return message_id_text(box.object_id, number, moves, immutable=immutable)


def attachment_id(message: int, number: int) -> str:
    return attachment_id_text(ADELE.object_id, message, 0, number)


def folder_id(number: int, box: Mailbox = ADELE) -> str:
    return folder_id_text(box.object_id, number)


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


def fill(tx: Any, large: contents.Content) -> None:
    for box in (ADELE, ALEX):
        folders.create_defaults(tx, box.mailbox_id)
    folders.add(tx, Folder(mailbox_id=1, folder_id=PROJECT, parent_id=INBOX, name="Project"))
    for number in range(INBOX_COUNT):
        messages.add(tx, plain(number + 1, INBOX, number))
    for number in range(SENT_COUNT):
        messages.add(tx, plain(number + 1001, SENT_ITEMS, number))
    for item in (rich(), raw(), draft(), hidden(), alexs()):
        messages.add(tx, item)
    small = contents.Content(11, 5, "0" * 64, b"hello")
    nested = contents.Content(13, len(MIME), "1" * 64, MIME)
    encoded = contents.Content(14, 20, "2" * 64, b"xxaGVsbG8gd29ybGQ=yy")
    contents.add(tx, 1, RICH, [small, large, nested, encoded])
    contents.add(tx, 1, RAW, [contents.Content(21, len(MIME), "3" * 64, MIME)])


def plain(number: int, folder: int, index: int) -> Item:
    when = START + index * HOUR
    message = Message(
        subject=f"Report {index}" if index % 2 else f"Invoice {index}",
        body=Body(f"Body of {index}"),
        preview=f"Body of {index}",
        from_=Address(f"sender{index % 5}@example.com", f"Sender {index % 5}"),
        sender=Address(f"sender{index % 5}@example.com", f"Sender {index % 5}"),
        to=(Address("AdeleV@contoso.test", "Adele Vance"),),
        importance="high" if index % 10 == 0 else "normal",
        categories=("Red", "Blue & Co") if index % 20 == 0 else (),
        flag=Flag(status="flagged") if index % 25 == 0 else Flag(),
        internet_message_id=f"<{number}@example.com>",
        date=when,
    )
    return Item(
        mailbox_id=1,
        message_id=number,
        folder_id=folder,
        message=message,
        created_at=when,
        modified_at=when,
        received_at=when,
        sent_at=when,
        is_read=index % 4 != 0,
        size=100,
        conversation_id=CONVERSATION if index % 50 == 0 else bytes(16),
    )


def rich() -> Item:
    """A message with everything on it, in the project folder."""
    message = Message(
        subject="Everything",
        body=Body('<p>Hi <img src="cid:logo"></p>', "html"),
        preview="Hi",
        from_=Address("a@example.com"),
        sender=Address("s@example.com", "Sam"),
        to=(Address("t@example.com", "Tim"),),
        cc=(Address("c@example.com", "Cleo"),),
        bcc=(Address("b@example.com", "Bo"),),
        reply_to=(Address("r@example.com", "Rea"),),
        importance="low",
        categories=("Red",),
        flag=Flag(
            status="flagged",
            start=ZonedTime("2026-01-01T00:00:00", "UTC"),
            due=ZonedTime("2026-01-02T00:00:00.5", "W. Europe Standard Time"),
        ),
        headers=(Header("x-one", "1"), Header("X-Two", "2")),
        internet_message_id="<rich@example.com>",
        date=START,
        conversation_index=b"\x01" * 22,
        is_delivery_receipt_requested=True,
        is_read_receipt_requested=True,
        inference="other",
        extended=(
            ExtendedProperty("Integer 0x36", "2"),
            ExtendedProperty("StringArray {00020329-0000-0000-c000-000000000046} Name Keys", ("a", "b")),
        ),
        attachments=(
            Attachment(
                attachment_id=1,
                name="a.txt",
                content_type="text/plain",
                size=5,
                content=ContentRef(11),
                modified_at=START,
            ),
            Attachment(attachment_id=2, name="groß.bin", size=len(LARGE), content=ContentRef(12)),
            Attachment(
                attachment_id=3, kind="item", name="As it came", size=len(MIME), content=ContentRef(13)
            ),
            Attachment(
                attachment_id=4,
                name="l.png",
                content_type="image/png\r\nX-Evil: 1",
                is_inline=True,
                content_id="logo",
                size=11,
                content=ContentRef(14, 2, 16, "base64"),
            ),
            Attachment(attachment_id=5, kind="reference", name="Link", source_url="https://example.com/x"),
        ),
        unsubscribe=("mailto:u@example.com",),
    )
    return Item(
        mailbox_id=1,
        message_id=RICH,
        folder_id=PROJECT,
        message=message,
        version=3,
        created_at=START + 1 * SECOND,
        modified_at=START + 2 * SECOND,
        received_at=START + 3 * SECOND + 999_999,
        sent_at=START + 4 * SECOND,
        conversation_id=CONVERSATION,
    )


def raw() -> Item:
    message = Message(subject="As it came", raw=ContentRef(21), internet_message_id="<raw@example.com>")
    return Item(mailbox_id=1, message_id=RAW, folder_id=PROJECT, message=message, received_at=START)


def draft() -> Item:
    message = Message(
        subject="",
        bcc=(Address("b@example.com"),),
        body=Body("a < b\nc"),
        internet_message_id="<d@x>",
        date=START,
    )
    return Item(
        mailbox_id=1,
        message_id=DRAFT,
        folder_id=DRAFTS,
        message=message,
        moves=2,
        is_draft=True,
        received_at=START,
    )


def hidden() -> Item:
    return Item(mailbox_id=1, message_id=HIDDEN, folder_id=0, message=Message(subject="Not kept"))


def alexs() -> Item:
    return Item(mailbox_id=2, message_id=ALEXS, folder_id=INBOX, message=Message(subject="Alex's"))
