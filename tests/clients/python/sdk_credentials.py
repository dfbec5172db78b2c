"""msgraph-sdk: a short text with each kind of credential; saved nowhere.

python sdk_credentials.py SUBJECT KIND...       the subject gets the kind appended
"""

import asyncio
import inspect
import json
import sys

from connecting import client_of, credential_of, env
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody


async def send(subject, kind):
    credential = credential_of(kind)
    client = client_of(kind, credential)
    user = client.me if kind in ("device", "password") else client.users.by_user_id(env["MAILBOX"])
    message = Message(
        subject=f"{subject} {kind}",
        body=ItemBody(content_type=BodyType.Text, content=f"Grüße,\r\n.\r\n.von {kind}\r\n"),
        to_recipients=[Recipient(email_address=EmailAddress(address="zoe@remote.example"))],
    )
    await user.send_mail.post(SendMailPostRequestBody(message=message, save_to_sent_items=False))
    closing = credential.close()
    if inspect.isawaitable(closing):
        await closing


async def main(subject, *kinds):
    for kind in kinds:
        await send(subject, kind)
    print(json.dumps("done"))


asyncio.run(main(*sys.argv[1:]))
