"""msgraph-sdk: keep a copy of a folder by delta queries; print what each round told.

python sdk_delta.py MAILBOX
"""

import asyncio
import json
import sys
from urllib.parse import quote

from connecting import client_of
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.mail_folder import MailFolder
from msgraph.generated.models.message import Message
from msgraph.generated.users.item.mail_folders.item.messages.delta.delta_request_builder import (
    DeltaRequestBuilder,
)
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody

Parameters = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters


async def round_of(delta, page):
    """What a round told, by subject (or None: removed), and the link to the next one."""
    told = []
    while True:
        for each in page.value:
            removed = each.additional_data.get("@removed")
            told.append(None if removed else each.subject)
        if page.odata_next_link is None:
            return sorted(told, key=str), page.odata_delta_link
        page = await delta.with_url(page.odata_next_link).get()


async def main(mailbox):
    user = client_of().users.by_user_id(mailbox)
    folder = await user.mail_folders.post(MailFolder(display_name="Synchronised"))
    mails = user.mail_folders.by_mail_folder_id(folder.id).messages
    made = [await mails.post(Message(subject=subject)) for subject in ("one", "two", "three")]
    parameters = Parameters(select=["subject", "isRead"], top=2)
    first = await mails.delta.get(RequestConfiguration(query_parameters=parameters))
    rounds, link = [], None
    told, link = await round_of(mails.delta, first)
    rounds.append(told)
    one, two, _ = (user.messages.by_message_id(each.id) for each in made)
    await one.patch(Message(is_read=False))
    await two.move.post(MovePostRequestBody(destination_id="archive"))
    await mails.post(Message(subject="four"))
    told, link = await round_of(mails.delta, await mails.delta.with_url(link).get())
    rounds.append(told)
    folders = user.mail_folders.delta
    page = await folders.get()
    while page.odata_delta_link is None:
        page = await folders.with_url(page.odata_next_link).get()
    await user.mail_folders.by_mail_folder_id(folder.id).patch(MailFolder(display_name="Renamed"))
    page = await folders.with_url(page.odata_delta_link).get()
    renamed = [each.display_name for each in page.value]
    try:
        other = link.replace(quote(folder.id), "inbox")
        await mails.delta.with_url(other).get()
    except APIError as error:
        refused = [error.response_status_code, error.error.code]
    print(json.dumps({"rounds": rounds, "folders": renamed, "elsewhere": refused}))


asyncio.run(main(sys.argv[1]))
