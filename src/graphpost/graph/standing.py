"""Who asked, remembered beyond the token, and whether they still may.

What counts later is who the token's holder is then: application, person, permission, mailbox and rights are looked at as
they are at that moment.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from graphpost.auth.access import Permission, Principal, check_permission, check_principal, find_mailbox
from graphpost.errors import NotFound
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.store.mailbox.deferrals import Requester

MAIL_SEND: Final = Permission(("Mail.Send", "Mail.Send.Shared"), ("Mail.Send",))
MAIL_WRITE: Final = Permission(("Mail.ReadWrite", "Mail.ReadWrite.Shared"), ("Mail.ReadWrite",))
_READERS: Final = ("Mail.Read", "Mail.Read.Shared", "Mail.ReadWrite", "Mail.ReadWrite.Shared")
MAIL_READ: Final = Permission(_READERS, ("Mail.Read", "Mail.ReadWrite"))
MAIL_LIST: Final = Permission(
    ("Mail.ReadBasic", "Mail.ReadBasic.Shared", *MAIL_READ.delegated),
    ("Mail.ReadBasic", "Mail.ReadBasic.All", *MAIL_READ.application),
)
OWN_LIST: Final = Permission((), MAIL_LIST.application)  # closed to users in others' mailboxes

_NONE: Final[frozenset[str]] = frozenset()


def requester_of(principal: Principal) -> Requester:
    """Who asks, to be remembered."""
    kept = principal.permissions if principal.is_foreign else _NONE
    return Requester(principal.kind, principal.tenant_id, principal.object_id, principal.client_id, kept)


def still_standing(
    requester: Requester, directory: Directory, mailbox_id: int, permission: Permission
) -> tuple[Principal, Mailbox]:
    """The requester with the permissions that its application has today, and the mailbox; GraphError when not any more.

    What another issuer gave it is as it was then.
    """
    box = directory.by_id.get(mailbox_id)
    if box is None:
        raise NotFound("The mailbox is gone.")
    principal = Principal(
        kind=requester.kind,
        tenant_id=requester.tenant_id,
        object_id=requester.object_id,
        client_id=requester.client_id,
        permissions=frozenset(),
    )
    application = check_principal(principal, directory)
    is_user = requester.kind == "user"
    names = application.delegated_permissions if is_user else application.application_permissions
    principal = replace(principal, permissions=requester.permissions or frozenset(names))
    check_permission(principal, permission)
    return principal, find_mailbox(principal, directory, box.object_id, permission)
