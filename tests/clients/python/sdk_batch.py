"""msgraph-sdk: a letter, a look at the user and a refusal, all in one batch.

python sdk_batch.py SUBJECT
"""

import asyncio
import json
import sys

from connecting import client_of, env
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem


async def main(subject):
    client = client_of()
    user = client.users.by_user_id(env["MAILBOX"])
    recipient = Recipient(email_address=EmailAddress(address="zoe@remote.example"))
    letter = SendMailPostRequestBody(
        message=Message(subject=subject, body=ItemBody(content="Schöne Grüße"), to_recipients=[recipient])
    )
    asked = {
        "letter": user.send_mail.to_post_request_information(letter),
        "user": user.to_get_request_information(),
        "folder": user.mail_folders.by_mail_folder_id("inbox").to_get_request_information(),
        "nobody": client.users.by_user_id("nobody@contoso.test").messages.to_get_request_information(),
    }
    for name in ("user", "nobody"):  # addresses of requests that were made with the adapter are absolute
        asked[name].path_parameters["baseurl"] = client.request_adapter.base_url
    items = [BatchRequestItem(information, id=name) for name, information in asked.items()]
    for item, information in zip(items, asked.values(), strict=True):
        item.headers = {name: ", ".join(values) for name, values in information.headers.get_all().items()}
    content = BatchRequestContent({item.id: item for item in items})
    answer = await BatchRequestBuilder(client.request_adapter).post(content)
    statuses = answer.get_response_status_codes()
    print(
        json.dumps(
            {
                "absolute": sorted({item.url.startswith(env["GRAPH_URL"]) for item in items}),
                "statuses": {name: statuses[name] for name in asked},
                "typed": [
                    answer.get_response_by_id(name).headers.get("Content-Type", "").partition(";")[0]
                    for name in asked
                ],
            }
        )
    )


asyncio.run(main(sys.argv[1]))
