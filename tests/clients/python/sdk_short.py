"""msgraph-sdk: a short text to one address.

python sdk_short.py SUBJECT ADDRESS
"""

import asyncio
import json
import sys

from connecting import client_of, env
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody


async def main(subject, address):
    message = Message(
        subject=subject,
        body=ItemBody(content_type=BodyType.Text, content="Are you there?"),
        to_recipients=[Recipient(email_address=EmailAddress(address=address))],
    )
    body = SendMailPostRequestBody(message=message, save_to_sent_items=True)
    await client_of().users.by_user_id(env["MAILBOX"]).send_mail.post(body)
    print(json.dumps("done"))


asyncio.run(main(*sys.argv[1:]))
