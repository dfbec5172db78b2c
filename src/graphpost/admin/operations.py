"""What an administrator can do with the queue, mailboxes and applications.

The same operations serve the running server (`http.py`) and the command line when no server runs: they need a store
and nothing else.  Arguments and results are plain values that JSON can carry.  What cannot be done raises
OperationError, and ConfigurationError when an argument is at fault.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from graphpost.admin import shown
from graphpost.admin.audit import AuditOperations
from graphpost.admin.queue import OperationError
from graphpost.admin.rights import RightsOperations
from graphpost.config.permissions import find_fault
from graphpost.errors import ConfigurationError
from graphpost.ids import new_guid
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import Application
from graphpost.store import accounts, passwords, tls
from graphpost.store.accounts import Credential
from graphpost.store.store import Tx
from graphpost.store.tls import Level, StoredPolicy


@dataclass(frozen=True, slots=True)
class Operations(AuditOperations, RightsOperations):
    """`tls_forgotten` tells the server that what it knows of a domain is old."""

    tls_forgotten: Callable[[str], object] = lambda domain: None

    ROUTES: ClassVar[dict[str, tuple[str, str]]] = {
        "list_queue": ("GET", "/admin/queue"),
        "list_destinations": ("GET", "/admin/destinations"),
        "show_message": ("GET", "/admin/queue/{queue_id}"),
        "retry_message": ("POST", "/admin/queue/{queue_id}/retry"),
        "hold_message": ("POST", "/admin/queue/{queue_id}/hold"),
        "release_message": ("POST", "/admin/queue/{queue_id}/release"),
        "cancel_message": ("POST", "/admin/queue/{queue_id}/cancel"),
        "act_on_queue": ("POST", "/admin/queue/{action}"),
        "list_suppressions": ("GET", "/admin/suppressions"),
        "add_suppressions": ("POST", "/admin/suppressions"),
        "remove_suppression": ("DELETE", "/admin/suppressions/{address}"),
        "search_audit": ("GET", "/admin/audit"),
        "show_tls": ("GET", "/admin/tls/{domain}"),
        "forget_tls": ("POST", "/admin/tls/{domain}/forget"),
        "list_mailboxes": ("GET", "/admin/mailboxes"),
        "add_mailbox": ("POST", "/admin/mailboxes"),
        "change_mailbox": ("PATCH", "/admin/mailboxes/{address}"),
        "list_rights": ("GET", "/admin/rights"),
        "grant_rights": ("POST", "/admin/mailboxes/{address}/rights"),
        "revoke_rights": ("DELETE", "/admin/mailboxes/{address}/rights"),
        "delete_mailbox": ("DELETE", "/admin/mailboxes/{address}"),
        "restore_mailbox": ("POST", "/admin/mailboxes/{address}/restore"),
        "list_groups": ("GET", "/admin/groups"),
        "put_group": ("PUT", "/admin/groups/{name}"),
        "change_members": ("POST", "/admin/groups/{name}/members"),
        "remove_group": ("DELETE", "/admin/groups/{name}"),
        "list_applications": ("GET", "/admin/applications"),
        "add_application": ("POST", "/admin/applications"),
        "add_secret": ("POST", "/admin/applications/{client_id}/secrets"),
    }

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


def _tls(tx: Tx, domain: str) -> tuple[Level | None, StoredPolicy | None]:
    return tls.find_level(tx, domain), tls.find_policy(tx, domain)


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
