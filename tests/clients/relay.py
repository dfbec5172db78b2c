"""The relay at the far end: aiosmtpd, which knows nothing of Graphpost, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass(frozen=True)
class Delivered:
    """One transaction: the envelope as it was said, and the bytes between DATA and the dot."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes

    @cached_property
    def message(self) -> EmailMessage:
        """What the standard library reads in the bytes."""
        return message_from_bytes(self.data, policy=policy.default)  # type: ignore[return-value]

    @property
    def subject(self) -> str:
        return str(self.message["subject"])


@dataclass
class Relay:
    """Takes everything, and keeps it."""

    port: int = 0
    delivered: list[Delivered] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 — aiosmtpd's name
        mail = Delivered(envelope.mail_from, tuple(envelope.rcpt_tos), bytes(envelope.content))
        with self._arrived:
            self.delivered.append(mail)
            self._arrived.notify_all()
        return "250 2.0.0 taken"

    def wait_for(self, subject: str, seconds: float = 60.0) -> Delivered:
        """The one message with this subject; TimeoutError when it does not come."""
        return self._wait(lambda mail: mail.subject == subject, subject, seconds)

    def wait_for_bytes(self, part: bytes, seconds: float = 60.0) -> Delivered:
        """The one message that contains these bytes."""
        return self._wait(lambda mail: part in mail.data, repr(part), seconds)

    def _wait(self, is_it: Callable[[Delivered], bool], name: str, seconds: float) -> Delivered:
        def found() -> list[Delivered]:
            return [mail for mail in self.delivered if is_it(mail)]

        with self._arrived:
            if not self._arrived.wait_for(found, seconds):
                raise TimeoutError(f"{name} did not come; came: {[mail.subject for mail in self.delivered]}")
            (mail,) = found()
        return mail


@contextmanager
def running_relay() -> Iterator[Relay]:
    """A relay on a free port of the loopback."""
    relay = Relay()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="relay", daemon=True)
    thread.start()

    def serve() -> SMTP:
        return SMTP(relay, enable_SMTPUTF8=True, hostname="relay.example", ident="aiosmtpd", loop=loop)

    starting = loop.create_server(serve, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(60)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _close(server: asyncio.Server) -> None:
    """Stop listening, and let the conversations that the peer has ended come to their end."""
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
