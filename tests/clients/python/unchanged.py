"""msgraph-sdk told nothing of Graphpost: graph.microsoft.com and login.microsoftonline.com lead there.

python unchanged.py SUBJECT
"""

import asyncio
import json
import os
import sys

from azure.identity import ClientSecretCredential, UsernamePasswordCredential
from msgraph import GraphServiceClient
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody

env = os.environ


def body(subject):
    message = Message(
        subject=subject,
        body=ItemBody(content_type=BodyType.Text, content="Unchanged."),
        to_recipients=[Recipient(email_address=EmailAddress(address="zoe@remote.example"))],
    )
    return SendMailPostRequestBody(message=message)


async def main(subject):
    application = ClientSecretCredential(env["TENANT_ID"], env["CLIENT_ID"], env["CLIENT_SECRET"])
    client = GraphServiceClient(application)
    await client.users.by_user_id(env["MAILBOX"]).send_mail.post(body(subject + " application"))
    user = UsernamePasswordCredential(
        env["CLIENT_ID"], env["MAILBOX"], env["USER_PASSWORD"], tenant_id=env["TENANT_ID"]
    )
    mine = GraphServiceClient(user, ["Mail.Send"])
    await mine.me.send_mail.post(body(subject + " user"))
    print(json.dumps("done"))


asyncio.run(main(sys.argv[1]))
