"""Submitting a message: from here on it is ours to deliver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from graphpost.mail.mailbox import Mailbox
from graphpost.mail.message import Item, Message


class Submission(Struct, frozen=True, kw_only=True):
    """A message to be sent from a mailbox.

    The message is complete but for `internet_message_id` and `date`, which are given to it when they are '' and 0.
    `contents` are the bytes that its ContentRefs name.  `save`: a copy stays in Sent Items.
    """

    mailbox: Mailbox
    message: Message
    contents: Mapping[int, bytes]
    save: bool
    request_id: str


class Submitter(Protocol):
    """Takes submissions."""

    async def submit(self, submission: Submission) -> Item:
        """The message as it was filed; durable when this returns."""
        ...
