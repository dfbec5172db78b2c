"""What an administrator can do with the queue, mailboxes and applications.

The same operations serve the running server (`http.py`) and the command line when no server runs: they need a store
and nothing else.  Arguments and results are plain values that JSON can carry.  What cannot be done raises
OperationError, and ConfigurationError when an argument is at fault.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from msgspec.structs import replace

from graphpost.admin import shown
from graphpost.clock import Clock, Instant
from graphpost.config.checking import check_address
from graphpost.config.permissions import find_fault
from graphpost.errors import ConfigurationError, GraphpostError
from graphpost.ids import Numbers, new_guid
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import Application, Mailbox
from graphpost.store import accounts, deferrals, deliveries, messages, passwords, tls
from graphpost.store.accounts import Credential
from graphpost.store.deferrals import Deferral
from graphpost.store.deliveries import Delivery
from graphpost.store.store import Store, Tx
from graphpost.store.tls import Level, StoredPolicy

QueueState = Literal["waiting", "queued", "done", "held"]
_QUEUE_ID = re.compile(r"[0-9A-Fa-f]{16}")
_STATES = {"queued": deliveries.QUEUED, "done": deliveries.DONE, "held": deliveries.HELD}


class OperationError(GraphpostError):
    """It cannot be done; `status` is HTTP's: 404 when there is no such thing, 409 when its state forbids it."""

    def __init__(self, message: str, status: int = 404) -> None:
        super().__init__(message)
        self.status = status


async def _nothing() -> None:
    """Nobody has to be told."""


@dataclass(frozen=True, slots=True)
class Operations:
    """`accounts_changed`, `queue_changed` and `tls_forgotten` tell the server that its directory is old, that something is
    due, or what it knows of a domain no longer holds."""

    store: Store
    numbers: Numbers
    clock: Clock
    accounts_changed: Callable[[], Awaitable[None]] = _nothing
    queue_changed: Callable[[], object] = lambda: None
    tls_forgotten: Callable[[str], object] = lambda domain: None

    ROUTES: ClassVar[dict[str, tuple[str, str]]] = {
        "list_queue": ("GET", "/admin/queue"),
        "show_message": ("GET", "/admin/queue/{queue_id}"),
        "retry_message": ("POST", "/admin/queue/{queue_id}/retry"),
        "cancel_message": ("POST", "/admin/queue/{queue_id}/cancel"),
        "show_tls": ("GET", "/admin/tls/{domain}"),
        "forget_tls": ("POST", "/admin/tls/{domain}/forget"),
        "list_mailboxes": ("GET", "/admin/mailboxes"),
        "add_mailbox": ("POST", "/admin/mailboxes"),
        "change_mailbox": ("PATCH", "/admin/mailboxes/{address}"),
        "list_applications": ("GET", "/admin/applications"),
        "add_application": ("POST", "/admin/applications"),
        "add_secret": ("POST", "/admin/applications/{client_id}/secrets"),
    }

    async def list_queue(
        self, *, state: QueueState | None = None, mailbox: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        """Deliveries and drafts that wait for their time, newest first; of one state and one sender's mailbox when
        given."""
        most = max(1, min(limit, 10_000))

        def run(tx: Tx) -> list[dict[str, Any]]:
            mailbox_id = _mailbox(tx, mailbox).mailbox_id if mailbox else None
            found = []
            if state in (None, "waiting"):
                found += _shown_deferrals(tx, deferrals.listed(tx, most, mailbox_id))
            if state != "waiting":
                wanted = None if state is None else _STATES[state]
                found += _shown(tx, deliveries.listed(tx, state=wanted, limit=most, mailbox_id=mailbox_id))
            return sorted(found, key=lambda entry: entry["id"], reverse=True)[:most]

        return await self.store.read(run)

    async def show_message(self, *, queue_id: str) -> dict[str, Any]:
        """A message's way to each recipient."""
        return await self.store.read(lambda tx: _message(tx, queue_id))

    async def retry_message(self, *, queue_id: str) -> dict[str, Any]:
        """Make what is waiting of a message due now; a draft that waits for its time is sent."""
        result = await self._act(queue_id, deliveries.retry_now, deferrals.hasten, "nothing of it is waiting")
        self.queue_changed()
        return result

    async def cancel_message(self, *, queue_id: str) -> dict[str, Any]:
        """Give up what has not been delivered of a message; nobody gets a report.  A draft that waits stays a draft."""
        result = await self._act(
            queue_id, deliveries.cancel, deferrals.cancel, "nothing of it can be stopped any more"
        )
        self.queue_changed()
        return result

    async def show_tls(self, *, domain: str) -> dict[str, Any]:
        """What is known of how a domain takes mail."""
        name = domain_of(f"a@{domain}")
        return await self.store.read(lambda tx: shown.tls(name, *_tls(tx, name)))

    async def forget_tls(self, *, domain: str) -> dict[str, Any]:
        """Forget it; what was known."""
        name = domain_of(f"a@{domain}")

        def run(tx: Tx) -> dict[str, Any]:
            before = shown.tls(name, *_tls(tx, name))
            if not tls.forget(tx, name):
                raise OperationError(f"nothing is known of {domain}")
            return before

        forgotten = await self.store.write(run)
        self.tls_forgotten(name)
        return forgotten

    async def list_mailboxes(self) -> list[dict[str, Any]]:
        return await self.store.read(lambda tx: [shown.mailbox(box) for box in accounts.list_mailboxes(tx)])

    async def add_mailbox(
        self, *, address: str, name: str = "", aliases: tuple[str, ...] = (), password: str = ""
    ) -> dict[str, Any]:
        """Add a mailbox; without a password nobody can sign in to it."""
        for text in (address, *aliases):
            check_address(text, "address")
        mailbox = Mailbox(
            mailbox_id=self.numbers.next(),
            object_id=new_guid(),
            address=address,
            name=name or address.partition("@")[0],
            aliases=aliases,
            created_at=self.clock.now(),
        )
        hashed = await asyncio.to_thread(passwords.hash_password, password) if password else ""
        await self.store.write(lambda tx: accounts.add_mailbox(tx, mailbox, hashed))
        await self.accounts_changed()
        return shown.mailbox(mailbox)

    async def change_mailbox(
        self, *, address: str, password: str = "", enabled: bool | None = None, name: str | None = None
    ) -> dict[str, Any]:
        """Change what is given.  A new password, or disabling, ends the mailbox's sign-ins."""
        hashed = await asyncio.to_thread(passwords.hash_password, password) if password else ""

        def run(tx: Tx) -> Mailbox:
            before = _mailbox(tx, address)
            after = replace(
                before,
                enabled=before.enabled if enabled is None else enabled,
                name=before.name if name is None else name,
            )
            if after != before:
                accounts.change_mailbox(tx, after)
            if hashed:
                accounts.set_password(tx, after, hashed)
            return after

        changed = await self.store.write(run)
        await self.accounts_changed()
        return shown.mailbox(changed)

    async def list_applications(self) -> list[dict[str, Any]]:
        def run(tx: Tx) -> list[dict[str, Any]]:
            return [
                shown.application(application, accounts.credentials(tx, application.client_id))
                for application in accounts.list_applications(tx)
            ]

        return await self.store.read(run)

    async def add_application(
        self,
        *,
        name: str,
        client_id: str = "",
        public: bool = False,
        application_permissions: tuple[str, ...] = (),
        delegated_permissions: tuple[str, ...] = (),
        redirect_uris: tuple[str, ...] = (),
        mailbox_scope: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Register a client; a confidential one gets a secret, which is shown this once."""
        for key, names in (
            ("application_permissions", application_permissions),
            ("delegated_permissions", delegated_permissions),
        ):
            if faults := [fault for name in names if (fault := find_fault(name))]:
                raise ConfigurationError(key, faults[0])
        application = Application(
            client_id=_guid(client_id) if client_id else new_guid(),
            object_id=new_guid(),
            name=name,
            public=public,
            application_permissions=application_permissions,
            delegated_permissions=delegated_permissions,
            redirect_uris=redirect_uris,
            mailbox_scope=mailbox_scope,
        )
        secret = "" if public else passwords.generate_secret()

        def run(tx: Tx) -> dict[str, Any]:
            if any(other.client_id == application.client_id for other in accounts.list_applications(tx)):
                raise OperationError(f"there is an application {application.client_id} already", 409)
            accounts.put_application(tx, application)
            if secret:
                accounts.add_credential(tx, _credential(application.client_id, secret))
            return shown.application(application, accounts.credentials(tx, application.client_id))

        added = await self.store.write(run)
        await self.accounts_changed()
        return {**added, "secret": secret} if secret else added

    async def add_secret(self, *, client_id: str) -> dict[str, Any]:
        """Give an application a further secret, which is shown this once."""
        secret = passwords.generate_secret()

        def run(tx: Tx) -> None:
            if not any(other.client_id == client_id.lower() for other in accounts.list_applications(tx)):
                raise OperationError(f"there is no application {client_id}")
            accounts.add_credential(tx, _credential(client_id.lower(), secret))

        await self.store.write(run)
        await self.accounts_changed()
        return {"client_id": client_id.lower(), "secret": secret}

    async def _act(
        self,
        queue_id: str,
        act: Callable[[Tx, int, int, Instant], int],
        act_on_draft: Callable[[Tx, Deferral, Instant], Deferral],
        otherwise: str,
    ) -> dict[str, Any]:
        now = self.clock.now()

        def run(tx: Tx) -> dict[str, Any]:
            found, row = _find(tx, queue_id)
            if row is not None:
                after = act_on_draft(tx, row, now)
                state = "waiting" if deferrals.find(tx, row.message_id) else "cancelled"
                return shown.message(queue_id, _shown_deferrals(tx, [after], state))
            if not act(tx, deliveries.bucket_of(found[0].mailbox_id), found[0].message_id, now):
                raise OperationError(f"{queue_id}: {otherwise}", 409)
            return _message(tx, queue_id)

        return await self.store.write(run)


def _find(tx: Tx, queue_id: str) -> tuple[list[Delivery], Deferral | None]:
    """A message's deliveries, or what it waits for before there are any."""
    number = int(queue_id, 16) if _QUEUE_ID.fullmatch(queue_id) else -1
    if 0 <= number < 2**63:
        if found := deliveries.find(tx, number):
            return found, None
        row = deferrals.find(tx, number)
        if row is not None and _shown_deferrals(tx, [row]):
            return [], row
    raise OperationError(f"there is no message {queue_id!r} in the queue")


def _message(tx: Tx, queue_id: str) -> dict[str, Any]:
    found, row = _find(tx, queue_id)
    return shown.message(queue_id, _shown(tx, found) if row is None else _shown_deferrals(tx, [row]))


def _shown_deferrals(tx: Tx, rows: Iterable[Deferral], state: str = "waiting") -> list[dict[str, Any]]:
    """Those whose draft is still there."""
    addresses = {box.mailbox_id: box.address for box in accounts.list_mailboxes(tx)}
    found = []
    for row in rows:
        item = messages.get(tx, row.mailbox_id, row.message_id)
        if item is not None and item.is_draft:
            found.append(shown.deferral(row, item, addresses.get(row.mailbox_id, ""), state))
    return found


def _shown(tx: Tx, found: Iterable[Delivery]) -> list[dict[str, Any]]:
    addresses = {box.mailbox_id: box.address for box in accounts.list_mailboxes(tx)}
    return [shown.delivery(delivery, addresses.get(delivery.mailbox_id, "")) for delivery in found]


def _tls(tx: Tx, domain: str) -> tuple[Level | None, StoredPolicy | None]:
    return tls.find_level(tx, domain), tls.find_policy(tx, domain)


def _mailbox(tx: Tx, address: str) -> Mailbox:
    wanted = address.casefold()
    for box in accounts.list_mailboxes(tx):
        if wanted in (box.address.casefold(), box.object_id):
            return box
    raise OperationError(f"there is no mailbox {address}")


def _credential(client_id: str, secret: str) -> Credential:
    return Credential(
        client_id=client_id,
        credential_id=new_guid(),
        kind="secret",
        value=passwords.hash_generated(secret),
    )


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise ConfigurationError("client_id", f"{text!r} is not a GUID") from error
