"""CPU of one sendMail inside `GraphApi.handle`: a 600-byte JSON body, a cached token, no submission.

Run: `python -m bench.graph [seconds] [--profile]`.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import sys
import time

from tests.graph.desk import Desk, make_request

from graphpost.graph.call import Reply, Request
from graphpost.mail.message import Item, Message

BODY = json.dumps(
    {
        "message": {
            "subject": "Invoice 4711 for September",
            "body": {"contentType": "HTML", "content": "<p>" + "The invoice is attached. " * 9 + "</p>"},
            "toRecipients": [{"emailAddress": {"address": "megan.bowen@contoso.com", "name": "Megan Bowen"}}],
            "ccRecipients": [{"emailAddress": {"address": "danas@contoso.com"}}],
            "importance": "normal",
        },
        "saveToSentItems": True,
    },
    indent=1,
).encode()


class Nowhere:
    """A submitter that lets everything go."""

    item = Item(mailbox_id=1, message_id=1, folder_id=0, message=Message())

    async def submit(self, submission: object) -> Item:
        return self.item


async def run(desk: Desk, request: Request, seconds: float) -> tuple[int, float]:
    handle, count = desk.api.handle, 0
    begun = time.process_time()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(100):
            reply: Reply = await handle(request)
        count += 100
    assert reply.status == 202, reply
    return count, time.process_time() - begun


def main() -> None:
    seconds = float(next((a for a in sys.argv[1:] if not a.startswith("-")), "1"))
    desk = Desk()
    object.__setattr__(desk.services, "submitter", Nowhere())
    request = make_request("POST", "/v1.0/me/sendMail", BODY, "user", "application/json")
    asyncio.run(run(desk, request, 0.2))
    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        profile.runcall(lambda: asyncio.run(run(desk, request, seconds)))
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    best = min(cpu / count for count, cpu in (asyncio.run(run(desk, request, seconds / 5)) for _ in range(5)))
    print(f"sendMail, {len(BODY)} bytes of JSON: {best * 1e6:.1f} µs of CPU in handle")


if __name__ == "__main__":
    main()
