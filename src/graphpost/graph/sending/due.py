"""Whether a draft whose time has come may still be sent, by who asked for it.

The token is long over.  What counts is who its holder is today: application, mailbox and permission are looked at as
they are now, and the draft as sendMail looks at a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from graphpost.auth.access import Permission, Principal, check_permission, check_principal, find_mailbox
from graphpost.config import LimitSettings
from graphpost.errors import NotFound
from graphpost.graph.sending.outgoing import Party, check_draft
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.mail.message import Item, Message
from graphpost.store.deferrals import Deferral, Requester

MAIL_SEND: Final = Permission(("Mail.Send", "Mail.Send.Shared"), ("Mail.Send",))


def requester_of(principal: Principal) -> Requester:
    """Who asks, to be remembered."""
    return Requester(principal.kind, principal.tenant_id, principal.object_id, principal.client_id)


def due_check(
    directory: Callable[[], Directory], limits: LimitSettings
) -> Callable[[Deferral, Item, bytes], tuple[Mailbox, Message]]:
    """The check of the dispatcher: the mailbox, and the draft as it may be sent.  Raises GraphErrors."""

    def check(row: Deferral, item: Item, header: bytes) -> tuple[Mailbox, Message]:
        principal, found = _principal(row.requester), directory()
        box = found.by_id.get(row.mailbox_id)
        if box is None:
            raise NotFound("The mailbox is gone.")
        application = check_principal(principal, found)
        is_user = principal.kind == "user"
        names = application.delegated_permissions if is_user else application.application_permissions
        principal = replace(principal, permissions=frozenset(names))
        check_permission(principal, MAIL_SEND)
        mailbox = find_mailbox(principal, found, box.object_id, MAIL_SEND)
        return mailbox, check_draft(Party(principal, mailbox, limits, found), item.message, header)

    return check


def _principal(requester: Requester) -> Principal:
    return Principal(
        kind=requester.kind,
        tenant_id=requester.tenant_id,
        object_id=requester.object_id,
        client_id=requester.client_id,
        permissions=frozenset(),
    )
