"""A server in this process, asked by HTTP without a network: two mailboxes, a real store, a worker whose relays take everything."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

from msgspec.structs import replace
from tests.delivery.post import SETTINGS, ScriptedCourier
from tests.graph.desk import ADELE, ALEX, APP, MAILBOXES, SCOPED, token_named
from tests.graph.study import Study

from graphpost.clock import SECOND, from_datetime
from graphpost.config import LimitSettings
from graphpost.graph.attachments.uploading import Uploads
from graphpost.graph.sending.due import due_check
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.store.queue import deliveries
from graphpost.store.store import Store
from graphpost.web.app import Application
from graphpost.web.exchange import Exchange

ORIGIN = "https://localhost:8443"
LATER = "2030-01-01T00:00:00Z"
LOOKS = 10
"""How often the dispatcher looks for what is due, more than enough."""
IMMUTABLE = 'IdType="ImmutableId"'
BOXES = (ADELE, ALEX)
TOKENS = {ADELE.address: "user-with-everything", ALEX.address: "alex-with-everything"}


@dataclass(frozen=True)
class Ask:
    """A request; `path` is below the mailbox, or absolute with a leading `/`."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    @property
    def content_type(self) -> str:
        return "text/plain" if isinstance(self.body, bytes) else "application/json"

    @property
    def fields(self) -> dict[str, str]:
        return {**({"Content-Type": self.content_type} if self.body is not None else {}), **self.headers}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any  # of JSON what it says, else bytes; None when there is none

    @property
    def error(self) -> tuple[int, str]:
        assert isinstance(self.body, dict), self
        return self.status, self.body["error"]["code"]

    @property
    def values(self) -> list[dict[str, Any]]:
        assert self.status == 200, self
        return cast(list[dict[str, Any]], self.body["value"])


class Carrier:
    """A connection that leads nowhere: what is sent on it is kept."""

    common = ""

    def __init__(self) -> None:
        self.sent = bytearray()

    def send(self, data: bytes) -> None:
        self.sent += data

    async def drain(self) -> None:
        """Nothing is ever in the way."""

    def listen(self) -> None:
        """Everything is there already."""

    def pause(self) -> None:
        """Everything is there already."""

    def finish(self, exchange: Exchange) -> None:
        assert exchange.keeps, "the connection was broken off"

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.sent)

    def answer(self, method: str) -> Answer:
        response = HTTPResponse(cast(Any, self), method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = response.read()
        is_json = "json" in headers.get("content-type", "")
        return Answer(response.status, headers, json.loads(body) if is_json else body or None)


class Place:
    """Everything is synchronous for who asks; a second passes between any two requests."""

    def __init__(self, open_store: Callable[[], Store], folder: Path) -> None:
        self.at_end: Callable[[], object] = lambda: None
        self.runner = asyncio.Runner()
        self.study = self.runner.run(self._open(open_store, folder))
        office = self.study.office
        self.relays: dict[str, ScriptedCourier] = {"one.test": office.one, "two.test": office.two}
        self.app = Application(
            graph=self.study.api,
            uploads=Uploads(self.study.services),
            issuer=None,
            admin=cast(Any, None),
            limits=LimitSettings(),
            log=office.log,
            hosts=frozenset({"localhost"}),
        )

    async def _open(self, open_store: Callable[[], Store], folder: Path) -> Study:
        # Read receipts come into the senders' mailboxes by themselves, which the model knows nothing of.
        study = Study(open_store(), folder, delivery=replace(SETTINGS, read_receipts=False))
        await study.furnish()
        # What is done later, or in slices, is by what the application has then.
        app = replace(APP, delegated_permissions=("Mail.Send", "Mail.ReadWrite"))
        study.office.directory = Directory.of(MAILBOXES, [app, SCOPED])
        await study.office.worker.start()
        return study

    def close(self) -> None:
        async def end() -> None:
            await self.study.office.worker.stop(1.0)
            await self.study.store.close()

        self.runner.run(end())
        self.study.office.log.close()
        self.runner.close()
        self.at_end()

    def ask(self, box: Mailbox, ask: Ask) -> Answer:
        """One request of the mailbox's owner, who may do everything in it."""
        path = ask.path if ask.path.startswith("/") else f"/v1.0/me/{ask.path}"
        headers = {"Authorization": f"Bearer {token_named(TOKENS[box.address])}", **ask.fields}
        return self.send(ask.method, path, headers, ask.data)

    def get(self, box: Mailbox, path: str, **headers: str) -> Answer:
        return self.ask(box, Ask("GET", path, None, headers))

    def follow(self, box: Mailbox, link: str, **headers: str) -> Answer:
        """What a client gets that follows a link."""
        assert link.startswith(ORIGIN)
        return self.get(box, link.removeprefix(ORIGIN), **headers)

    def put(self, url: str, start: int, data: bytes, total: int) -> Answer:
        """A slice of an upload."""
        headers = {"Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}"}
        return self.send("PUT", url.removeprefix(ORIGIN), headers, data)

    def batch(self, box: Mailbox, asks: list[Ask], *, chained: bool) -> list[Answer]:
        """The answers in the order of the requests; `chained`: each depends on the one before."""
        parts = [
            {
                "id": str(number),
                "method": each.method,
                "url": f"/me/{each.path}",
                **({"headers": each.fields} if each.fields else {}),
                **({"body": _in_batch(each)} if each.body is not None else {}),
                **({"dependsOn": [str(number - 1)]} if chained and number else {}),
            }
            for number, each in enumerate(asks)
        ]
        answer = self.ask(box, Ask("POST", "/v1.0/$batch", {"requests": parts}))
        assert answer.status == 200, answer
        found = {each["id"]: each for each in answer.body["responses"]}
        assert len(found) == len(asks)
        return [
            Answer(each["status"], {k.lower(): v for k, v in each.get("headers", {}).items()}, each["body"])
            for each in (found[str(number)] for number in range(len(asks)))
        ]

    def send(self, method: str, target: str, headers: Mapping[str, str], data: bytes) -> Answer:
        return self.runner.run(self._send(method, target, headers, data))

    async def _send(self, method: str, target: str, headers: Mapping[str, str], data: bytes) -> Answer:
        clock = self.study.clock
        await clock.advance(1.0)  # not by a jump: leases are renewed meanwhile
        parts = urlsplit(target)
        fields = {"host": "localhost:8443", "content-length": str(len(data)), **headers}
        carrier = Carrier()
        exchange = Exchange(
            carrier,
            method,
            quote(parts.path, safe="/$'()=%!*,:@&+~-._;"),
            quote(parts.query, safe="/$'()=%!*,:@&+~-._;?"),
            {name.lower(): value for name, value in fields.items()},
            scheme="https",
        )
        exchange.add(data)
        exchange.complete()
        await self.app(exchange)
        return carrier.answer(method)

    def come_late(self) -> None:
        """The time has come that was asked for, and what waits for it is sent."""
        directory = self.study.office.directory
        dispatcher = self.study.office.dispatcher(due_check(lambda: directory, LimitSettings()))
        self.study.clock.jump_to(from_datetime(datetime.fromisoformat(LATER)) + SECOND)

        async def look() -> None:
            for _ in range(LOOKS):  # one that was answered by another of them in between is for the next look
                await dispatcher.once()

        self.runner.run(look())

    def deliver(self, waiting: int = 0) -> None:
        """Everything that is on its way arrives, but for what waits for a relay."""
        office = self.study.office

        async def is_done() -> bool:
            depth, _ = await self.study.store.read(deliveries.depth)
            return depth == waiting

        self.runner.run(office.until(is_done))


def _in_batch(ask: Ask) -> Any:
    return ask.body.decode() if isinstance(ask.body, bytes) else ask.body
