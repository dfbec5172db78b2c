"""msgraph-sdk: drafts found by `$search` and by filters on what no column has, page by page.

python sdk_search.py WORD
"""

import asyncio
import json
import sys

from connecting import client_of, env
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.message import Message
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator

TAG = "String {00020329-0000-0000-C000-000000000046} Name Tag"


async def drafted(user, word, number):
    message = Message(
        subject=f"Draft {number}",
        body=ItemBody(content=f"<p>Ein <b>{word}</b> mit Nummer {number}</p>", content_type=BodyType.Html),
        to_recipients=[Recipient(email_address=EmailAddress(address=f"{word}{number}@remote.example"))],
        single_value_extended_properties=[
            SingleValueLegacyExtendedProperty(id=TAG, value=f"{word}-{number}")
        ],
    )
    return await user.messages.post(message)


async def found(client, user, **options):
    """The subjects on all pages."""
    query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(select=["subject"], **options)
    page = await user.messages.get(RequestConfiguration(query_parameters=query))
    subjects = []

    def take(message):
        subjects.append(message.subject)
        return True

    await PageIterator(page, client.request_adapter).iterate(take)
    return sorted(subjects)


async def main(word):
    client = client_of()
    user = client.users.by_user_id(env["MAILBOX"])
    for number in range(5):
        await drafted(user, word, number)
    seen = {
        "word": await found(client, user, search=f'"{word.upper()}"', top=2),
        "phrase": await found(client, user, search=f'"body:\\"{word} mit nummer 3\\""'),
        "recipient": await found(client, user, search=f'"to:{word}4@remote.example OR subject:nosuch"'),
        "without": await found(client, user, search=f'"{word[:5]}* -nummer"'),
        "to": await found(
            client,
            user,
            filter=f"toRecipients/any(r:startswith(r/emailAddress/address,'{word}')) and isDraft",
            orderby=["subject desc"],
            top=2,
        ),
        "tag": await found(
            client,
            user,
            filter=f"singleValueExtendedProperties/Any(ep: ep/id eq '{TAG}' and ep/value eq '{word}-2')",
        ),
    }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
