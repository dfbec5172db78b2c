"""msgraph-sdk: subscribe to a mailbox, renew, list, reauthorize and end it; wait in between until it is told to go on.

python sdk_subscriptions.py MAILBOX URL
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

from connecting import client_of
from kiota_abstractions.api_error import APIError
from msgraph.generated.models.message import Message
from msgraph.generated.models.subscription import Subscription


async def main(mailbox, url):
    client = client_of()
    now = datetime.now(UTC)
    made = await client.subscriptions.post(
        Subscription(
            change_type="created,updated",
            notification_url=url,
            lifecycle_notification_url=url,
            resource=f"users/{mailbox}/messages",
            expiration_date_time=now + timedelta(hours=1),
            client_state="state of the SDK",
        )
    )
    place = client.subscriptions.by_subscription_id(made.id)
    renewed = await place.patch(Subscription(expiration_date_time=now + timedelta(hours=2)))
    await place.reauthorize.post()
    listed = await client.subscriptions.get()
    draft = await client.users.by_user_id(mailbox).messages.post(Message(subject="told"))
    print(f"MADE {made.id} {draft.id}", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await place.delete()
    try:
        await place.get()
    except APIError as error:
        gone = [error.response_status_code, error.error.code]
    seen = {
        "made": [made.client_state, made.change_type, made.latest_supported_tls_version],
        "renewed": (renewed.expiration_date_time - made.expiration_date_time).total_seconds(),
        "listed": [each.id == made.id and each.client_state is None for each in listed.value],
        "gone": gone,
    }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
