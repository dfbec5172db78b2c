"""What an administrator can do with mailboxes.

Part of `operations.Operations`.  A mailbox is named by its first address or its object id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from graphpost.admin import shown
from graphpost.admin.queue import OperationError, find_mailbox, nothing
from graphpost.admin.suppression import SuppressionOperations
from graphpost.clock import SECOND
from graphpost.config import AccountSettings, Config
from graphpost.config.people import MOST_BYTES, check_address, check_one_line
from graphpost.errors import ConfigurationError
from graphpost.ids import new_guid
from graphpost.mail.mailbox import USUAL_QUOTA, Kind, Mailbox
from graphpost.store.directory import accounts, deleted, passwords
from graphpost.store.directory.deleted import Deleted
from graphpost.store.store import Tx

_USUAL: Final = AccountSettings()


@dataclass(frozen=True, slots=True)
class MailboxOperations(SuppressionOperations):
    """`accounts_changed` tells the server that its directory is old.

    `declared` are the addresses, in lower case, of the mailboxes in the settings file: they are as the file says, and
    there, from the next start on.  `deleted_seconds` and `quota_bytes` are the settings'.
    """

    accounts_changed: Callable[[], Awaitable[None]] = nothing
    deleted_seconds: float = _USUAL.deleted_seconds
    quota_bytes: int = 0
    declared: frozenset[str] = frozenset()

    async def list_mailboxes(self, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Every mailbox, its size and what it may have (0: any); or those that were deleted, and when they are erased."""
        if deleted:
            return [self._shown_deleted(each) for each in await self.store.read(_list_deleted)]

        def run(tx: Tx) -> list[dict[str, Any]]:
            sizes = accounts.list_sizes(tx)
            return [
                {**shown.mailbox(box), "size": sizes.get(box.mailbox_id, 0), "quota": self._bound(box)}
                for box in accounts.list_mailboxes(tx)
            ]

        return await self.store.read(run)

    async def add_mailbox(
        self,
        *,
        address: str,
        name: str = "",
        aliases: tuple[str, ...] = (),
        password: str = "",
        kind: Kind = "person",
        quota_bytes: int = USUAL_QUOTA,
    ) -> dict[str, Any]:
        """Add a mailbox; without a password nobody can sign in to it at the embedded issuer."""
        mailbox = Mailbox(
            mailbox_id=self.numbers.next(),
            object_id=new_guid(),
            address=address,
            name=name or address.partition("@")[0],
            aliases=aliases,
            created_at=self.clock.now(),
            kind=kind,
            quota=quota_bytes,
        )
        check_mailbox(mailbox)
        if kind == "shared" and password:
            raise ConfigurationError("password", "nobody signs in to a shared mailbox")
        hashed = await asyncio.to_thread(passwords.hash_password, password) if password else ""
        await self.store.write(lambda tx: accounts.add_mailbox(tx, mailbox, hashed))
        await self.accounts_changed()
        return self._shown(mailbox)

    async def change_mailbox(
        self,
        *,
        address: str,
        password: str = "",
        enabled: bool | None = None,
        name: str | None = None,
        kind: Kind | None = None,
        quota_bytes: int | None = None,
        new_address: str = "",
        add_aliases: tuple[str, ...] = (),
        remove_aliases: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Change what is given.  A new password, or disabling, ends the mailbox's sign-ins.

        With a new address, the one before becomes an alias.
        """
        hashed = await asyncio.to_thread(passwords.hash_password, password) if password else ""

        def run(tx: Tx) -> Mailbox:
            accounts.hold_directory(tx)
            before = find_mailbox(tx, address)
            after = replace(
                before,
                enabled=before.enabled if enabled is None else enabled,
                name=before.name if name is None else name,
                kind=kind or before.kind,
                quota=before.quota if quota_bytes is None else quota_bytes,
            )
            after = _addressed(after, new_address, add_aliases, remove_aliases)
            check_mailbox(after)
            if hashed and after.kind == "shared":
                raise ConfigurationError("password", "nobody signs in to a shared mailbox")
            if after != before:
                accounts.change_mailbox(tx, after)
            if hashed:
                accounts.set_password(tx, after, hashed)
            return after

        changed = await self.store.write(run)
        await self.accounts_changed()
        return self._shown(changed)

    async def delete_mailbox(self, *, address: str) -> dict[str, Any]:
        """Delete a mailbox; for a time it can be restored."""

        def run(tx: Tx) -> Deleted:
            accounts.hold_directory(tx)
            gone = Deleted(find_mailbox(tx, address), self.clock.now())
            deleted.delete(tx, gone.mailbox, gone.deleted_at)
            return gone

        gone = await self.store.write(run)
        await self.accounts_changed()
        return {**self._shown_deleted(gone), "declared": self._is_declared(gone.mailbox)}

    async def restore_mailbox(self, *, address: str, new_address: str = "") -> dict[str, Any]:
        """Undo `delete_mailbox`, with another address if the one it had is somebody's by now.

        `lost` are the aliases that others have by now.
        """

        def run(tx: Tx) -> tuple[Mailbox, list[str]]:
            accounts.hold_directory(tx)
            gone = deleted.find_deleted(tx, address)
            if gone is None:
                raise OperationError(f"there is no deleted mailbox {address}")
            people = accounts.load_directory(tx)
            former = gone.mailbox
            aliases = (former.address, *former.aliases) if new_address else former.aliases
            lost = [alias for alias in aliases if people.find_address(alias) is not None]
            kept = tuple(alias for alias in aliases if alias not in lost)
            mailbox = replace(former, address=new_address or former.address, aliases=kept)
            check_mailbox(mailbox)
            deleted.restore(tx, mailbox)
            return mailbox, lost

        mailbox, lost = await self.store.write(run)
        await self.accounts_changed()
        return {**self._shown(mailbox), "lost": lost}

    def _bound(self, mailbox: Mailbox) -> int:
        return mailbox.quota if mailbox.quota >= 0 else self.quota_bytes

    def _shown(self, mailbox: Mailbox) -> dict[str, Any]:
        return {**shown.mailbox(mailbox), "declared": self._is_declared(mailbox)}

    def _shown_deleted(self, gone: Deleted) -> dict[str, Any]:
        kept = int(self.deleted_seconds * SECOND)
        return shown.deleted_mailbox(gone, gone.deleted_at + kept)

    def _is_declared(self, mailbox: Mailbox) -> bool:
        return mailbox.address.casefold() in self.declared


def declared_addresses(config: Config) -> frozenset[str]:
    """The addresses, in lower case, of the mailboxes that the settings declare."""
    return frozenset(each.address.casefold() for each in config.mailboxes)


def check_mailbox(mailbox: Mailbox) -> None:
    """Raise ConfigurationError, with the name of the argument, when it cannot be so."""
    check_address(mailbox.address, "address")
    for alias in mailbox.aliases:
        check_address(alias, "aliases")
    check_one_line(mailbox.name, "name")
    if mailbox.quota < USUAL_QUOTA:
        raise ConfigurationError("quota_bytes", "must not be negative")
    if mailbox.quota > MOST_BYTES:
        raise ConfigurationError("quota_bytes", "is too large")


def _addressed(mailbox: Mailbox, address: str, add: Iterable[str], remove: Iterable[str]) -> Mailbox:
    """The same with other addresses; ConfigurationError for an alias to be removed that it does not have."""
    first = address or mailbox.address
    given = [*mailbox.aliases, *([mailbox.address] if address else []), *add]
    for alias in remove:
        if alias.casefold() == first.casefold():
            raise ConfigurationError("remove_aliases", f"{alias} is its first address")
        if alias.casefold() not in map(str.casefold, given):
            raise ConfigurationError("remove_aliases", f"{mailbox.address} has no alias {alias}")
    gone = {first.casefold(), *map(str.casefold, remove)}
    aliases = {alias.casefold(): alias for alias in given if alias.casefold() not in gone}
    return replace(mailbox, address=first, aliases=tuple(aliases.values()))


def _list_deleted(tx: Tx) -> list[Deleted]:
    return deleted.list_deleted(tx)
