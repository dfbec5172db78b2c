"""Automatic replies, sent once to each sender of an absence.

Who was answered is written by the transaction that files the message, and only who was not gets the reply: there is
one, whatever arrives at the same time and however the process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from graphpost.clock import Instant
from graphpost.delivery.filing import Filing, Reply
from graphpost.delivery.items import new_message_id
from graphpost.delivery.responses.automatic import AutomaticMail
from graphpost.ids import random_bytes
from graphpost.mail.absence import answers, is_away, reply, words_for
from graphpost.mail.compose import compose
from graphpost.mail.mailbox import JUNK, NO_FOLDER, Directory, Mailbox
from graphpost.mail.message import ZonedTime
from graphpost.mail.preferences import AutomaticReplies

_UNANSWERED = frozenset({NO_FOLDER, JUNK})


class Absence:
    """`is_internal` says of an address whether it belongs to the organisation; `instant_of` when a time in a zone is."""

    def __init__(
        self,
        automatic: AutomaticMail,
        directory: Callable[[], Directory],
        is_internal: Callable[[str], bool],
        instant_of: Callable[[ZonedTime], Instant],
    ) -> None:
        self._automatic = automatic
        self._directory = directory
        self._is_internal = is_internal
        self._instant_of = instant_of

    def answered(
        self,
        mailbox: Mailbox,
        filings: Sequence[Filing],
        replies: AutomaticReplies,
        envelope_sender: str,
        now: Instant,
    ) -> list[Filing]:
        """What arrived, with the reply to whom sent it, if there is to be one."""
        made = list(filings)
        place = next((at for at, each in enumerate(made) if each.item.folder_id not in _UNANSWERED), None)
        if place is None or not is_away(replies, now, self._instant_of):
            return made
        arrived = made[place].item
        if not answers(arrived.message, envelope_sender, lambda address: self._owns(mailbox, address)):
            return made
        words = words_for(replies, internal=self._is_internal(envelope_sender))
        if words is not None:
            chance = random_bytes(9)
            message_id = new_message_id(arrived.message_id, chance[:8], mailbox.address)
            message = reply(mailbox, arrived, words, envelope_sender, message_id, now, chance[8])
            data = b"".join(compose(message, lambda ref: iter(())))
            sent = self._automatic.filing(mailbox, data, envelope_sender, now)
            made[place] = replace(made[place], reply=Reply(envelope_sender, sent))
        return made

    def _owns(self, mailbox: Mailbox, address: str) -> bool:
        """Whether mail to that address comes into the mailbox."""
        found = self._directory().find_recipient(address)
        return found is not None and found.mailbox_id == mailbox.mailbox_id
