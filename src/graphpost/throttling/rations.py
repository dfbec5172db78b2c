"""How many messages may leave a mailbox in a minute, and to how many in a day.

Too many messages wait in the queue, as Exchange Online lets them; a message to too many recipients is not sent, and its sender
gets a report.  Neither is the client's matter: its request is answered as ever.
"""

from __future__ import annotations

from graphpost.clock import Instant
from graphpost.config import ThrottlingSettings
from graphpost.maillog import MailLog
from graphpost.throttling.sharing import Sharing
from graphpost.throttling.window import Window


class Rations:
    """What each mailbox has sent; of one process, or with others by way of `sharing`."""

    def __init__(self, limits: ThrottlingSettings, sharing: Sharing, log: MailLog) -> None:
        self._limits = limits
        self._sharing = sharing
        self._log = log
        self._messages: dict[int, Window] = {}
        self._recipients: dict[int, Window] = {}

    async def due(self, mailbox_id: int, recipients: int, now: Instant) -> Instant | None:
        """Count a message: when it may leave, `now` at the earliest; None, and not counted, when it may not."""
        limits = self._limits
        if limits.recipients:
            window = self._recipients.get(mailbox_id) or self._add_recipients(mailbox_id)
            if window.fresh >= window.bound:
                await self._ask(window)
            if not window.take(now, recipients):
                return None
        if not limits.messages:
            return now
        window = self._messages.get(mailbox_id) or self._add_messages(mailbox_id)
        if window.fresh >= window.bound:
            await self._ask(window)
        due_at = window.reserve(now)
        self._log.metrics.paced += due_at > now
        return due_at

    def give_back(self, mailbox_id: int, recipients: int, due_at: Instant) -> None:
        """A message that was counted, and was to leave then, was not accepted after all."""
        if (window := self._recipients.get(mailbox_id)) is not None:
            window.give_back(due_at, recipients)
        if (window := self._messages.get(mailbox_id)) is not None:
            window.give_back(due_at)

    def sweep(self, now: Instant) -> None:
        """Forget who has sent nothing for as long as it counts."""
        for windows in (self._messages, self._recipients):
            for mailbox_id, window in list(windows.items()):
                if window.is_idle(now):
                    del windows[mailbox_id]

    async def _ask(self, window: Window) -> None:
        while window.fresh >= window.bound:
            await self._sharing.exchange((window,))

    def _add_messages(self, mailbox_id: int) -> Window:
        window = self._messages[mailbox_id] = Window(self._limits.messages, self._limits.messages_seconds)
        self._sharing.join(window, mailbox_id, f"messages {mailbox_id}")
        return window

    def _add_recipients(self, mailbox_id: int) -> Window:
        window = Window(self._limits.recipients, self._limits.recipients_seconds)
        self._recipients[mailbox_id] = window
        self._sharing.join(window, mailbox_id, f"recipients {mailbox_id}", is_kept=True)
        return window
