"""msgraph-sdk: make, rename, move, copy and delete folders; print what there was in between.

python sdk_folders.py MAILBOX
"""

import asyncio
import json
import sys

from connecting import client_of
from kiota_abstractions.api_error import APIError
from msgraph.generated.models.mail_folder import MailFolder
from msgraph.generated.users.item.mail_folders.item.copy.copy_post_request_body import CopyPostRequestBody
from msgraph.generated.users.item.mail_folders.item.move.move_post_request_body import MovePostRequestBody


async def names(folders):
    return [each.display_name for each in (await folders.get()).value]


async def refused(asking):
    """Status and code of what is not done."""
    try:
        await asking
    except APIError as error:
        return [error.response_status_code, error.error.code]
    return None


async def main(mailbox):
    folders = client_of().users.by_user_id(mailbox).mail_folders
    top = await folders.post(MailFolder(display_name="Projects", is_hidden=False))
    projects = folders.by_mail_folder_id(top.id)
    inner = await projects.child_folders.post(MailFolder(display_name="2026"))
    place = folders.by_mail_folder_id(inner.id)
    renamed = await place.patch(MailFolder(display_name="This year"))
    seen = {
        "renamed": renamed.display_name,
        "children": await names(projects.child_folders),
        "twice": await refused(folders.post(MailFolder(display_name="PROJECTS"))),
        "inbox": await refused(folders.by_mail_folder_id("inbox").delete()),
    }
    copy = await projects.copy.post(CopyPostRequestBody(destination_id="archive"))
    seen["copied"] = [copy.display_name, copy.child_folder_count, copy.id != top.id]
    moved = await place.move.post(MovePostRequestBody(destination_id="inbox"))
    seen["moved"] = [moved.parent_folder_id == (await folders.by_mail_folder_id("inbox").get()).id]
    seen["left"] = (await projects.get()).child_folder_count
    await projects.delete()
    await folders.by_mail_folder_id(moved.id).permanent_delete.post()
    await folders.by_mail_folder_id(copy.id).delete()
    seen["deleted"] = await names(folders.by_mail_folder_id("deleteditems").child_folders)
    seen["gone"] = await refused(place.get())
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
