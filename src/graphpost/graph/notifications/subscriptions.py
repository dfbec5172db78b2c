"""Subscriptions to change notifications: made, read, renewed and ended.

The owner is the application together with the user it acted for (or its own service principal); to everybody else a
subscription is not there.  Its `clientState` is answered when it is made and never again: whoever knows it can forge
notifications.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec.structs import replace

from graphpost.auth.access import find_mailbox
from graphpost.clock import NEVER, SECOND, Instant, to_text
from graphpost.errors import AccessDenied, BadRequest, NotFound
from graphpost.graph.bodies.values import read_string
from graphpost.graph.call import Call, Reply
from graphpost.graph.envelope import context
from graphpost.graph.keys import folder_at
from graphpost.graph.notifications.subscribing import Target, Wanted, read_expiry, read_target, read_wanted
from graphpost.graph.prefer import read_preferences
from graphpost.graph.standing import OWN_LIST, requester_of
from graphpost.graph.writing import json_members
from graphpost.notifications.handshake import INVALID
from graphpost.store.mailbox import changes
from graphpost.store.notifications import feeds, subscriptions
from graphpost.store.notifications.feeds import Feed
from graphpost.store.notifications.subscriptions import ACTIVE, Subscription, Terms
from graphpost.store.store import Tx

PAGE: Final = 100
REMIND_SECONDS: Final = 12 * 3600  # before the end, or a quarter of the lifetime before
_ID: Final = re.compile(r"[0-9a-f-]{36}")


async def create_subscription(call: Call) -> Reply:
    """POST /subscriptions: 201 once both URLs have been validated."""
    wanted = read_wanted(call, json_members(call))
    target = read_target(call, wanted.resource)
    await call.services.store.read(lambda tx: _check_room(tx, call, target))
    await _validate(call, wanted.url, wanted.lifecycle_url)
    subscription = _subscription(call, wanted, target)

    def add(tx: Tx) -> AccessDenied | NotFound | None:
        try:
            _check_room(tx, call, target)
        except (AccessDenied, NotFound) as error:
            return error
        subscriptions.add(tx, subscription)
        for feed in _feeds(subscription, changes.latest(tx), call.services.clock.now()):
            feeds.add(tx, feed)
        return None

    if refusal := await call.services.store.write(add):
        raise refusal
    call.services.notifier.wake()
    body = _entity(subscription) | {"clientState": wanted.client_state or None}
    location = {"Location": f"{call.base}/subscriptions('{subscription.subscription_id}')"}
    return Reply(201, {"@odata.context": _context(call), **body}, headers=location)


async def list_subscriptions(call: Call) -> Reply:
    """GET /subscriptions: the owner's, in pages."""
    owner, now = call.principal, call.services.clock.now()
    after = call.query.get("$skiptoken", "")
    if after and not _ID.fullmatch(after):
        raise BadRequest("The skip token is not valid.", "ErrorInvalidUrlQuery")
    found = await call.services.store.read(
        lambda tx: subscriptions.owned(tx, owner.client_id, owner.object_id, now, after, PAGE + 1)
    )
    body: dict[str, Any] = {"@odata.context": context(call, "subscriptions")}
    if len(found) > PAGE:
        body["@odata.nextLink"] = f"{call.base}/subscriptions?$skiptoken={found[PAGE - 1].subscription_id}"
    return Reply(body={**body, "value": [_entity(each) for each in found[:PAGE]]})


async def get_subscription(call: Call) -> Reply:
    """GET /subscriptions/{subscription}."""
    found = await call.services.store.read(lambda tx: _owned(tx, call))
    return Reply(body={"@odata.context": _context(call), **_entity(found)})


async def update_subscription(call: Call) -> Reply:
    """PATCH /subscriptions/{subscription}: another end, another URL, or both."""
    members = json_members(call)
    given = members.get("expirationdatetime")
    url = read_string(members.get("notificationurl"), "notificationUrl")
    if given is None and not url:
        raise BadRequest(
            "expirationDateTime or notificationUrl must be provided to update a subscription.", INVALID
        )
    expires_at = None if given is None else read_expiry(call, given)
    before = await call.services.store.read(lambda tx: _owned(tx, call))
    _check_access(call, before)
    if url:
        await _validate(call, url)

    def change(tx: Tx) -> Subscription | NotFound:
        try:
            found = _owned(tx, call)
        except NotFound as error:
            return error
        now = call.services.clock.now()
        if expires_at is not None:
            found = subscriptions.renewed(found, expires_at, now, requester_of(call.principal).permissions)
            feeds.renew(tx, found.bucket, found.subscription_id, _reminder(found.expires_at, now))
        if url:
            found = replace(found, terms=replace(found.terms, url=url))
            feeds.move(tx, found.bucket, found.subscription_id, url)
        subscriptions.change(tx, found)
        return found

    changed = await call.services.store.write(change)
    if isinstance(changed, NotFound):
        raise changed
    call.services.notifier.wake()
    return Reply(body={"@odata.context": _context(call), **_entity(changed)})


async def delete_subscription(call: Call) -> Reply:
    """DELETE /subscriptions/{subscription}: 204, and nothing more is sent."""

    def remove(tx: Tx) -> NotFound | None:
        try:
            subscriptions.remove(tx, _owned(tx, call).subscription_id)
        except NotFound as error:
            return error
        return None

    if refusal := await call.services.store.write(remove):
        raise refusal
    return Reply(204)


async def reauthorize(call: Call) -> Reply:
    """POST /subscriptions/{subscription}/reauthorize: 204; the owner still may read the mailbox."""
    found = await call.services.store.read(lambda tx: _owned(tx, call))
    _check_access(call, found)
    await call.services.store.write(lambda tx: feeds.renew(tx, found.bucket, found.subscription_id, NEVER))
    return Reply(204)


def _owned(tx: Tx, call: Call) -> Subscription:
    """The subscription in the path, if it is the caller's and not over."""
    found = subscriptions.get(tx, call.captures["subscription"].lower())
    if (
        found is None
        or found.state != ACTIVE
        or found.expires_at <= call.services.clock.now()
        or (found.client_id, found.object_id) != (call.principal.client_id, call.principal.object_id)
    ):
        raise NotFound("The object was not found.", "ResourceNotFound")
    return found


def _check_access(call: Call, subscription: Subscription) -> None:
    """The caller may still act in the mailbox; its permission was looked at with the route."""
    box = call.services.directory().by_id.get(subscription.mailbox_id)
    if box is None:
        raise NotFound("The object was not found.", "ResourceNotFound")
    find_mailbox(call.principal, call.services.directory(), box.object_id, OWN_LIST)


def _check_room(tx: Tx, call: Call, target: Target) -> None:
    """The folder is there, and the mailbox has room for one more subscription."""
    if target.folder_id:
        folder_at(tx, target.box, target.folder_id)
    most = call.services.notifier.settings.subscriptions_per_mailbox
    if subscriptions.count(tx, target.box.mailbox_id, call.services.clock.now()) >= most:
        raise AccessDenied(
            f"Mailbox '{target.box.object_id}' has reached its limit of '{most}' subscriptions.",
            "ExtensionError",
        )


async def _validate(call: Call, url: str, lifecycle_url: str = "") -> None:
    handshake = call.services.notifier.handshake
    await handshake.validate(url, "notificationUrl")
    if lifecycle_url and lifecycle_url != url:
        await handshake.validate(lifecycle_url, "lifecycleNotificationUrl")


def _subscription(call: Call, wanted: Wanted, target: Target) -> Subscription:
    principal = call.principal
    return Subscription(
        subscription_id=subscriptions.new_id(target.box.mailbox_id),
        mailbox_id=target.box.mailbox_id,
        folder_id=target.folder_id,
        client_id=principal.client_id,
        object_id=principal.object_id,
        expires_at=wanted.expires_at,
        terms=Terms(
            kind=principal.kind,
            changes=wanted.changes,
            url=wanted.url,
            lifecycle_url=wanted.lifecycle_url,
            resource=wanted.resource,
            client_state=wanted.client_state,
            filter=target.filter,
            version=call.version,
            tls=wanted.tls,
            immutable=read_preferences(call.headers).immutable_ids,
            created_at=call.services.clock.now(),
            permissions=requester_of(principal).permissions,
        ),
    )


def _feeds(subscription: Subscription, latest: int, now: Instant) -> list[Feed]:
    mark = changes.after(latest)
    first = Feed(
        bucket=subscription.bucket,
        subscription_id=subscription.subscription_id,
        channel=feeds.CHANGES,
        mailbox_id=subscription.mailbox_id,
        folder_id=subscription.folder_id,
        url=subscription.terms.url,
        changed=mark.changed,
        message_id=mark.message_id,
        began=mark.changed,
        remind_at=NEVER,
    )
    if not subscription.terms.lifecycle_url:
        return [first]
    remind_at = _reminder(subscription.expires_at, now)
    url = subscription.terms.lifecycle_url
    return [first, replace(first, channel=feeds.LIFECYCLE, url=url, remind_at=remind_at)]


def _reminder(expires_at: Instant, now: Instant) -> Instant:
    return expires_at - min(REMIND_SECONDS * SECOND, (expires_at - now) // 4)


def _context(call: Call) -> str:
    return context(call, "subscriptions", single=True)


def _entity(subscription: Subscription) -> dict[str, Any]:
    """The entity, without its secret."""
    terms = subscription.terms
    return {
        "id": subscription.subscription_id,
        "resource": terms.resource,
        "applicationId": subscription.client_id,
        "changeType": ",".join(terms.changes),
        "clientState": None,
        "notificationUrl": terms.url,
        "notificationQueryOptions": None,
        "lifecycleNotificationUrl": terms.lifecycle_url or None,
        "expirationDateTime": moment_text(subscription.expires_at),
        "creatorId": subscription.object_id,
        "includeResourceData": None,
        "latestSupportedTlsVersion": terms.tls,
        "encryptionCertificate": None,
        "encryptionCertificateId": None,
        "notificationUrlAppId": None,
    }


def moment_text(instant: Instant) -> str:
    """The instant to the microsecond: clients compare it with what they asked for."""
    fraction = instant % SECOND
    return f"{to_text(instant)[:-1]}.{fraction:06}Z" if fraction else to_text(instant)
