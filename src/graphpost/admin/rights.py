"""What an administrator can do with the rights between mailboxes.

Part of `operations.Operations`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from graphpost.admin.groups import GroupOperations
from graphpost.admin.queue import OperationError, find_mailbox
from graphpost.config.rights import check_holder
from graphpost.errors import ConfigurationError
from graphpost.mail.mailbox import Directory
from graphpost.mail.rights import GROUP, NO_RIGHTS, RIGHTS, Given, Right
from graphpost.store.directory import accounts, rights
from graphpost.store.store import Tx


@dataclass(frozen=True, slots=True)
class RightsOperations(GroupOperations):
    """Rights that the settings file declares are changed there."""

    async def list_rights(self, *, mailbox: str = "") -> list[dict[str, Any]]:
        """Who has which rights, to one mailbox when given."""

        def run(tx: Tx) -> list[dict[str, Any]]:
            directory = accounts.load_directory(tx)
            only = find_mailbox(tx, mailbox).mailbox_id if mailbox else None
            return [
                _shown(directory, given)
                for given in rights.list_given(tx)
                if only in (None, given.mailbox_id) and given.mailbox_id in directory.by_id
            ]

        return await self.store.read(run)

    async def grant_rights(self, *, address: str, holder: str, granted: list[Right]) -> dict[str, Any]:
        """Let somebody, or a group, have rights to a mailbox beside those they have."""
        return await self._change(address, holder, lambda before: before | frozenset(granted))

    async def revoke_rights(self, *, address: str, holder: str, revoked: list[Right]) -> dict[str, Any]:
        """Take rights away that a command gave; [] for all."""
        gone = frozenset(revoked or RIGHTS)

        def without(before: frozenset[Right]) -> frozenset[Right]:
            if before.isdisjoint(gone):
                raise OperationError(f"{holder} has no such right to {address} that a command gave")
            return before - gone

        return await self._change(address, holder, without)

    async def _change(
        self, address: str, holder: str, change: Callable[[frozenset[Right]], frozenset[Right]]
    ) -> dict[str, Any]:
        check_holder(holder, "holder")

        def run(tx: Tx) -> dict[str, Any]:
            accounts.hold_directory(tx)
            directory = accounts.load_directory(tx)
            box, names = find_mailbox(tx, address), _names(directory, holder)
            if box.object_id.casefold() in names:
                raise ConfigurationError("holder", f"{box.address} is the mailbox itself")
            given = Given(mailbox_id=box.mailbox_id, holder=names[0], rights=NO_RIGHTS)
            old = [g for g in rights.list_given(tx) if _is_of_command(g, box.mailbox_id, names)]
            given = replace(given, rights=change(NO_RIGHTS.union(*(g.rights for g in old))))
            for each in old:
                rights.put(tx, replace(each, rights=NO_RIGHTS))
            rights.put(tx, given)
            accounts.changed(tx)
            return _shown(directory, given)

        changed = await self.store.write(run)
        await self.accounts_changed()
        return changed


def _is_of_command(given: Given, mailbox_id: int, names: Iterable[str]) -> bool:
    return given.origin == "command" and given.mailbox_id == mailbox_id and given.holder in names


def _names(directory: Directory, holder: str) -> list[str]:
    """How a holder is kept, the lasting way first: a mailbox by its object id."""
    if holder.lower().startswith(GROUP):
        name = holder[len(GROUP) :]
        if directory.find_group(name) is None:
            raise ConfigurationError("holder", f"there is no group {name}")
        return [holder.casefold()]
    box = directory.find(holder) or directory.find_address(holder)
    if box is None:
        raise ConfigurationError("holder", f"there is no mailbox {holder}")
    return [box.object_id.casefold(), holder.casefold()]


def _shown(directory: Directory, given: Given) -> dict[str, Any]:
    box, holder = directory.by_id[given.mailbox_id], directory.find(given.holder)
    return {
        "mailbox": box.address,
        "holder": given.holder if holder is None else holder.address,
        "rights": [right for right in RIGHTS if right in given.rights],
        "origin": given.origin,
    }
