"""What an administrator can do with many mailboxes at once: lists in and out.

Part of `operations.Operations`.  A line says what a mailbox is to be, and the mailbox is made or changed so; saying it again
changes nothing.  What a line does not say stays as it is.  Lines come some at a time, each time in one transaction.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from graphpost.admin.groups import GroupOperations
from graphpost.admin.mailboxes import check_mailbox
from graphpost.admin.queue import OperationError
from graphpost.config.people import check_group_name
from graphpost.errors import ConfigurationError
from graphpost.ids import new_guid
from graphpost.mail.mailbox import USUAL_QUOTA, Kind, Mailbox
from graphpost.store.directory import accounts, groups, passwords
from graphpost.store.store import Tx

AT_ONCE: Final = 500  # lines
_HASH: Final = re.compile(r"scrypt\$[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{86}==")
_PASSWORD: Final = "password"  # noqa: S105 - the name of an argument


class Line(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a mailbox is to be; None and '' are not said.  `aliases` and `groups` are all of them.

    `line` is where it stands.  A password is given as it is, or as a hash that `export_mailboxes` gave out.
    """

    line: int
    address: str
    name: str = ""
    aliases: tuple[str, ...] | None = None
    kind: Kind | None = None
    groups: tuple[str, ...] | None = None
    quota_bytes: int | None = None
    enabled: bool | None = None
    password: str = ""
    password_hash: str = ""


@dataclass(frozen=True, slots=True)
class ImportOperations(GroupOperations):
    """Lists of mailboxes."""

    async def check_mailboxes(self, *, lines: list[Line]) -> dict[str, Any]:
        """Which of the lines cannot be done, and why; nothing is changed."""
        _check_number(lines)

        def run(tx: Tx) -> list[dict[str, Any]]:
            return [
                {"line": line.line, "problem": problem}
                for line in lines
                for problem in find_problems(tx, line)
            ]

        return {"problems": await self.store.read(run)}

    async def import_mailboxes(self, *, lines: list[Line]) -> dict[str, Any]:
        """Make it so; all of the lines or, with a problem, none.  How many were added, changed, and so already."""
        _check_number(lines)
        kept = await self.store.read(lambda tx: _passwords(tx, lines))
        hashes = {line.line: await _hashed(line, kept.get(line.line, "")) for line in lines}
        numbers = {line.line: self.numbers.next() for line in lines}
        now = self.clock.now()

        def run(tx: Tx) -> list[str]:
            accounts.hold_directory(tx)
            done = []
            for line in lines:
                box = _find(tx, line)
                new = Mailbox(
                    mailbox_id=numbers[line.line],
                    object_id=new_guid(),
                    address=line.address,
                    name=line.address.partition("@")[0],
                    created_at=now,
                )
                try:
                    done.append(_apply(tx, line, box, new, hashes[line.line]))
                except ConfigurationError as error:
                    raise OperationError(f"line {line.line}: {error}", 409) from error
            return done

        done = await self.store.write(run)
        await self.accounts_changed()
        return {each: done.count(each) for each in ("added", "changed", "unchanged")}

    async def export_mailboxes(self, *, hashes: bool = False) -> list[dict[str, Any]]:
        """Every mailbox as a line; with the hashes of passwords, if they are wanted."""

        def run(tx: Tx) -> list[dict[str, Any]]:
            kept = accounts.list_passwords(tx) if hashes else {}
            named = groups.by_member(tx, "command")
            return [
                {
                    "address": box.address,
                    "name": box.name,
                    "aliases": list(box.aliases),
                    "kind": box.kind,
                    "groups": named.get(box.object_id.casefold(), []),
                    "quota_bytes": box.quota,
                    "enabled": box.enabled,
                    **({"password_hash": kept.get(box.mailbox_id, "")} if hashes else {}),
                }
                for box in accounts.list_mailboxes(tx)
            ]

        return await self.store.read(run)


def find_problems(tx: Tx, line: Line) -> list[str]:
    """Why a line cannot be done; one sentence each."""
    found = []
    box = _find(tx, line)
    for address in (line.address, *(line.aliases or ())):
        other = accounts.find_owner(tx, address)
        if other is not None and (box is None or other.mailbox_id != box.mailbox_id):
            found.append(f"{address} belongs to another mailbox, {other.address}")
        if groups.is_address(tx, address):
            found.append(f"{address} belongs to a group")
    try:
        check_line(line)
        kind = line.kind or (box.kind if box else "person")
        if kind == "shared" and (line.password or line.password_hash):
            raise ConfigurationError(_PASSWORD, "nobody signs in to a shared mailbox")
    except ConfigurationError as error:
        found.append(str(error))
    return found


def check_line(line: Line) -> None:
    """Raise ConfigurationError for what can be no mailbox, whoever else is there."""
    check_mailbox(
        Mailbox(
            mailbox_id=0,
            object_id="",
            address=line.address,
            aliases=line.aliases or (),
            name=line.name,
            quota=USUAL_QUOTA if line.quota_bytes is None else line.quota_bytes,
        )
    )
    for name in line.groups or ():
        check_group_name(name, "groups")
    if line.password and line.password_hash:
        raise ConfigurationError("password_hash", "cannot be combined with password")
    if len(line.password) > passwords.MAX_PASSWORD:
        raise ConfigurationError(_PASSWORD, f"has more than {passwords.MAX_PASSWORD} characters")
    if line.password_hash and not _HASH.fullmatch(line.password_hash):
        raise ConfigurationError("password_hash", "is not one that `mailbox export` prints")


def _check_number(lines: Sequence[Line]) -> None:
    if len(lines) > AT_ONCE:
        raise ConfigurationError("lines", f"at most {AT_ONCE} at once")


def _find(tx: Tx, line: Line) -> Mailbox | None:
    """The mailbox whose first address it is."""
    found = accounts.find_owner(tx, line.address)
    return found if found is not None and found.address.casefold() == line.address.casefold() else None


def _passwords(tx: Tx, lines: Iterable[Line]) -> dict[int, str]:
    """What is kept of the passwords of those who are there, by line."""
    boxes = {line.line: _find(tx, line) for line in lines if line.password or line.password_hash}
    return {line: accounts.password_of(tx, box.mailbox_id) for line, box in boxes.items() if box is not None}


async def _hashed(line: Line, kept: str) -> str:
    """The hash to be kept; '' when no password is given, or the one that is kept."""
    if line.password_hash:
        return line.password_hash if line.password_hash != kept else ""
    if not line.password or (kept and await asyncio.to_thread(passwords.is_password, line.password, kept)):
        return ""
    return await asyncio.to_thread(passwords.hash_password, line.password)


def _apply(tx: Tx, line: Line, box: Mailbox | None, new: Mailbox, hashed: str) -> str:
    """What was done to the mailbox: added, changed or unchanged."""
    check_line(line)
    before = box or new
    after = replace(
        before,
        address=line.address if box is None else box.address,
        name=line.name or before.name,
        aliases=before.aliases if line.aliases is None else line.aliases,
        kind=line.kind or before.kind,
        quota=before.quota if line.quota_bytes is None else line.quota_bytes,
        enabled=before.enabled if line.enabled is None else line.enabled,
    )
    if after.kind == "shared" and (line.password or line.password_hash):
        raise ConfigurationError(_PASSWORD, "nobody signs in to a shared mailbox")
    if box is None:
        accounts.add_mailbox(tx, after, hashed)
    elif after != before:
        accounts.change_mailbox(tx, after)
    if box is not None and hashed:
        accounts.set_password(tx, after, hashed)
    joined = line.groups is not None and _join(tx, after, line.groups)
    if box is None:
        return "added"
    return "changed" if after != before or hashed or joined else "unchanged"


def _join(tx: Tx, mailbox: Mailbox, names: Iterable[str]) -> bool:
    """Let it be in these groups, and of those that commands put it into in no others; groups that are not there are made."""
    key, changed = mailbox.object_id, False
    present = {name.casefold(): name for name in groups.of_member(tx, key, "command")}
    wanted = {name.casefold(): name for name in names}
    for each in present.keys() - wanted.keys():
        changed |= groups.remove_members(tx, each, [key], "command")
    for each in sorted(wanted.keys() - present.keys()):
        if not groups.is_group(tx, each):
            groups.put(tx, wanted[each], "", "command")
        changed |= groups.add_members(tx, each, [key], "command")
    if changed:
        accounts.changed(tx)
    return changed
