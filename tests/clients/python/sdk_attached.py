"""msgraph-sdk: a message that has another one attached.

python sdk_attached.py SUBJECT PICTURE
"""

import asyncio
import json
import sys
from pathlib import Path

from connecting import client_of, env
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.item_attachment import ItemAttachment
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody


def recipient(address, name=None):
    return Recipient(email_address=EmailAddress(address=address, name=name))


def earlier(picture):
    return Message(
        subject="Frühere Nachricht",
        body=ItemBody(content_type=BodyType.Html, content="<p>früher</p>"),
        from_=recipient("zoe@remote.example", "Zoë Müller"),
        to_recipients=[recipient(env["MAILBOX"])],
        attachments=[FileAttachment(name="logo.png", content_type="image/png", content_bytes=picture)],
    )


async def main(subject, picture):
    message = Message(
        subject=subject,
        body=ItemBody(content_type=BodyType.Text, content="See the message attached."),
        to_recipients=[recipient("zoe@remote.example")],
        attachments=[ItemAttachment(name="Frühere Nachricht", item=earlier(picture))],
    )
    await (
        client_of()
        .users.by_user_id(env["MAILBOX"])
        .send_mail.post(SendMailPostRequestBody(message=message, save_to_sent_items=True))
    )
    print(json.dumps("done"))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes()))
