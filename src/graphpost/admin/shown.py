"""How an administrator is shown deliveries, mailboxes and applications.

Names of fields are a contract with scripts.  Nothing here tells a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from graphpost.clock import Instant, to_text
from graphpost.mail.mailbox import Application, Directory, Group, Mailbox
from graphpost.mail.message import Item
from graphpost.store.directory.accounts import Credential
from graphpost.store.directory.consents import Consent
from graphpost.store.directory.deleted import Deleted
from graphpost.store.mailbox.deferrals import Deferral
from graphpost.store.queue.deliveries import DONE, HELD, OPEN, QUEUED, Delivery, Recipient, Saying
from graphpost.store.queue.depths import Depth
from graphpost.store.queue.reported import Reported
from graphpost.store.queue.suppressions import Suppression
from graphpost.store.queue.tls import Level, StoredPolicy
from graphpost.transport.security import TlsLevel

_STATES: Final = {QUEUED: "queued", DONE: "done", HELD: "held"}


def tls(domain: str, level: Level | None, policy: StoredPolicy | None) -> dict[str, Any]:
    """How a domain takes mail: '' for what is not known."""
    return {
        "domain": domain,
        "level": TlsLevel(level.level).name.lower() if level else "",
        "reached": to_text(level.reached_at) if level else "",
        "policy": policy.policy if policy else "",
        "fetched": to_text(policy.fetched_at) if policy else "",
        "expires": to_text(policy.expires_at) if policy else "",
    }


def delivery(
    found: Delivery, mailbox: str, said: Mapping[str, Reported] = MappingProxyType({})
) -> dict[str, Any]:
    """A message on its way to one destination; `mailbox` is its sender's address.

    `said` is what reports from elsewhere said, by recipient in lower case.
    """
    return {
        "id": f"{found.message_id:016x}",
        "mailbox": mailbox,
        "sender": found.sender,
        "subject": found.subject,
        "message_id": found.internet_message_id,
        "destination": found.destination,
        "state": _STATES[found.state],
        "attempts": found.attempts,
        "under_way": found.state == QUEUED and found.owner != 0,
        "created": to_text(found.created_at),
        "due": to_text(found.due_at) if found.state == QUEUED else "",
        "expires": to_text(found.expires_at),
        "finished": to_text(found.finished_at) if found.finished_at else "",
        "recipients": [
            _recipient(each, said.get(each.address.lower()), is_held=found.state == HELD)
            for each in found.recipients
        ],
    }


def deferral(found: Deferral, item: Item, mailbox: str, state: str) -> dict[str, Any]:
    """A draft that waits (or waited) for its time, in the shape of a delivery: `due` is when it will be sent."""
    message = item.message
    author = message.sender or message.from_
    return {
        "id": f"{found.message_id:016x}",
        "mailbox": mailbox,
        "sender": author.address if author is not None else mailbox,
        "subject": message.subject,
        "message_id": message.internet_message_id,
        "destination": "",
        "state": state,
        "attempts": 0,
        "under_way": False,
        "created": to_text(found.created_at),
        "due": to_text(found.due_at),
        "expires": "",
        "finished": "",
        "recipients": [
            {"address": each.address, "state": state, "at": "", "reply": None, "reported": None}
            for each in message.recipients
        ],
    }


def message(queue_id: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A message with all its deliveries: `state` is done when every one is, waiting while it is a draft (cancelled: not any more)."""
    states = {part["state"] for part in parts}
    return {
        "id": queue_id,
        "state": states.pop() if len(states) == 1 and states != {"held"} else "queued",
        "recipients": [recipient for part in parts for recipient in part["recipients"]],
        "deliveries": parts,
    }


def _recipient(found: Recipient, told: Reported | None, *, is_held: bool) -> dict[str, Any]:
    return {
        "address": found.address,
        "state": "held" if is_held and found.state in OPEN else found.state,
        "at": to_text(found.at) if found.at else "",
        "reply": None if found.reply is None else _reply(found.reply),
        "earlier": [{"at": to_text(each.at), **_reply(each.reply)} for each in found.earlier],
        "reported": _reported(told),
    }


def _reply(said: Saying) -> dict[str, Any]:
    return {"code": said.code, "status": said.status, "text": said.text, "host": said.host}


def _reported(told: Reported | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {"state": told.state, "status": told.status, "text": told.text, "at": to_text(told.at)}


def destination(name: str, found: Depth, answered: Recipient | None) -> dict[str, Any]:
    """`later` of the queued ones are being attempted or wait for another attempt; `answered`: who was answered last."""
    answer = None if answered is None else _recipient(answered, None, is_held=False)
    return {
        "destination": name,
        "queued": found.queued,
        "later": found.later,
        "held": found.held,
        "oldest": to_text(found.oldest) if found.oldest else "",
        "not_before": to_text(found.not_before) if found.not_before else "",
        "failures": found.failures,
        "reply": answer["reply"] if answer else None,
        "replied": answer["at"] if answer else "",
    }


def suppression(found: Suppression) -> dict[str, Any]:
    return {
        "address": found.entry,
        "reason": found.reason,
        "status": found.status,
        "origin": found.origin,
        "created": to_text(found.created_at),
        "expires": to_text(found.expires_at) if found.expires_at else "",
    }


def mailbox(found: Mailbox) -> dict[str, Any]:
    return {
        "address": found.address,
        "name": found.name,
        "aliases": list(found.aliases),
        "object_id": found.object_id,
        "kind": found.kind,
        "enabled": found.enabled,
        "quota_bytes": found.quota,
        "created": to_text(found.created_at),
    }


def deleted_mailbox(found: Deleted, until: Instant) -> dict[str, Any]:
    """`restorable_until`: then it is erased."""
    return {
        **mailbox(found.mailbox),
        "deleted": to_text(found.deleted_at),
        "restorable_until": to_text(until),
    }


def group(found: Group, people: Directory) -> dict[str, Any]:
    """`members` as they were named, `mailboxes` the addresses of those that are there."""
    boxes = (people.by_id[number].address for number in people.members_of(found.name))
    return {
        "name": found.name,
        "address": found.address,
        "members": sorted(found.members),
        "mailboxes": sorted(boxes),
    }


def application(found: Application, credentials: Iterable[Credential]) -> dict[str, Any]:
    return {
        "client_id": found.client_id,
        "name": found.name,
        "public": found.public,
        "enabled": found.enabled,
        "application_permissions": list(found.application_permissions),
        "delegated_permissions": list(found.delegated_permissions),
        "redirect_uris": list(found.redirect_uris),
        "spa_redirect_uris": list(found.spa_redirect_uris),
        "mailbox_scope": list(found.mailbox_scope),
        "permission_scopes": {name: list(scope) for name, scope in found.permission_scopes.items()},
        "credentials": [credential(each) for each in credentials],
    }


def credential(found: Credential) -> dict[str, Any]:
    return {
        "id": found.credential_id,
        "kind": found.kind,
        "origin": found.origin,
        "expires": to_text(found.expires_at) if found.expires_at else "",
    }


def consent(directory: Directory, found: Consent) -> dict[str, Any]:
    """`user` is an address, or an object id that is nobody's any more, or `everybody`."""
    application = directory.applications.get(found.client_id)
    user = directory.find(found.object_id)
    return {
        "client_id": found.client_id,
        "name": "" if application is None else application.name,
        "user": user.address if user else found.object_id or "everybody",
        "scopes": sorted(found.scopes),
        "consented": to_text(found.consented_at) if found.consented_at else "",
    }
