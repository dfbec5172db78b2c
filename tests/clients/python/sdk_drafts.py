"""msgraph-sdk: a draft's life, from making to deleting for good, by immutable ids.

python sdk_drafts.py SUBJECT
"""

import asyncio
import json
import sys

from connecting import client_of, env
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.followup_flag import FollowupFlag
from msgraph.generated.models.followup_flag_status import FollowupFlagStatus
from msgraph.generated.models.importance import Importance
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.messages.item.copy.copy_post_request_body import CopyPostRequestBody
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody


def asking(**headers):
    configuration = RequestConfiguration()
    for name, value in headers.items():
        configuration.headers.add(name.replace("_", "-"), value)
    return configuration


async def refusal(request):
    try:
        await request
    except ODataError as error:
        return [error.response_status_code, error.error.code]
    return []


async def main(subject):
    immutable = asking(Prefer='IdType="ImmutableId"')
    user = client_of().users.by_user_id(env["MAILBOX"])
    recipient = Recipient(email_address=EmailAddress(address="zoe@remote.example", name="Zoë Müller"))
    draft = await user.messages.post(Message(subject="Not yet", to_recipients=[recipient]), immutable)
    here = user.messages.by_message_id(draft.id)
    text = ItemBody(content_type=BodyType.Html, content="<p>Schöne <b>Grüße</b></p>")
    changed = await here.patch(
        Message(subject=subject, body=text, importance=Importance.High, categories=["Red"]), immutable
    )
    stale = await refusal(
        here.patch(Message(subject="Late"), asking(If_Match=draft.additional_data["@odata.etag"]))
    )
    copy = await here.copy.post(CopyPostRequestBody(destination_id="archive"), immutable)
    moved = await here.move.post(MovePostRequestBody(destination_id="Inbox"), immutable)
    await here.send.post()
    sent = await here.get(immutable)
    flagged = await here.patch(
        Message(flag=FollowupFlag(flag_status=FollowupFlagStatus.Flagged), is_read=False)
    )
    again = await refusal(here.send.post())
    protected = await refusal(here.patch(Message(subject="Forged")))
    await here.permanent_delete.post()
    await user.messages.by_message_id(copy.id).delete()
    print(
        json.dumps(
            {
                "ids": len({draft.id, changed.id, moved.id, sent.id}),
                "copied": copy.id != draft.id and copy.is_draft,
                "states": [draft.is_draft, changed.is_draft, moved.is_draft, sent.is_draft],
                "changed": [
                    changed.subject,
                    changed.body_preview,
                    changed.importance.value,
                    changed.categories,
                ],
                "message_ids": len({draft.internet_message_id, sent.internet_message_id}),
                "flagged": [flagged.flag.flag_status.value, flagged.is_read],
                "refused": [stale, again, protected, await refusal(here.get())],
            }
        )
    )


asyncio.run(main(sys.argv[1]))
