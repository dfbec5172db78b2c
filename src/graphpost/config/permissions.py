"""The permissions that mean something here, by Microsoft Graph's names.

An application may have no other: one that is misspelt would look as if it were granted and open nothing.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

PERMISSIONS: Final = frozenset(
    [
        *("Mail.Read", "Mail.Read.Shared", "Mail.ReadWrite", "Mail.ReadWrite.Shared"),
        *("Mail.ReadBasic", "Mail.ReadBasic.All", "Mail.ReadBasic.Shared"),
        *("Mail.Send", "Mail.Send.Shared"),
        *("Mail-Advanced.ReadWrite", "Mail-Advanced.ReadWrite.All", "Mail-Advanced.ReadWrite.Shared"),
        *("MailboxSettings.Read", "MailboxSettings.ReadWrite"),
        *("User.Read", "User.Read.All", "User.ReadBasic", "User.ReadBasic.All"),
        *("User.ReadWrite", "User.ReadWrite.All", "Directory.Read.All"),
    ]
)


def find_fault(name: str) -> str:
    """What is wrong with a permission's name; '' when nothing is."""
    if name in PERMISSIONS:
        return ""
    by_fold = {known.casefold(): known for known in PERMISSIONS}
    close = get_close_matches(name.casefold(), by_fold, 1)
    meant = f"; did you mean {by_fold[close[0]]}?" if close else ", such as Mail.Send"
    return f"{name[:80]!r} is no permission that Graphpost knows{meant}"
