"""Automatic replies: when, to whom, and with what (RFC 3834)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from graphpost.clock import Instant
from graphpost.mail.answerable import fields_of, is_automatic, is_doubtful, is_read_by_nobody, suppresses
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Address, Body, Header, Item, Message, ZonedTime
from graphpost.mail.preferences import AutomaticReplies
from graphpost.mail.text import html_to_text, preview
from graphpost.mail.thread import ancestry, answering_index, usable_id

_MARKUP: Final = re.compile(r"<(?:!|/?[A-Za-z])")


def is_away(replies: AutomaticReplies, now: Instant, instant_of: Callable[[ZonedTime], Instant]) -> bool:
    """Whether the mailbox answers at the moment."""
    if replies.status == "scheduled":
        start, end = replies.start, replies.end
        return start is not None and end is not None and instant_of(start) <= now < instant_of(end)
    return replies.status == "alwaysEnabled"


def answers(message: Message, envelope_sender: str, owns: Callable[[str], bool]) -> bool:
    """Whether this message is one to be answered: a person's, to this mailbox by name (RFC 3834 §2).

    Never its own mail, what is automatic, forged or from a list, what nobody would read, or what asks for no answer;
    `owns` says which addresses are the mailbox's.
    """
    author = message.from_ or message.sender
    if not envelope_sender or owns(envelope_sender) or is_read_by_nobody(envelope_sender):
        return False
    if author is None or is_read_by_nobody(author.address) or is_doubtful(message):
        return False
    fields = fields_of(message.headers)
    if is_automatic(fields) or suppresses(fields, "OOF"):
        return False
    return any(owns(each.address) for each in message.to + message.cc)


def words_for(replies: AutomaticReplies, *, internal: bool) -> Body | None:
    """What is answered to somebody of the organisation, or of elsewhere; None when nothing is.

    There are no contacts here, so that `contactsOnly` answers nobody elsewhere.
    """
    if not internal and replies.audience != "all":
        return None
    text = replies.internal if internal else replies.external
    if _MARKUP.search(text) is None:
        return Body(text, "text") if text.strip() else None
    return Body(text, "html") if html_to_text(text).strip() else None


def reply(
    mailbox: Mailbox, arrived: Item, body: Body, to: str, message_id: str, now: Instant, salt: int = 0
) -> Message:
    """The answer to a message that arrived."""
    original, author = arrived.message, Address(mailbox.address, mailbox.name)
    return Message(
        subject=f"Automatic reply: {original.subject}"[:255],
        body=body,
        preview=preview(body),
        from_=author,
        sender=author,
        to=(Address(to),),
        headers=(Header("Auto-Submitted", "auto-replied"), Header("X-Auto-Response-Suppress", "All")),
        internet_message_id=message_id,
        date=now,
        in_reply_to=usable_id(original.internet_message_id),
        references=ancestry(original.internet_message_id, original.references, original.in_reply_to),
        conversation_index=answering_index(original.conversation_index, arrived.conversation_id, now, salt),
    )
