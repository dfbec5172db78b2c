"""msgraph-sdk: many messages through one client, all at once or so many at a time.

python sdk_many.py SUBJECT COUNT [AT_A_TIME]       the subject gets the number appended
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


async def main(subject, count, at_a_time):
    send_mail = client_of().users.by_user_id(env["MAILBOX"]).send_mail

    def body(number):
        message = Message(
            subject=f"{subject} {number}",
            body=ItemBody(content_type=BodyType.Text, content=f"Number {number}."),
            to_recipients=[Recipient(email_address=EmailAddress(address=f"zoe+{number}@remote.example"))],
        )
        return SendMailPostRequestBody(message=message, save_to_sent_items=False)

    numbers = iter(range(count))

    async def work():
        for number in numbers:
            await send_mail.post(body(number))

    await asyncio.gather(*(work() for _ in range(at_a_time)))
    print(json.dumps("done"))


many = int(sys.argv[2])
asyncio.run(main(sys.argv[1], many, int(sys.argv[3]) if len(sys.argv) > 3 else many))
