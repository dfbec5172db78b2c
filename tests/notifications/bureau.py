"""A notifier on a real store, with a clock of its own and a receiver; for what takes hours or goes wrong."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tests.notifications.receiver import Receiver
from tests.store.made import TERMS, item

from graphpost.auth.access import Permission
from graphpost.clock import NEVER, SECOND
from graphpost.config import LogSettings, NotificationSettings
from graphpost.graph.notifications.notifying import GraphWording
from graphpost.ids import message_id_text
from graphpost.mail.mailbox import INBOX, Application, Directory, Mailbox
from graphpost.maillog import MailLog
from graphpost.notifications.notifier import Notifier
from graphpost.notifications.posting import Poster
from graphpost.store.mailbox import changes, folders, messages
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.notifications.feeds import Feed
from graphpost.store.notifications.subscriptions import Subscription
from graphpost.store.store import Store
from graphpost.testing.clock import JumpingClock

TENANT = "11111111-2222-3333-4444-555555555555"
ADELE = Mailbox(mailbox_id=7, object_id="aaaaaaaa-0000-4000-8000-000000000001", address="adele@example.test")
APP = Application(
    client_id="cccccccc-0000-4000-8000-000000000001",
    object_id="dddddddd-0000-4000-8000-000000000001",
    delegated_permissions=("Mail.Read",),
)
READ = Permission(("Mail.Read",), ("Mail.Read",))
DAY = 86_400


class Bureau:
    """Any number of notifiers on one store; `store` may be one of several connections to the same database."""

    def __init__(self, store: Store, clock: JumpingClock, **given: Any) -> None:
        self.store = store
        self.clock = clock
        self.directory = Directory.of([ADELE], [APP])
        self.settings = NotificationSettings(
            allow=["127.0.0.0/8"],
            allow_http=True,
            poll_seconds=given.pop("poll_seconds", 0.2),
            timeout_seconds=120.0,  # nobody is given up because the machine is busy
            **given,
        )
        self.output = io.StringIO()
        self.log = MailLog(LogSettings(), self.output, clock.now)
        self._owners = iter(range(given.pop("owner", 1), 1_000_000))
        self._opened: list[tuple[Notifier, Poster]] = []
        self._numbers = iter(range(1, 1_000_000))

    async def furnish(self) -> None:
        await self.store.write(lambda tx: folders.create_defaults(tx, ADELE.mailbox_id))

    async def open(self, owner: int = 0) -> Notifier:
        """Start a notifier."""
        poster = Poster(self.settings)
        notifier = Notifier(
            store=self.store,
            poster=poster,
            wording=GraphWording(lambda: self.directory, TENANT, READ),
            settings=self.settings,
            clock=self.clock,
            log=self.log,
            owner=owner or next(self._owners),
        )
        await notifier.start()
        self._opened.append((notifier, poster))
        return notifier

    async def close(self) -> None:
        for notifier, poster in self._opened:
            await notifier.stop(0.0)
            await poster.close()
        self.log.close()

    async def subscribe(
        self, url: str, *, lifecycle: str = "", folder: int = 0, **terms: Any
    ) -> Subscription:
        """A subscription that lasts a day, as the API makes it."""
        made = Subscription(
            subscription_id=subscriptions.new_id(ADELE.mailbox_id),
            mailbox_id=ADELE.mailbox_id,
            folder_id=folder,
            client_id=APP.client_id,
            object_id=ADELE.object_id,
            expires_at=self.clock.now() + DAY * SECOND,
            terms=replace(TERMS, url=url, lifecycle_url=lifecycle, **terms),
        )

        def add(tx: Any) -> None:
            subscriptions.add(tx, made)
            latest = changes.latest(tx)
            mark = changes.after(latest)
            first = Feed(
                bucket=made.bucket,
                subscription_id=made.subscription_id,
                channel=feeds.CHANGES,
                mailbox_id=made.mailbox_id,
                folder_id=folder,
                url=url,
                changed=mark.changed,
                message_id=mark.message_id,
                began=latest,
                remind_at=NEVER,
            )
            feeds.add(tx, first)
            if lifecycle:
                remind_at = made.expires_at - DAY * SECOND // 4
                feeds.add(tx, replace(first, channel=feeds.LIFECYCLE, url=lifecycle, remind_at=remind_at))

        await self.store.write(add)
        for notifier, _ in self._opened:
            notifier.wake()
        return made

    async def arrive(self, count: int = 1, folder: int = INBOX) -> list[str]:
        """So many messages, each in a transaction of its own; their ids."""
        numbers = [next(self._numbers) for _ in range(count)]
        await asyncio.gather(
            *(
                self.store.write(lambda tx, number=number: messages.add(tx, item(number, folder_id=folder)))
                for number in numbers
            )
        )
        return [message_id_text(ADELE.object_id, number, 0) for number in numbers]

    async def feeds(self) -> dict[int, Feed]:
        """The feeds by channel; of several subscriptions the last."""
        found = await self.store.read(lambda tx: feeds.all_of(tx, 7))
        return {feed.channel: feed for feed in found}

    async def said(self) -> str:
        """The log, once what is being told is told: a notifier writes after its last commit what became of it."""
        for notifier, _ in self._opened:
            await notifier.stop(60.0)
        self.log.flush()
        return self.output.getvalue()

    async def until(self, holds: Callable[[dict[int, Feed]], bool]) -> dict[int, Feed]:
        """The feeds, once they are so."""
        async with asyncio.timeout(60):
            while not holds(found := await self.feeds()):
                pass
        return found

    async def at_rest(self) -> dict[int, Feed]:
        """The feeds, once nothing is being told."""
        async with asyncio.timeout(60):
            while any(feed.owner for feed in await self.store.read(lambda tx: feeds.all_of(tx, 7))):
                pass
        return await self.feeds()

    async def jump(self, seconds: float) -> None:
        """Time passes, and the notifiers look."""
        self.clock.jump_to(self.clock.now() + int(seconds * SECOND))
        for notifier, _ in self._opened:
            notifier.wake()


async def came(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """The notifications, when there are so many."""
    return await asyncio.to_thread(receiver.wait_for, count)


def ids(notifications: list[dict[str, Any]]) -> list[str]:
    return [each["resourceData"]["id"] for each in notifications]


MakeBureau = Callable[..., Awaitable[Bureau]]
OpenStore = Callable[[], Store]
__all__ = ["ADELE", "APP", "DAY", "Bureau", "MakeBureau", "OpenStore", "Path", "came", "ids"]
