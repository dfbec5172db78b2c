"""Whether mailboxes and groups make sense: addresses, names, who is in which.

Each check raises ConfigurationError with the path of the key at fault.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Final

from graphpost.config.names import DOMAIN
from graphpost.config.settings import GroupSettings, MailboxSettings
from graphpost.errors import ConfigurationError

MOST_CHARACTERS: Final = 256  # of a name
MOST_BYTES: Final = 2**62  # which the database holds
_LOCAL_PART: Final = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x20\x7f]{1,64}")


def check_mailboxes(mailboxes: Iterable[MailboxSettings]) -> dict[str, str]:
    """The keys of the addresses, by the addresses in lower case: no two are the same."""
    seen: dict[str, str] = {}
    for i, mailbox in enumerate(mailboxes):
        keys = [
            f"mailboxes[{i}].address",
            *(f"mailboxes[{i}].aliases[{j}]" for j in range(len(mailbox.aliases))),
        ]
        for key, address in zip(keys, (mailbox.address, *mailbox.aliases), strict=True):
            check_address(address, key)
            _check_new(seen, address, key)
        check_one_line(mailbox.name, f"mailboxes[{i}].name")
        if mailbox.quota_bytes < -1:
            raise ConfigurationError(f"mailboxes[{i}].quota_bytes", "must not be negative, but for -1")
        if mailbox.quota_bytes > MOST_BYTES:
            raise ConfigurationError(f"mailboxes[{i}].quota_bytes", "is too large")
        if mailbox.kind == "shared" and mailbox.password:
            raise ConfigurationError(f"mailboxes[{i}].password", "nobody signs in to a shared mailbox")
    return seen


def check_groups(groups: Iterable[GroupSettings], taken: dict[str, str]) -> None:
    """`taken` are the addresses that mailboxes have."""
    seen = dict(taken)
    for i, group in enumerate(groups):
        where = f"groups[{i}]"
        check_group_name(group.name, f"{where}.name")
        _check_new(seen, group.name, f"{where}.name")
        if group.address:
            check_address(group.address, f"{where}.address")
            _check_new(seen, group.address, f"{where}.address")
        for j, member in enumerate(group.members):
            check_member(member, f"{where}.members[{j}]")


def check_group_name(text: str, key: str) -> None:
    """Raise unless it can be told from an address and an object id."""
    check_one_line(text, key)
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise ConfigurationError(key, f"must have 1 to {MOST_CHARACTERS} characters")
    if "@" in text or _is_guid(text):
        raise ConfigurationError(key, f"{text!r} looks like an address or an object id")


def check_member(text: str, key: str) -> None:
    """Raise unless it is an address or an object id."""
    if "@" in text:
        check_address(text, key)
    else:
        check_guid(text, key)


def is_address(text: str) -> bool:
    """Whether it has the shape local@domain."""
    local, _, domain = text.rpartition("@")
    return len(text) <= 320 and bool(_LOCAL_PART.fullmatch(local)) and bool(DOMAIN.fullmatch(domain))


def check_address(text: str, key: str) -> None:
    """Raise unless it has the shape local@domain."""
    if not is_address(text):
        raise ConfigurationError(key, f"{text!r} is not an e-mail address")


def check_guid(text: str, key: str) -> None:
    """Raise unless it is a GUID in its usual form."""
    if not _is_guid(text):
        raise ConfigurationError(key, f"{text!r} is not a GUID")


def check_one_line(text: str, key: str) -> None:
    """Raise when it has control characters."""
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise ConfigurationError(key, "must be one line without control characters")


def _is_guid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _check_new(seen: dict[str, str], text: str, key: str) -> None:
    if other := seen.get(text.casefold()):
        raise ConfigurationError(key, f"{text} is already {other}")
    seen[text.casefold()] = key
