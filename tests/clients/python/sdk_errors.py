"""msgraph-sdk: what its exceptions hold when something is refused.

python sdk_errors.py
"""

import asyncio
import json

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from connecting import WHERE, client_of, env
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody


class WornOut:
    """A credential whose token nobody signed."""

    def get_token(self, *scopes, **options):
        from azure.core.credentials import AccessToken

        return AccessToken("eyJhbGciOiJub25lIn0.e30.", 4_102_444_800)


def body(address, content=b""):
    message = Message(
        subject="Never sent",
        body=ItemBody(content_type=BodyType.Text, content="text"),
        to_recipients=[Recipient(email_address=EmailAddress(address=address))] if address else [],
        attachments=[FileAttachment(name="x.bin", content_bytes=content)] if content else None,
    )
    return SendMailPostRequestBody(message=message)


async def refused(name, call):
    try:
        await call
    except ODataError as error:
        inner = error.error.inner_error
        return name, {
            "status": error.response_status_code,
            "code": error.error.code,
            "message": error.error.message,
            "request_id": inner.request_id,
            "date": str(inner.date),
        }
    return name, None


def unauthenticated():
    tenant, client = env["TENANT_ID"], env["CLIENT_ID"]
    try:
        ClientSecretCredential(tenant, client, "wrong", **WHERE).get_token(
            "https://graph.microsoft.com/.default"
        )
    except ClientAuthenticationError as error:
        return str(error.message)


async def main():
    client = client_of()
    users = client.users
    narrow = client_of(
        credential=ClientSecretCredential(env["TENANT_ID"], env["NARROW"], env["CLIENT_SECRET"], **WHERE)
    )
    own = users.by_user_id(env["MAILBOX"])
    newest = (await own.messages.get()).value[0].id
    calls = {
        "no recipients": own.send_mail.post(body("")),
        "a bad address": own.send_mail.post(body("no address")),
        "me without a user": client.me.send_mail.post(body("zoe@remote.example")),
        "a token nobody signed": client_of(credential=WornOut())
        .users.by_user_id(env["MAILBOX"])
        .send_mail.post(body("zoe@remote.example")),
        "no permission": narrow.users.by_user_id(env["MAILBOX"]).send_mail.post(body("zoe@remote.example")),
        "too large": own.send_mail.post(body("zoe@remote.example", b"x" * 4_000_000)),
        "no such user": users.by_user_id("nobody@contoso.test").send_mail.post(body("zoe@remote.example")),
        "no such message": own.messages.by_message_id("AAMkAGEwYWI").get(),
        "a message of somebody else": users.by_user_id("alex@contoso.test")
        .messages.by_message_id(newest)
        .get(),
        "no such folder": own.mail_folders.by_mail_folder_id("AAMkAGEwYWI").get(),
        "a bad filter": own.messages.with_url(
            f"{env['GRAPH_URL']}/v1.0/users/{env['MAILBOX']}/messages?$filter=subject eq"
        ).get(),
    }
    seen = dict([await refused(name, call) for name, call in calls.items()])
    print(json.dumps({"graph": seen, "token": unauthenticated()}))


asyncio.run(main())
