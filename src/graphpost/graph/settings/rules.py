"""`mailFolders/inbox/messageRules`: what is done with mail that arrives.

The Inbox alone has rules.  A rule that names a folder which is gone has an error, and does nothing until it is given another.  None is read-only:
all there are were made here.  `delivery.arrival.ruling` follows them.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any, Final

from msgspec import Struct

from graphpost.errors import BadRequest, NotFound
from graphpost.graph.call import Call, Reply
from graphpost.graph.keys import folder_key
from graphpost.graph.render import folder_id, recipient_value
from graphpost.graph.schema import EntityType, Kind, Property
from graphpost.graph.settings.kept import Get, Kept
from graphpost.graph.settings.rule_schema import ACTIONS, PREDICATES, RULE
from graphpost.graph.settings.rules_in import read_rule
from graphpost.mail.mailbox import INBOX
from graphpost.mail.rules import Rule, SizeRange
from graphpost.store.mailbox import folders, preferences
from graphpost.store.mailbox.preferences import Entry
from graphpost.store.store import Tx

MOST: Final = 256
MOST_BYTES: Final = 262_144  # as in Exchange


async def list_rules(call: Call) -> Reply:
    """GET …/messageRules, in the order in which they are followed."""
    return await RULES.list_all(_at_inbox(call))


async def get_rule(call: Call) -> Reply:
    """GET …/messageRules/{rule}."""
    return await RULES.get_one(_at_inbox(call))


async def create_rule(call: Call) -> Reply:
    """POST …/messageRules."""
    return await RULES.create(_at_inbox(call))


async def update_rule(call: Call) -> Reply:
    """PATCH …/messageRules/{rule}."""
    return await RULES.update(_at_inbox(call))


async def delete_rule(call: Call) -> Reply:
    """DELETE …/messageRules/{rule}."""
    return await RULES.delete(_at_inbox(call))


def _at_inbox(call: Call) -> Call:
    if folder_key(call) != INBOX:
        raise BadRequest("Message rules are supported in the Inbox only.", "ErrorInvalidRequest")
    return call


def _check(tx: Tx, call: Call, rule: Rule) -> None:
    """Its folders are there, and with the other rules it sends on to no more people than a message may have."""
    for number in rule.actions.folders:
        if not number or folders.get(tx, call.box.mailbox_id, number) is None:
            raise NotFound
    if not rule.actions.recipients:
        return
    number = len(rule.actions.recipients)
    for each in preferences.entries(tx, call.box.mailbox_id, preferences.Kind.RULE):
        if each.entry_id != call.captures.get("rule"):
            number += len(each.value.actions.recipients)
    most = call.services.limits.recipients
    if number > most:
        raise BadRequest(
            f"The rules of a mailbox have at most {most} recipients together.", "ErrorExceededLimit"
        )


def _shown(tx: Tx, call: Call) -> Get:
    mailbox = call.box.object_id.lower()

    def get(entry: Entry, name: str) -> Any:
        rule: Rule = entry.value
        match name:
            case "id":
                return entry.entry_id
            case "displayName":
                return rule.name
            case "sequence":
                return rule.sequence
            case "isEnabled":
                return rule.is_enabled
            case "hasError":
                return any(
                    folders.get(tx, call.box.mailbox_id, each) is None for each in rule.actions.folders
                )
            case "isReadOnly":
                return False
            case "actions":
                return _part(rule.actions, ACTIONS, mailbox)
            case "conditions":
                return _part(rule.conditions, PREDICATES, mailbox)
            case _:
                return _part(rule.exceptions, PREDICATES, mailbox)

    return get


def _part(part: Struct | None, table: EntityType, mailbox: str) -> dict[str, Any] | None:
    """What there is of it: what is not asked or done is left out."""
    if part is None:
        return None
    return {
        row.name: _written(row, value, mailbox)
        for row in table.properties.values()
        if (value := getattr(part, row.field)) is not None and value != ()
    }


def _written(row: Property, value: Any, mailbox: str) -> Any:
    if isinstance(value, SizeRange):
        return {"minimumSize": value.minimum, "maximumSize": value.maximum}
    if row.kind is Kind.RECIPIENT:
        return [recipient_value(each) for each in value]
    if row.kind is Kind.STRING and not row.collection:
        return folder_id(mailbox, value)
    return list(value) if row.collection else value


RULES: Final[Kept[Rule]] = Kept(
    kind=preferences.Kind.RULE,
    entity=RULE,
    path=("mailFolders('inbox')", "messageRules"),
    capture="rule",
    new_id=lambda call: urlsafe_b64encode(call.services.numbers.next().to_bytes(8, "big")).decode(),
    read=read_rule,
    key_of=lambda entry_id, rule: entry_id,  # names need not differ
    shown=_shown,
    check=_check,
    order=lambda entry: (entry.value.sequence, entry.entry_id),
    most=MOST,
    most_bytes=MOST_BYTES,
)
