"""What an administrator can do with applications, their credentials and consents.

Part of `operations.Operations`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from graphpost.admin import shown
from graphpost.admin.queue import OperationError, find_mailbox
from graphpost.admin.rights import RightsOperations
from graphpost.clock import SECOND, Instant
from graphpost.config.applications import check_scopes
from graphpost.config.permissions import find_fault
from graphpost.config.rights import check_entry
from graphpost.errors import ConfigurationError
from graphpost.ids import new_guid
from graphpost.mail.mailbox import Application
from graphpost.store.directory import accounts, consents, passwords
from graphpost.store.directory.accounts import Credential
from graphpost.store.directory.declared import certificate_of
from graphpost.store.store import Tx

_DAY: Final = 86_400 * SECOND
_OPENID: Final = frozenset({"openid", "profile", "email", "offline_access"})


@dataclass(frozen=True, slots=True)
class ApplicationOperations(RightsOperations):
    """Several credentials may be good at a time, so that one takes another's place without a gap."""

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
        spa_redirect_uris: tuple[str, ...] = (),
        mailbox_scope: tuple[str, ...] = (),
        permission_scopes: dict[str, tuple[str, ...]] | None = None,
    ) -> dict[str, Any]:
        """Register a client; a confidential one gets a secret, which is shown this once.

        What lives in pages alone has no use for one.
        """
        for key, names in (
            ("application_permissions", application_permissions),
            ("delegated_permissions", delegated_permissions),
        ):
            if faults := [fault for name in names if (fault := find_fault(name))]:
                raise ConfigurationError(key, faults[0])
        for entry in mailbox_scope:
            check_entry(entry, "mailbox_scope")
        check_scopes(permission_scopes or {}, "permission_scopes")
        application = Application(
            client_id=_guid(client_id) if client_id else new_guid(),
            object_id=new_guid(),
            name=name,
            public=public,
            application_permissions=application_permissions,
            delegated_permissions=delegated_permissions,
            redirect_uris=redirect_uris,
            spa_redirect_uris=spa_redirect_uris,
            mailbox_scope=mailbox_scope,
            permission_scopes=permission_scopes or {},
        )
        only_pages = bool(spa_redirect_uris) and not (redirect_uris or application_permissions)
        secret = "" if public or only_pages else passwords.generate_secret()

        def run(tx: Tx) -> dict[str, Any]:
            if any(other.client_id == application.client_id for other in accounts.list_applications(tx)):
                raise OperationError(f"there is an application {application.client_id} already", 409)
            accounts.put_application(tx, application)
            if secret:
                accounts.add_credential(tx, _secret(application.client_id, secret, 0))
            return shown.application(application, accounts.credentials(tx, application.client_id))

        added = await self.store.write(run)
        await self.accounts_changed()
        return {**added, "secret": secret} if secret else added

    async def change_application(self, *, client_id: str, enabled: bool) -> dict[str, Any]:
        """Disable an application, whose tokens are refused from then on, or enable it."""

        def run(tx: Tx) -> dict[str, Any]:
            after = replace(_find(tx, client_id), enabled=enabled)
            accounts.put_application(tx, after)
            return shown.application(after, accounts.credentials(tx, after.client_id))

        changed = await self.store.write(run)
        await self.accounts_changed()
        return changed

    async def add_secret(self, *, client_id: str, days: int = 0) -> dict[str, Any]:
        """Give an application a further secret, which is shown this once; with `days`, good for so many."""
        if not 0 <= days <= 36_500:
            raise ConfigurationError("days", "must be from 1 to 36500")
        secret = passwords.generate_secret()
        until = self.clock.now() + days * _DAY if days else 0
        credential = await self._add(client_id, _secret(client_id.lower(), secret, until))
        return {"client_id": client_id.lower(), "secret": secret, **shown.credential(credential)}

    async def add_certificate(self, *, client_id: str, pem: str) -> dict[str, Any]:
        """Let an application sign with the key of a further certificate."""
        credential = certificate_of(pem.encode(), client_id.lower(), "pem")
        if credential.expires_at <= self.clock.now():
            raise ConfigurationError("pem", "the certificate has expired")
        added = await self._add(client_id, credential)
        return {"client_id": client_id.lower(), **shown.credential(added)}

    async def _add(self, client_id: str, credential: Credential) -> Credential:
        def run(tx: Tx) -> None:
            _find(tx, client_id)
            accounts.add_credential(tx, credential)

        await self.store.write(run)
        await self.accounts_changed()
        return credential

    async def remove_credential(self, *, client_id: str, credential_id: str) -> dict[str, Any]:
        """Remove a secret or certificate by its id, or by the beginning of it; what the settings declare is removed there."""

        def run(tx: Tx) -> dict[str, Any]:
            kept = accounts.credentials(tx, _find(tx, client_id).client_id)
            found = [each for each in kept if each.credential_id.startswith(credential_id.lower())]
            if len(found) != 1 or not credential_id:
                raise OperationError(
                    f"{client_id} has {'several' if found else 'no'} credentials {credential_id}"
                )
            if found[0].origin == "settings":
                raise OperationError(f"{credential_id} is in the settings file; take it out there", 409)
            accounts.remove_credential(tx, client_id, found[0].credential_id)
            return {"client_id": client_id.lower(), **shown.credential(found[0])}

        return await self.store.write(run)

    async def list_consents(self, *, client_id: str = "") -> list[dict[str, Any]]:
        """What users, and administrators for everybody, let applications have; of one application when given."""

        def run(tx: Tx) -> list[dict[str, Any]]:
            directory, only = accounts.load_directory(tx), client_id.lower()
            return [
                shown.consent(directory, each)
                for each in consents.list_consents(tx)
                if only in ("", each.client_id)
            ]

        return await self.store.read(run)

    async def add_consent(self, *, client_id: str, scopes: list[str] | None = None) -> dict[str, Any]:
        """Consent for everybody: nobody is asked about these delegated permissions any more; None means all it has."""
        now = self.clock.now()

        def run(tx: Tx) -> dict[str, Any]:
            application = _find(tx, client_id)
            wanted = application.delegated_permissions if scopes is None else scopes
            for name in wanted:
                if name not in application.delegated_permissions:
                    raise ConfigurationError("scopes", f"{name!r} is no delegated permission of {client_id}")
            consents.add(tx, application.client_id, consents.EVERYBODY, _OPENID.union(wanted), now)
            (made,) = (
                each
                for each in consents.list_consents(tx)
                if (each.client_id, each.object_id) == (application.client_id, consents.EVERYBODY)
            )
            return shown.consent(accounts.load_directory(tx), made)

        return await self.store.write(run)

    async def revoke_consent(self, *, client_id: str, user: str = "") -> dict[str, Any]:
        """Take back a user's consent, or without a user everybody's; refresh tokens end, and users are asked again."""

        def run(tx: Tx) -> None:
            object_id = find_mailbox(tx, user).object_id if user else None
            if not consents.revoke(tx, _find(tx, client_id).client_id, object_id):
                raise OperationError(
                    f"nobody consented to {client_id}" if not user else f"{user} did not consent"
                )

        await self.store.write(run)
        return {"client_id": client_id.lower(), "user": user or "everybody"}


def _find(tx: Tx, client_id: str) -> Application:
    for application in accounts.list_applications(tx):
        if application.client_id == client_id.lower():
            return application
    raise OperationError(f"there is no application {client_id}")


def _secret(client_id: str, secret: str, expires_at: Instant) -> Credential:
    return Credential(
        client_id=client_id,
        credential_id=new_guid(),
        kind="secret",
        value=passwords.hash_generated(secret),
        expires_at=expires_at,
    )


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise ConfigurationError("client_id", f"{text!r} is not a GUID") from error
