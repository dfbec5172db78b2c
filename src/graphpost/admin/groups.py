"""What an administrator can do with groups of mailboxes.

Part of `operations.Operations`.  A member is named by an address or object id; one that has a mailbox is kept by its
object id, and so stays a member whatever its addresses are, and another who gets its address does not become one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from graphpost.admin import shown
from graphpost.admin.mailboxes import MailboxOperations
from graphpost.admin.queue import OperationError
from graphpost.config.people import check_address, check_group_name
from graphpost.errors import ConfigurationError
from graphpost.mail.mailbox import Group
from graphpost.store.directory import accounts, groups
from graphpost.store.store import Tx


@dataclass(frozen=True, slots=True)
class GroupOperations(MailboxOperations):
    """Groups that the settings file declares have its members, and those that are added here."""

    async def list_groups(self) -> list[dict[str, Any]]:
        """Every group and who is in it."""

        def run(tx: Tx) -> list[dict[str, Any]]:
            people = accounts.load_directory(tx)
            return [shown.group(group, people) for group in groups.list_groups(tx)]

        return await self.store.read(run)

    async def put_group(self, *, name: str, address: str = "") -> dict[str, Any]:
        """Make a group; or, when there is one of that name, change its address."""
        check_group_name(name, "name")
        if address:
            check_address(address, "address")

        def run(tx: Tx) -> dict[str, Any]:
            accounts.hold_directory(tx)
            if groups.put(tx, name, address, "command"):
                accounts.changed(tx)
            return _shown(tx, name)

        return await self._write(run)

    async def change_members(
        self, *, name: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Put mailboxes into a group, and take others out."""

        def run(tx: Tx) -> dict[str, Any]:
            accounts.hold_directory(tx)
            group = _find(tx, name)
            added = groups.add_members(tx, name, member_ids(tx, add), "command")
            gone = _present(tx, group, remove)
            removed = groups.remove_members(tx, name, gone, "command")
            if declared := gone & _find(tx, name).members:
                raise ConfigurationError("remove", f"{min(declared)} is a member by the settings file")
            if added or removed:
                accounts.changed(tx)
            return _shown(tx, name)

        return await self._write(run)

    async def remove_group(self, *, name: str) -> dict[str, Any]:
        """Remove a group; its mailboxes stay."""

        def run(tx: Tx) -> dict[str, Any]:
            accounts.hold_directory(tx)
            before = _shown(tx, name)
            groups.remove(tx, name)
            accounts.changed(tx)
            return before

        return await self._write(run)

    async def _write(self, run: Any) -> dict[str, Any]:
        done: dict[str, Any] = await self.store.write(run)
        await self.accounts_changed()
        return done


def member_ids(tx: Tx, members: Iterable[str]) -> list[str]:
    """The object ids of mailboxes; ConfigurationError for one that is not there."""
    people, found = accounts.load_directory(tx), []
    for member in members:
        box = people.find(member) or people.find_address(member)
        if box is None:
            raise ConfigurationError("add", f"there is no mailbox {member}")
        found.append(box.object_id)
    return found


def _present(tx: Tx, group: Group, members: Iterable[str]) -> set[str]:
    """As the group has them: by that very text, or by any name of the same mailbox."""
    people, found = accounts.load_directory(tx), set()
    for member in members:
        box = people.find(member) or people.find_address(member)
        names = {member.casefold()}
        if box is not None:
            names |= {each.casefold() for each in (box.object_id, box.address, *box.aliases)}
        if not names & group.members:
            raise ConfigurationError("remove", f"{member} is not in the group {group.name}")
        found |= names & group.members
    return found


def _find(tx: Tx, name: str) -> Group:
    for group in groups.list_groups(tx):
        if group.name.casefold() == name.casefold():
            return group
    raise OperationError(f"there is no group {name}")


def _shown(tx: Tx, name: str) -> dict[str, Any]:
    return shown.group(_find(tx, name), accounts.load_directory(tx))
