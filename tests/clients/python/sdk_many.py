"""msgraph-sdk: many messages at once through one client.

python sdk_many.py SUBJECT COUNT       the subject gets the number appended
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


async def main(subject, count):
    send_mail = client_of().users.by_user_id(env["MAILBOX"]).send_mail

    def body(number):
        message = Message(
            subject=f"{subject} {number}",
            body=ItemBody(content_type=BodyType.Text, content=f"Number {number}."),
            to_recipients=[Recipient(email_address=EmailAddress(address=f"zoe+{number}@remote.example"))],
        )
        return SendMailPostRequestBody(message=message, save_to_sent_items=False)

    await asyncio.gather(*(send_mail.post(body(number)) for number in range(count)))
    print(json.dumps("done"))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
