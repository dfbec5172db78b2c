"""msgraph-sdk: send one message with everything a message can have.

python sdk_send.py SUBJECT PICTURE FILE
"""

import asyncio
import json
import sys
from pathlib import Path

from connecting import client_of, env
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.importance import Importance
from msgraph.generated.models.internet_message_header import InternetMessageHeader
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody

HTML = '<p>Größe: <b>5&nbsp;µm</b> — 寸法</p><img src="cid:logo@contoso.test" alt="logo">'


def recipient(address, name=None):
    return Recipient(email_address=EmailAddress(address=address, name=name))


def letter(subject, picture, file):
    return Message(
        subject=subject,
        body=ItemBody(content_type=BodyType.Html, content=HTML),
        to_recipients=[
            recipient("zoe@remote.example", "Zoë Müller"),
            recipient("alex@contoso.test", "Alex Wilber"),
        ],
        cc_recipients=[recipient("sakura@remote.example", "田中さくら")],
        bcc_recipients=[recipient("archive@remote.example", "The Archive")],
        reply_to=[recipient("office@contoso.test", "Büro, Erdgeschoß")],
        importance=Importance.High,
        is_read_receipt_requested=True,
        is_delivery_receipt_requested=True,
        internet_message_headers=[
            InternetMessageHeader(name="x-order-number", value="4711"),
            InternetMessageHeader(name="x-campaign", value="spring; wave=2"),
        ],
        attachments=[
            FileAttachment(
                odata_type="#microsoft.graph.fileAttachment",
                name=picture.name,
                content_type="image/png",
                content_bytes=picture.read_bytes(),
                content_id="logo@contoso.test",
                is_inline=True,
            ),
            FileAttachment(
                odata_type="#microsoft.graph.fileAttachment",
                name=file.name,
                content_type="application/octet-stream",
                content_bytes=file.read_bytes(),
            ),
        ],
    )


async def main(subject, picture, file):
    body = SendMailPostRequestBody(message=letter(subject, picture, file), save_to_sent_items=True)
    answer = await client_of().users.by_user_id(env["MAILBOX"]).send_mail.post(body)
    print(json.dumps({"answer": answer}))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
