"""What an administrator can do with the queue, mailboxes and applications.

The same operations serve the running server (`http.py`) and the command line when no server runs: they need a store
and nothing else.  Arguments and results are plain values that JSON can carry.  What cannot be done raises
OperationError, and ConfigurationError when an argument is at fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from graphpost.admin import shown
from graphpost.admin.applications import ApplicationOperations
from graphpost.admin.audit import AuditOperations
from graphpost.admin.importing import ImportOperations
from graphpost.admin.queue import OperationError
from graphpost.config import check_domain
from graphpost.mail.address import domain_of
from graphpost.store.queue import tls
from graphpost.store.queue.tls import Level, StoredPolicy
from graphpost.store.store import Tx


@dataclass(frozen=True, slots=True)
class Operations(AuditOperations, ImportOperations, ApplicationOperations):
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
        "check_mailboxes": ("POST", "/admin/import/check"),
        "import_mailboxes": ("POST", "/admin/import"),
        "export_mailboxes": ("GET", "/admin/export"),
        "list_groups": ("GET", "/admin/groups"),
        "put_group": ("PUT", "/admin/groups/{name}"),
        "change_members": ("POST", "/admin/groups/{name}/members"),
        "remove_group": ("DELETE", "/admin/groups/{name}"),
        "list_applications": ("GET", "/admin/applications"),
        "add_application": ("POST", "/admin/applications"),
        "change_application": ("PATCH", "/admin/applications/{client_id}"),
        "add_secret": ("POST", "/admin/applications/{client_id}/secrets"),
        "add_certificate": ("POST", "/admin/applications/{client_id}/certificates"),
        "remove_credential": ("DELETE", "/admin/applications/{client_id}/credentials/{credential_id}"),
        "list_consents": ("GET", "/admin/consents"),
        "add_consent": ("POST", "/admin/applications/{client_id}/consents"),
        "revoke_consent": ("DELETE", "/admin/applications/{client_id}/consents"),
    }

    async def show_tls(self, *, domain: str) -> dict[str, Any]:
        """What is known of how a domain takes mail."""
        check_domain(domain, "domain")
        name = domain_of(f"a@{domain}")
        return await self.store.read(lambda tx: shown.tls(name, *_tls(tx, name)))

    async def forget_tls(self, *, domain: str) -> dict[str, Any]:
        """Forget it; what was known."""
        check_domain(domain, "domain")
        name = domain_of(f"a@{domain}")

        def run(tx: Tx) -> dict[str, Any]:
            before = shown.tls(name, *_tls(tx, name))
            if not tls.forget(tx, name):
                raise OperationError(f"nothing is known of {domain}")
            return before

        forgotten = await self.store.write(run)
        self.tls_forgotten(name)
        return forgotten


def _tls(tx: Tx, domain: str) -> tuple[Level | None, StoredPolicy | None]:
    return tls.find_level(tx, domain), tls.find_policy(tx, domain)
