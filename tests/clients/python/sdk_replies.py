"""msgraph-sdk: a letter answered by a draft, at once and to everybody, and passed on.

python sdk_replies.py SUBJECT
"""

import asyncio
import json
import sys

from connecting import client_of, env
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.importance import Importance
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.messages.item.create_forward.create_forward_post_request_body import (
    CreateForwardPostRequestBody,
)
from msgraph.generated.users.item.messages.item.create_reply.create_reply_post_request_body import (
    CreateReplyPostRequestBody,
)
from msgraph.generated.users.item.messages.item.forward.forward_post_request_body import (
    ForwardPostRequestBody,
)
from msgraph.generated.users.item.messages.item.reply.reply_post_request_body import ReplyPostRequestBody
from msgraph.generated.users.item.messages.item.reply_all.reply_all_post_request_body import (
    ReplyAllPostRequestBody,
)


def person(address):
    return Recipient(email_address=EmailAddress(address=address))


async def main(subject):
    user = client_of().users.by_user_id(env["MAILBOX"])
    letter = await user.messages.post(
        Message(
            subject=subject,
            body=ItemBody(content_type=BodyType.Html, content="<p>Suppe?</p>"),
            to_recipients=[person("zoe@remote.example")],
            cc_recipients=[person("sakura@remote.example")],
            reply_to=[person("office@remote.example")],
            attachments=[FileAttachment(name="größe.txt", content_bytes="fünf\n".encode())],
        )
    )
    original = user.messages.by_message_id(letter.id)
    asking = RequestConfiguration()
    asking.headers.add("Prefer", 'outlook.timezone="W. Europe Standard Time"')
    draft = await original.create_reply.post(CreateReplyPostRequestBody(comment="Entwurf"), asking)
    here = user.messages.by_message_id(draft.id)
    changed = await here.patch(Message(importance=Importance.High, subject=f"{draft.subject} draft"))
    await here.send.post()
    await original.reply.post(
        ReplyPostRequestBody(comment="Ja, gern", message=Message(subject=f"RE: {subject} reply"))
    )
    await original.reply_all.post(
        ReplyAllPostRequestBody(comment="Ja", message=Message(subject=f"RE: {subject} all"))
    )
    await original.forward.post(
        ForwardPostRequestBody(comment="Siehe", to_recipients=[person("archive@remote.example")])
    )
    passed = await original.create_forward.post(CreateForwardPostRequestBody())
    try:
        await original.reply.post(
            ReplyPostRequestBody(comment="a", message=Message(body=ItemBody(content="b")))
        )
        refused = None
    except ODataError as error:
        refused = error.response_status_code
    await user.messages.by_message_id(passed.id).permanent_delete.post()
    await original.permanent_delete.post()
    print(
        json.dumps(
            {
                "draft": [draft.is_draft, draft.subject, draft.to_recipients[0].email_address.address],
                "conversations": len(
                    {letter.conversation_id, draft.conversation_id, changed.conversation_id}
                ),
                "quoted": ["divRplyFwdMsg" in draft.body.content, "Suppe?" in draft.body.content],
                "passed": [passed.subject, passed.has_attachments, passed.to_recipients],
                "refused": refused,
                "message_id": letter.internet_message_id,
            }
        )
    )


asyncio.run(main(sys.argv[1]))
