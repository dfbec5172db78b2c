"""msgraph-sdk: a large file attached to a draft with LargeFileUploadTask.

python sdk_upload.py MESSAGE_ID FILE SLICE...      a size of slices for each upload; 0: the SDK's own
"""

import asyncio
import json
import sys
from pathlib import Path

from connecting import client_of, env
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.users.item.messages.item.attachments.create_upload_session import (
    create_upload_session_post_request_body as request,
)
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask


async def main(message, path, sizes):
    client = client_of()
    attachments = client.users.by_user_id(env["MAILBOX"]).messages.by_message_id(message).attachments
    told = []
    for number, size in enumerate(sizes):
        item = AttachmentItem(
            attachment_type=AttachmentType.File, name=f"{number} {path.name}", size=path.stat().st_size
        )
        body = request.CreateUploadSessionPostRequestBody(attachment_item=item)
        session = await attachments.create_upload_session.post(body)
        with path.open("rb") as stream:
            options = {"max_chunk_size": size} if size else {}
            task = LargeFileUploadTask(session, client.request_adapter, stream, **options)
            progress = []
            await task.upload(progress.append)
        told.append(len(progress))
    print(json.dumps(told))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), [int(size) for size in sys.argv[3:]]))
