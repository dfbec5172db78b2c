"""Messages and deliveries to put into a store; only what a test says differs."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from graphpost.mail.mailbox import INBOX
from graphpost.mail.message import Address, Attachment, Body, Item, Message
from graphpost.store.mailbox.uploads import Upload
from graphpost.store.notifications.feeds import Feed
from graphpost.store.notifications.subscriptions import Subscription, Terms
from graphpost.store.queue.deliveries import Delivery, Recipient

ADELE = Address("AdeleV@contoso.test", "Adele Vance")
MESSAGE = Message(
    subject="Meet for lunch?",
    body=Body("The new cafeteria is open.", "text"),
    from_=ADELE,
    sender=ADELE,
    to=(Address("fannyd@contoso.test"),),
    internet_message_id="<1@contoso.test>",
)


def item(message_id: int = 1, mailbox_id: int = 7, folder_id: int = INBOX, **changes: Any) -> Item:
    """Fields of the item, and of its message, by name."""
    ours = {name: changes.pop(name) for name in list(changes) if name in Message.__struct_fields__}
    message = replace(MESSAGE, **ours)
    values: dict[str, Any] = {"received_at": message_id, "conversation_id": bytes(16), **changes}
    return Item(mailbox_id=mailbox_id, message_id=message_id, folder_id=folder_id, message=message, **values)


def delivery(message_id: int = 1, mailbox_id: int = 7, **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "position": 0,
        "destination": "smtp://relay.test:25",
        "due_at": 100,
        "created_at": 100,
        "expires_at": 1000,
        "sender": ADELE.address,
        "recipients": (Recipient("fannyd@contoso.test"),),
        **changes,
    }
    return Delivery(mailbox_id=mailbox_id, message_id=message_id, **values)


def upload(upload_id: int = 1, mailbox_id: int = 7, **changes: Any) -> Upload:
    values: dict[str, Any] = {
        "message_id": 1,
        "token_hash": "0" * 64,
        "total": 10,
        "expires_at": 1000,
        "attachment": Attachment(attachment_id=5, name="a.bin", size=10),
        **changes,
    }
    return Upload(mailbox_id=mailbox_id, upload_id=upload_id, **values)


TERMS = Terms(
    kind="user",
    changes=("created", "updated", "deleted"),
    url="https://hooks.test/",
    lifecycle_url="",
    resource="me/messages",
    client_state="state",
    filter="",
    version="v1.0",
    tls="v1_2",
    immutable=False,
    created_at=0,
)


def subscription(number: int = 1, mailbox_id: int = 7, **changes: Any) -> Subscription:
    """Fields of the subscription, and of its terms, by name."""
    ours = {name: changes.pop(name) for name in list(changes) if name in Terms.__struct_fields__}
    values: dict[str, Any] = {
        "folder_id": 0,
        "client_id": "app",
        "object_id": "owner",
        "expires_at": 1000,
        "terms": replace(TERMS, **ours),
        **changes,
    }
    return Subscription(subscription_id=_subscription_id(number, mailbox_id), mailbox_id=mailbox_id, **values)


def feed(number: int = 1, mailbox_id: int = 7, **changes: Any) -> Feed:
    values: dict[str, Any] = {"channel": 0, "folder_id": 0, "url": "https://hooks.test/", **changes}
    subscription_id = _subscription_id(number, mailbox_id)
    return Feed(bucket=mailbox_id % 16, subscription_id=subscription_id, mailbox_id=mailbox_id, **values)


def _subscription_id(number: int, mailbox_id: int) -> str:
    return f"{mailbox_id % 16:x}0000000-0000-4000-8000-{number:012}"
