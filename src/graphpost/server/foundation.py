"""What everything else stands on: settings, clock, log, store, people."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from graphpost.auditing.auditor import Auditor
from graphpost.auth.guesses import Guesses
from graphpost.clock import Clock
from graphpost.config import Config
from graphpost.errors import GraphError, GraphpostError
from graphpost.ids import Numbers
from graphpost.mail.mailbox import Mailbox
from graphpost.maillog import MailLog
from graphpost.store.audit import Actor
from graphpost.store.blobs import Blobs
from graphpost.store.directory.people import Accounts
from graphpost.store.store import Store


@dataclass(frozen=True, slots=True)
class Foundation:
    """`stack` takes down, in the opposite order, what was brought up."""

    config: Config
    clock: Clock
    log: MailLog
    stack: contextlib.AsyncExitStack
    store: Store
    blobs: Blobs
    people: Accounts
    numbers: Numbers
    hostname: str  # ours, to other hosts
    auditor: Auditor | None
    guesses: Guesses  # of passwords and the like, by whatever way

    def note(self, actor: Actor, status: int, code: str) -> None:
        """Tell the audit log, if there is one, of what concerns no mailbox."""
        if self.auditor is not None:
            self.auditor.note(actor, status=status, code=code)

    def note_unsent(self, actor: Actor, mailbox: Mailbox, message_id: int, error: GraphpostError) -> None:
        """Tell it of a message that was not sent when its time came."""
        if self.auditor is not None:
            status, code = (error.status, error.code) if isinstance(error, GraphError) else (500, "")
            self.auditor.note(
                actor,
                mailbox_id=mailbox.mailbox_id,
                mailbox=mailbox.address,
                message_id=message_id,
                status=status,
                code=code,
            )

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until the server stops."""
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)
