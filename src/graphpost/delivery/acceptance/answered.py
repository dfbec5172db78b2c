"""Marking what was answered: the properties by which mail programs show it.

MS-OXOMSG 2.2.1.45 and 2.2.2.7: PidTagLastVerbExecuted (0x1081) with its time (0x1082), and PidTagIconIndex (0x1080).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from graphpost.clock import to_text
from graphpost.mail.mailbox import NO_FOLDER
from graphpost.mail.message import ExtendedProperty, Item, Verb
from graphpost.store.mailbox import messages
from graphpost.store.store import Tx

VERBS: Final[dict[Verb, tuple[str, str]]] = {  # the verb and the icon
    "reply": ("102", "261"),
    "replyAll": ("103", "261"),
    "forward": ("104", "262"),
}
VERB: Final = "Integer 0x1081"
VERB_TIME: Final = "SystemTime 0x1082"
ICON: Final = "Integer 0x1080"


def mark_answered(tx: Tx, answer: Item) -> None:
    """Mark the message that a sent one answers, in the transaction that sends it; if it is still there."""
    answers = answer.message.answers
    if answers is None:
        return
    item = messages.get(tx, answer.mailbox_id, answers.message_id)
    if item is None or item.folder_id == NO_FOLDER:
        return
    verb, icon = VERBS[answers.verb]
    marks = {VERB: verb, VERB_TIME: to_text(answer.sent_at), ICON: icon}
    others = tuple(each for each in item.message.extended if each.property_id not in marks)
    extended = (*others, *(ExtendedProperty(name, value) for name, value in marks.items()))
    message = replace(item.message, extended=extended)
    messages.change(tx, item, replace(item, message=message, modified_at=answer.sent_at))
