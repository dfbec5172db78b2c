"""Change notifications as Graph words them, and who may still have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from graphpost.auth.access import Permission, Principal
from graphpost.errors import GraphError
from graphpost.graph.notifications.subscribing import Place, filter_of
from graphpost.graph.notifications.subscriptions import moment_text
from graphpost.graph.render import etag
from graphpost.ids import message_id_text
from graphpost.mail.mailbox import Directory
from graphpost.mail.message import Item
from graphpost.odata.errors import ODataError
from graphpost.store.mailbox import messages
from graphpost.store.mailbox.changes import Change
from graphpost.store.notifications import feeds
from graphpost.store.notifications.subscriptions import Subscription
from graphpost.store.store import Tx

Notification = dict[str, Any]
EVENTS: Final = {
    feeds.MISSED: "missed",
    feeds.REAUTHORIZE: "reauthorizationRequired",
    feeds.GONE: "subscriptionRemoved",
}


class GraphWording:
    """Knows the directory, for the names of mailboxes and the rights of owners."""

    def __init__(self, directory: Callable[[], Directory], tenant_id: str, permission: Permission) -> None:
        self._directory = directory
        self._tenant_id = tenant_id
        self._permission = permission

    def may_read(self, subscription: Subscription) -> bool:
        """Whether application, user and mailbox are there and enabled, and the application may read mail.

        What another issuer permitted is as it was when the subscription was made, or renewed.
        """
        directory = self._directory()
        box = directory.by_id.get(subscription.mailbox_id)
        application = directory.applications.get(subscription.client_id.casefold())
        if box is None or not box.enabled or application is None or not application.enabled:
            return False
        terms, wanted = subscription.terms, self._permission
        if terms.kind == "user":
            is_own = box.object_id.lower() == subscription.object_id.lower() and box.can_sign_in
            granted = terms.permissions or application.delegated_permissions
            return is_own and not set(wanted.delegated).isdisjoint(granted)
        granted = terms.permissions or application.application_permissions
        return not directory.usable(application, box, granted).isdisjoint(wanted.application)

    def matching(self, tx: Tx, subscription: Subscription, items: Sequence[Item]) -> set[int]:
        """Which of the messages meet the resource's `$filter`, by their numbers."""
        numbers = [item.message_id for item in items]
        if not subscription.terms.filter:
            return set(numbers)
        box = self._directory().by_id[subscription.mailbox_id]
        place = Place(subscription.terms.version, box, _reader(subscription, self._permission))
        try:
            asked = filter_of(subscription.terms.filter, place)
            if asked.where is not None:
                numbers = list(messages.matching(tx, box.mailbox_id, numbers, asked.where))
            flags = [messages.matching(tx, box.mailbox_id, numbers, flag) for flag in asked.flags]
            return {
                item.message_id
                for item in items
                if item.message_id in numbers
                and asked.holds(item.message, [item.message_id in flag for flag in flags])
            }
        except (GraphError, ODataError):  # it could be asked when the subscription was made
            return set()

    def change(self, subscription: Subscription, change: Change) -> Notification:
        """A changeNotification of a message that changed."""
        user = self._directory().by_id[subscription.mailbox_id].object_id.lower()
        number = message_id_text(
            user, change.message_id, change.moves, immutable=subscription.terms.immutable
        )
        place = f"Users/{user}/Messages/{number}"
        data = {"@odata.type": "#Microsoft.Graph.Message", "@odata.id": place}
        if change.item is not None:
            data["@odata.etag"] = etag(change.message_id, change.item.version)
        return {
            **self._head(subscription),
            "changeType": change.kind,
            "resource": place,
            "resourceData": {**data, "id": number},
        }

    def event(self, subscription: Subscription, event: int) -> Notification:
        """A changeNotification of what became of the subscription."""
        return {**self._head(subscription), "lifecycleEvent": EVENTS[event]}

    def _head(self, subscription: Subscription) -> Notification:
        terms = subscription.terms
        return {
            "subscriptionId": subscription.subscription_id,
            "subscriptionExpirationDateTime": moment_text(subscription.expires_at),
            "clientState": terms.client_state or None,
            "tenantId": self._tenant_id,
        }


def _reader(subscription: Subscription, permission: Permission) -> Principal:
    """Who may read all: what the owner may ask for was looked at when the subscription was made."""
    return Principal(
        kind=subscription.terms.kind,
        tenant_id="",
        object_id=subscription.object_id,
        client_id=subscription.client_id,
        permissions=frozenset(permission.delegated),
    )
