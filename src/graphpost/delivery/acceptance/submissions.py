"""Submissions and drafts: what a Submitter is given."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from graphpost.delivery.acceptance.accepting import Source
from graphpost.mail.dsn import Dsn
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Message
from graphpost.store.audit import Actor
from graphpost.store.mailbox.deferrals import NOBODY as UNKNOWN
from graphpost.store.mailbox.deferrals import Requester
from graphpost.store.repeats import Once


class Submission(Struct, frozen=True, kw_only=True):
    """What somebody sends; with `once`, only if it was not sent before.

    `message` is complete: `from_` and `sender` set, every address valid; an empty internet_message_id, date and
    conversation index are filled in when it is accepted.  `contents` are the bytes its ContentRefs name (ids from `Numbers`).
    """

    mailbox: Mailbox
    message: Message
    contents: Mapping[int, bytes]
    save: bool = True
    request_id: str = ""
    source: Source | None = None
    requester: Requester = UNKNOWN
    once: Once | None = None
    actor: Actor | None = None  # whom the audit log shall name
    recipients: tuple[Address, ...] | None = None  # when they are not those that the message names
    dsn: Dsn | None = None
    from_nobody: bool = False  # with the null reverse-path: nobody is told what becomes of it


class Draft(Struct, frozen=True, kw_only=True):
    """What somebody writes, to be kept in a folder; `message` and `contents` as in a Submission."""

    mailbox: Mailbox
    message: Message
    contents: Mapping[int, bytes]
    folder_id: int
    is_read: bool = True
    source: Source | None = None
