"""`getMailTips`: what a sender may want to know of recipients before sending.

There are no groups, no moderation and no restrictions here, and the tips say so.  An address of ours that has no mailbox
gets an error in place of its tips, as Graph answers the others nevertheless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphpost.delivery.routing import UNKNOWN
from graphpost.errors import BadRequest
from graphpost.graph.bodies.recipients import unresolved
from graphpost.graph.bodies.values import READ, cannot_convert, read_array, read_string
from graphpost.graph.bodies.zones import instant_of
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context
from graphpost.graph.model import ENUMS
from graphpost.graph.render import zoned_value
from graphpost.graph.settings.languages import locale_info
from graphpost.graph.writing import json_members
from graphpost.mail.absence import is_away
from graphpost.mail.address import is_valid_address
from graphpost.mail.mailbox import Mailbox
from graphpost.mail.preferences import PersonalSettings
from graphpost.store.mailbox import preferences
from graphpost.store.store import Tx

MAX_ADDRESSES: Final = 100
OPTIONS: Final = ENUMS["mailTipsType"]
_FULL: Final = "mailboxFullStatus"
_TYPE: Final = "microsoft.graph.mailTipsType"
Tip = Callable[[Call, Mailbox | None, PersonalSettings | None], tuple[str, Any]]


async def get_mail_tips(call: Call) -> Reply:
    """`POST …/getMailTips`: the tips asked for (all, when none is named), in the order of the addresses."""
    members = json_members(call)
    addresses = [
        read_string(each, "EmailAddresses").strip()
        for each in read_array(members.get("emailaddresses"), "EmailAddresses")
    ]
    if not addresses:
        raise BadRequest(
            "One or more parameters of the operation 'getMailTips' are missing from the request payload. The missing "
            "parameters are: EmailAddresses.",
            READ,
        )
    if len(addresses) > MAX_ADDRESSES:
        raise BadRequest(
            f"The number of addresses exceeds the maximum of {MAX_ADDRESSES}.", "ErrorInvalidParameter"
        )
    options = _options(members.get("mailtipsoptions"))
    boxes = {each: call.services.directory().find_recipient(each) for each in addresses}

    def read(tx: Tx) -> dict[int, PersonalSettings]:
        numbers = {box.mailbox_id for box in boxes.values() if box is not None}
        return {number: preferences.settings_of(tx, number) for number in numbers}

    def read_full(tx: Tx) -> frozenset[int]:
        found = [box for box in boxes.values() if box is not None]
        return frozenset(box.mailbox_id for box in found if call.services.quotas.is_full(tx, box))

    settings = await call.services.store.read(read) if "automaticReplies" in options else {}
    full = await call.services.store.read(read_full) if _FULL in options else frozenset[int]()
    found = [_tips(call, each, boxes[each], settings, options) for each in addresses]
    for tips, box in zip(found, map(boxes.__getitem__, addresses), strict=True):
        if box is not None and "mailboxFull" in tips:
            tips["mailboxFull"] = box.mailbox_id in full
    return Reply(
        body={"@odata.context": context(call, "Collection(microsoft.graph.mailTips)"), "value": found}
    )


def _options(value: Any) -> tuple[str, ...]:
    """The words of the flags, which are one text with commas (or, from some clients, an array)."""
    texts = read_array(value, "MailTipsOptions") if isinstance(value, list) else [value]
    words = [word.strip() for text in texts for word in read_string(text, "MailTipsOptions").split(",")]
    by_lower = {word.lower(): word for word in OPTIONS}
    for word in words:
        if word and word.lower() not in by_lower:
            raise cannot_convert(word, _TYPE)
    return tuple(by_lower[word.lower()] for word in words if word) or OPTIONS


def _tips(
    call: Call,
    address: str,
    box: Mailbox | None,
    settings: Mapping[int, PersonalSettings],
    options: tuple[str, ...],
) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "emailAddress": {"name": box.name if box is not None else "", "address": address}
    }
    if not is_valid_address(address, call.services.limits.address_length):
        error = unresolved(address)
        return {**shown, "error": {"code": error.code, "message": error.message}}
    if call.services.submitter.destination_of(address) == UNKNOWN:
        message = "The SMTP address has no mailbox associated with it."
        return {**shown, "error": {"code": "ErrorNonExistentMailbox", "message": message}}
    own = settings.get(box.mailbox_id) if box is not None else None
    return shown | dict(_TIPS[option](call, box, own) for option in options)


def _replies(call: Call, box: Mailbox | None, settings: PersonalSettings | None) -> tuple[str, Any]:
    value: dict[str, Any] = {"message": ""}
    if settings is not None and is_away(settings.automatic_replies, call.services.clock.now(), instant_of):
        replies = settings.automatic_replies
        value = {"message": replies.internal, "messageLanguage": locale_info(settings.locale)}
        if replies.status == "scheduled" and replies.start is not None and replies.end is not None:
            value["scheduledStartTime"] = zoned_value(replies.start)
            value["scheduledEndTime"] = zoned_value(replies.end)
    return "automaticReplies", value


def _always(name: str, value: Any) -> Tip:
    return lambda call, box, settings: (name, value)


_TIPS: Final[Mapping[str, Tip]] = {
    "automaticReplies": _replies,
    _FULL: _always("mailboxFull", False),
    "customMailTip": _always("customMailTip", ""),
    "externalMemberCount": lambda call, box, settings: ("externalMemberCount", int(box is None)),
    "totalMemberCount": _always("totalMemberCount", 1),
    "maxMessageSize": lambda call, box, settings: ("maxMessageSize", call.services.limits.message_bytes),
    "deliveryRestriction": _always("deliveryRestricted", False),
    "moderationStatus": _always("isModerated", False),
    "recipientScope": lambda call, box, settings: (
        "recipientScope",
        "external" if box is None else "internal",
    ),
    "recipientSuggestions": _always("recipientSuggestions", []),
}
