"""A mail room to look into: the real store, rules and SMTP server, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trustme
from tests.delivery.post import ADELE, ALEX, BreakableStore

from graphpost.config import (
    AccountSettings,
    Config,
    DeliverySettings,
    InboundSettings,
    LimitSettings,
    LogSettings,
    TenantSettings,
)
from graphpost.delivery.arrival.arriving import Arrivals
from graphpost.delivery.arrival.noticing import Noticing
from graphpost.delivery.arrival.ruling import Ruler
from graphpost.delivery.filing import Filer
from graphpost.delivery.queueing import AutomaticDeliveries
from graphpost.delivery.quotas import Quotas
from graphpost.delivery.responses.absence import Absence
from graphpost.delivery.responses.automatic import AutomaticMail
from graphpost.delivery.responses.confirming import Confirmer
from graphpost.delivery.responses.receipts import Receipts
from graphpost.delivery.responses.reports import Reporter
from graphpost.delivery.routing import Router
from graphpost.graph.bodies.zones import instant_of
from graphpost.ids import Numbers
from graphpost.inbound.listener import listen_unix
from graphpost.inbound.opening import Inbound, open_inbound
from graphpost.mail.mailbox import INBOX, Directory, Mailbox, Reception
from graphpost.mail.message import Item
from graphpost.maillog import MailLog
from graphpost.sockets import listen
from graphpost.store import contents as stored
from graphpost.store.blobs import FileBlobs
from graphpost.store.mailbox import messages
from graphpost.store.queue import lookups
from graphpost.store.queue.deliveries import Delivery
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock

HOST = "mx.contoso.test"
LETTER = b"From: Bob <bob@else.test>\r\nSubject: Hello\r\n\r\nSoup.\r\n"


class Room:
    """`open` begins to listen."""

    def __init__(self, store: Store, path: Path, **settings: Any) -> None:
        self.path, self.clock = path, JumpingClock()
        self.store = BreakableStore(store)
        self.blobs = FileBlobs(path / "blobs")
        self.directory = Directory.of([ADELE, ALEX]).receiving(Reception(domains=frozenset({"contoso.test"})))
        self.output = io.StringIO()
        self.log = MailLog(LogSettings(), self.output, self.clock.now)
        hooks = {name: settings.pop(name) for name in ("evaluate",) if name in settings}
        limits = settings.pop("limits", LimitSettings())
        self.config = Config(
            data=path,
            tenant=TenantSettings(domains=["contoso.test"]),
            inbound=InboundSettings(hostname=HOST, **settings),
            limits=limits,
        )
        filer = Filer(self.blobs, Numbers(self.clock.now, node=1), limits, 65_536)
        router = Router(lambda: self.directory, ["contoso.test"], [])
        deliveries = AutomaticDeliveries(router.destination, DeliverySettings())
        automatic = AutomaticMail(filer, deliveries)
        ruler = Ruler(
            filer,
            deliveries,
            Receipts(automatic, HOST, enabled=True),
            Absence(automatic, lambda: self.directory, router.is_ours, instant_of),
        )
        self.inbound: Inbound = open_inbound(
            self.config,
            store=self.store,
            filer=filer,
            arrivals=Arrivals(self.store, filer, ruler, Noticing(self.store, self.log)),
            confirmer=Confirmer(Reporter(filer, HOST), automatic),
            router=router,
            directory=lambda: self.directory,
            hostname=HOST,
            clock=self.clock,
            quotas=Quotas(self.store, AccountSettings(), self.clock, self.log),
            log=self.log,
            **hooks,
        )
        self.port = 0
        self.wires: list[Wire] = []

    async def open(self, *, lmtp: bool = False, authority: trustme.CA | None = None) -> int:
        """Listen on a free port."""
        tls = None
        if authority is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(HOST).configure_cert(tls)
        await self.inbound.start(tls)
        listening = listen("inbound", "127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        await self.inbound.serve(listening, "lmtp" if lmtp else "smtp")
        return self.port

    async def open_unix(self) -> Path:
        await self.inbound.start(None)
        path = self.path / "lmtp.sock"
        await self.inbound.serve(listen_unix(path), "lmtp")
        return path

    async def close(self) -> None:
        for wire in self.wires:
            await wire.close()
        await self.inbound.stop()
        self.log.close()

    async def wire(self, *, helo: str = "client.test", verb: str = "EHLO") -> Wire:
        """A connection that has been greeted, and said who it is."""
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**20))
        self.wires.append(wire)
        assert (await wire.reply())[0] == 220
        if helo:
            assert (await wire.ask(f"{verb} {helo}"))[0] == 250
        return wire

    async def inbox(self, mailbox: Mailbox = ADELE) -> list[Item]:
        """The oldest first."""
        found = await self.store.read(
            lambda tx: messages.find(tx, mailbox.mailbox_id, folder_id=INBOX, top=10**6)
        )
        return sorted(found, key=lambda item: item.message_id)

    async def value(self, item: Item) -> bytes:
        """What `$value` shows."""
        held = await self.store.read(lambda tx: stored.of_message(tx, item.mailbox_id, item.message_id))
        assert item.message.raw is not None
        return b"".join(stored.opener(self.blobs, held)(item.message.raw))

    async def values(self, mailbox: Mailbox = ADELE) -> list[bytes]:
        return [await self.value(item) for item in await self.inbox(mailbox)]

    async def queue(self) -> list[Delivery]:
        found, _ = await self.store.read(lambda tx: lookups.page(tx, limit=10**6))
        return found

    def said(self) -> str:
        self.log.flush()
        return self.output.getvalue()


class Wire:
    """The client's end: octets out, replies in, without anybody's opinion on what is right."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> tuple[int, str]:
        """The next reply, its lines in one; (0, '') at the end of the connection."""
        lines = []
        while True:
            try:
                line = (await self.reader.readline()).decode()
            except ConnectionResetError:
                return 0, ""
            if not line:
                return 0, ""
            assert line.endswith("\r\n")
            lines.append(line[4:-2])
            if line[3] == " ":
                return int(line[:3]), "\n".join(lines)

    async def ask(self, line: str) -> tuple[int, str]:
        self.send(line.encode() + b"\r\n")
        return await self.reply()

    async def begin(self, *recipients: str, sender: str = "bob@else.test", options: str = "") -> None:
        """MAIL and RCPT, all of them accepted."""
        assert (await self.ask(f"MAIL FROM:<{sender}>{options}"))[0] == 250
        for address in recipients or ("adele@contoso.test",):
            code, text = await self.ask(f"RCPT TO:<{address}>")
            assert code == 250, text

    async def data(self, content: bytes) -> tuple[int, str]:
        """DATA, and what was said to the content, which is sent as it is with CRLF . CRLF behind."""
        code, text = await self.ask("DATA")
        if code != 354:
            return code, text
        self.send(content + b"\r\n.\r\n")
        return await self.reply()

    async def deliver(self, content: bytes = LETTER, *recipients: str, **options: str) -> tuple[int, str]:
        await self.begin(*recipients, **options)
        return await self.data(content.removesuffix(b"\r\n"))

    async def is_at_end(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self.writer.start_tls(context, server_hostname=HOST)

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def free_socket() -> socket.socket:
    return listen("inbound", "127.0.0.1", 0)


MakeRoom = Callable[..., Room]
