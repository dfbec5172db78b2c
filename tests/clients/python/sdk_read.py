"""msgraph-sdk: print the message of a subject as it is in a folder, attachments and MIME included.

python sdk_read.py SUBJECT MAILBOX FOLDER MIME-FILE
"""

import asyncio
import hashlib
import json
import sys
from pathlib import Path

from connecting import client_of
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.users.item.mail_folders.item.messages.messages_request_builder import (
    MessagesRequestBuilder,
)
from msgraph.generated.users.item.messages.item.message_item_request_builder import MessageItemRequestBuilder

FIELDS = [
    *("subject", "body", "from", "sender", "toRecipients", "ccRecipients", "bccRecipients", "replyTo"),
    *("importance", "isReadReceiptRequested", "isDeliveryReceiptRequested", "hasAttachments", "isRead"),
    *("internetMessageHeaders", "internetMessageId", "isDraft"),
]


def people(recipients):
    return [[each.email_address.name, each.email_address.address] for each in recipients or []]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


async def find(user, folder, subject):
    """The messages with this subject, newest first."""
    query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(
        filter="subject eq '{}'".format(subject.replace("'", "''")),
        orderby=["receivedDateTime desc"],
        select=["id", "subject"],
        top=5,
        count=True,
    )
    page = await user.mail_folders.by_mail_folder_id(folder).messages.get(
        RequestConfiguration(query_parameters=query)
    )
    assert page.odata_count == len(page.value)
    return page.value


async def attachment_of(message, base, attachment):
    """One attachment, its content read in both ways."""
    raw = await message.content.with_url(f"{base}/attachments/{attachment.id}/$value").get()
    return {
        "class": type(attachment).__name__,
        "name": attachment.name,
        "type": attachment.content_type,
        "inline": attachment.is_inline,
        "content_id": attachment.content_id,
        "sha256": sha256(attachment.content_bytes),
        "raw_sha256": sha256(raw),
    }


async def main(subject, mailbox, folder, mime_file):
    client = client_of()
    user = client.users.by_user_id(mailbox)
    found = await find(user, folder, subject)
    if not found:
        print(json.dumps(None))
        return
    (item,) = found
    one = user.messages.by_message_id(item.id)
    query = MessageItemRequestBuilder.MessageItemRequestBuilderGetQueryParameters(select=FIELDS)
    message = await one.get(RequestConfiguration(query_parameters=query))
    mime_file.write_bytes(await one.content.get())
    base = f"{client.request_adapter.base_url}/users/{mailbox}/messages/{item.id}"
    attachments = (await one.attachments.get()).value
    seen = {
        "subject": message.subject,
        "kind": message.body.content_type.value,
        "body": message.body.content,
        "from": people([message.from_]),
        "sender": people([message.sender]),
        "to": people(message.to_recipients),
        "cc": people(message.cc_recipients),
        "bcc": people(message.bcc_recipients),
        "reply_to": people(message.reply_to),
        "importance": message.importance.value,
        "read_receipt": message.is_read_receipt_requested,
        "delivery_receipt": message.is_delivery_receipt_requested,
        "is_draft": message.is_draft,
        "has_attachments": message.has_attachments,
        "headers": [[each.name, each.value] for each in message.internet_message_headers or []],
        "message_id": message.internet_message_id,
        "attachments": [await attachment_of(one, base, each) for each in attachments],
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
