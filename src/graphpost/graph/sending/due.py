"""Whether a draft whose time has come may still be sent, by who asked for it.

The token is long over: what counts is who its holder is today, and the draft is looked at as sendMail looks at a message.
"""

from __future__ import annotations

from collections.abc import Callable

from graphpost.config import LimitSettings
from graphpost.graph.sending.outgoing import Party, check_draft
from graphpost.graph.standing import MAIL_SEND, still_standing
from graphpost.mail.mailbox import Directory, Mailbox
from graphpost.mail.message import Item, Message
from graphpost.store.mailbox.deferrals import Deferral


def due_check(
    directory: Callable[[], Directory], limits: LimitSettings
) -> Callable[[Deferral, Item, bytes], tuple[Mailbox, Message]]:
    """The check of the dispatcher: the mailbox, and the draft as it may be sent.  Raises GraphErrors."""

    def check(row: Deferral, item: Item, header: bytes) -> tuple[Mailbox, Message]:
        found = directory()
        principal, mailbox = still_standing(row.requester, found, row.mailbox_id, MAIL_SEND)
        return mailbox, check_draft(Party(principal, mailbox, limits, found), item.message, header)

    return check
