"""Whether rights between mailboxes, and what stands for mailboxes, make sense.

Each check raises ConfigurationError with the path of the key at fault.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphpost.config.names import check_domain
from graphpost.config.people import check_address, check_group_name, check_member
from graphpost.config.settings import RightsSettings
from graphpost.errors import ConfigurationError


def check_rights(rows: Iterable[RightsSettings]) -> None:
    """Raise unless each gives something to somebody."""
    for i, row in enumerate(rows):
        check_address(row.mailbox, f"rights[{i}].mailbox")
        for key in ("to", "rights"):
            if not getattr(row, key):
                raise ConfigurationError(f"rights[{i}].{key}", "is empty")
        for j, holder in enumerate(row.to):
            check_holder(holder, f"rights[{i}].to[{j}]")


def check_holder(text: str, key: str) -> None:
    """Raise unless it can have rights: an address, an object id, or `group:` and a name."""
    if text.lower().startswith("domain:"):
        raise ConfigurationError(key, "a domain cannot have rights; name its people, or a group of them")
    check_entry(text, key)


def check_entry(text: str, key: str) -> None:
    """Raise unless it stands for mailboxes: an address, an object id, `group:` and a name, `domain:` and a domain."""
    kind, colon, name = text.partition(":")
    if colon and kind.lower() == "group":
        check_group_name(name, key)
    elif colon and kind.lower() == "domain":
        check_domain(name, key)
    else:
        check_member(text, key)
