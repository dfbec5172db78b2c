"""New items: what a message gets when it first takes its place in a mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.ids import new_guid, random_bytes
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import NO_FOLDER, Mailbox
from graphpost.mail.message import Item, Mention, Message, marks_size
from graphpost.mail.thread import conversation_of, conversation_of_topic, is_index, new_index

ROW_OVERHEAD: Final = 512  # what an item takes beside its texts, for `size`


def new_item(
    mailbox: Mailbox,
    message: Message,
    contents: Mapping[int, bytes],
    number: int,
    now: Instant,
    folder_id: int = NO_FOLDER,
) -> Item:
    """The item that a message becomes."""
    message = completed(mailbox, message, number, now)
    if message.mentions:
        message = mentioning(mailbox, message, now)
    content = message.body.content
    return Item(
        mailbox_id=mailbox.mailbox_id,
        message_id=number,
        folder_id=folder_id,
        message=message,
        created_at=now,
        modified_at=now,
        received_at=now,
        sent_at=now,
        size=ROW_OVERHEAD
        + len(content)
        + marks_size(message)
        + (sum(map(len, contents.values())) if contents else 0),
        conversation_id=conversation_of(message.conversation_index) or b"",
    )


def mentioning(mailbox: Mailbox, message: Message, now: Instant) -> Message:
    """A message with mentions as the mailbox has it: all of them with ids, and whether the owner is among them."""
    mentions = tuple(
        each if each.mention_id else replace(each, mention_id=new_guid(), created_at=now)
        for each in message.mentions
    )
    return replace(message, mentions=mentions, is_mentioned=is_mentioned(mailbox, mentions))


def is_mentioned(mailbox: Mailbox, mentions: Iterable[Mention]) -> bool:
    """Whether one of them is of the mailbox's owner."""
    return any(mailbox.owns(each.mentioned.address) for each in mentions)


def completed(mailbox: Mailbox, message: Message, number: int, now: Instant) -> Message:
    """The message with a Message-ID, a date and a conversation, as far as it has none."""
    index, message_id = message.conversation_index, message.internet_message_id
    has_index = is_index(index)
    if has_index and message_id and message.date:
        return message
    chance = random_bytes(20)
    if not has_index:  # by its topic answers find it to whose Message-ID we cannot add the conversation
        index = new_index(now, conversation_of_topic(message.subject) if message_id else chance[:16])
    return replace(
        message,
        internet_message_id=message_id
        or new_message_id(number, chance[16:], mailbox.address, conversation_of(index) or b""),
        date=message.date or now,
        conversation_index=index,
    )


def new_message_id(number: int, chance: bytes, address: str, conversation: bytes = b"") -> str:
    """A Message-ID in the sender's domain; chance keeps queue numbers from being guessed from it.

    The conversation is named in it, so that answers find it that bring no Thread-Index back (`thread.conversation_named`).
    """
    named = f".{conversation.hex()}" if conversation else ""
    return f"<{number:016x}.{chance.hex()}{named}@{domain_of(address)}>"
