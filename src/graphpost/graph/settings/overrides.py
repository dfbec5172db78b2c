"""`inferenceClassification/overrides`: senders always focused, or always other.

There is one for each address.  They are followed when mail is filed; nothing else here tells focused mail from other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from graphpost.errors import BadRequest
from graphpost.graph.bodies.recipients import read_recipient, unresolved
from graphpost.graph.bodies.values import read_word, unknown_property
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context, user_context
from graphpost.graph.schema import INFERENCE, EntityType, Kind, Property, Write, entity
from graphpost.graph.settings.kept import Get, Kept
from graphpost.ids import new_guid
from graphpost.mail.address import to_wire
from graphpost.mail.message import Inference
from graphpost.mail.preferences import SenderOverride
from graphpost.store.mailbox import preferences
from graphpost.store.mailbox.preferences import Entry
from graphpost.store.store import Tx

MOST: Final = 1000
_WORD: Final = "microsoft.graph.inferenceClassificationType"
OVERRIDE: Final[EntityType] = entity(
    "microsoft.graph.inferenceClassificationOverride",
    Property("id", Kind.STRING, nullable=False),
    Property("classifyAs", Kind.ENUM, write=Write.ALWAYS, words=INFERENCE, edm=_WORD),
    Property("senderEmailAddress", Kind.COMPLEX, write=Write.ALWAYS, edm="microsoft.graph.emailAddress"),
)


async def get_inference(call: Call) -> Reply:
    """GET …/inferenceClassification: nothing but where the overrides are."""
    where = context(call, user_context(call), "inferenceClassification", single=True)
    return Reply(body={"@odata.context": where, "id": "inferenceClassification"})


def _read(call: Call, members: Mapping[str, Any], old: SenderOverride | None) -> SenderOverride:
    for name in members:
        if "@" not in name and OVERRIDE.find(name) is None:
            raise unknown_property(name, OVERRIDE.name)
    word = read_word(members.get("classifyas"), "classifyAs", INFERENCE, _WORD)
    given = {"emailaddress": members.get("senderemailaddress")}
    sender = read_recipient(given, "senderEmailAddress", call.services.limits.address_length)
    if old is not None:
        if sender is not None and overridden(sender.address) != overridden(old.sender.address):
            raise BadRequest("Set action is invalid for property.", "ErrorInvalidPropertySet")
        return SenderOverride(sender or old.sender, cast(Inference, word or old.classify_as))
    if sender is None:
        raise unresolved("")
    if word is None:
        raise BadRequest("The override needs a classifyAs.", "ErrorInvalidParameter")
    return SenderOverride(sender, cast(Inference, word))


def overridden(address: str) -> str:
    """The address as overrides are looked up by it."""
    return to_wire(address).lower()


def _value(entry: Entry, name: str) -> Any:
    override: SenderOverride = entry.value
    sender = {"name": override.sender.name or override.sender.address, "address": override.sender.address}
    return {
        "id": entry.entry_id,
        "classifyAs": override.classify_as,
        "senderEmailAddress": sender,
    }[name]


def _shown(tx: Tx, call: Call) -> Get:
    return _value


OVERRIDES: Final[Kept[SenderOverride]] = Kept(
    kind=preferences.Kind.OVERRIDE,
    entity=OVERRIDE,
    path=("inferenceClassification", "overrides"),
    capture="override",
    new_id=lambda call: new_guid(),
    read=_read,
    key_of=lambda entry_id, override: overridden(override.sender.address),
    shown=_shown,
    check=lambda tx, call, override: None,
    order=lambda entry: entry.key,
    most=MOST,
)
