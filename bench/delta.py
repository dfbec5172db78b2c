"""Line 7: what a delta round costs in a mailbox of 1M messages against one of 10k.

A round without a change, the round after 100 changes, the round after 100 departures, and the first 1000 of a folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from bench.mailboxes import Box, Client, compare, filled

CHANGES = 100
DELTA = "/mailFolders/inbox/messages/delta?$select=subject,isRead"


def run() -> list[str]:
    with filled() as (client, small, large):
        boxes = (small, large)
        idle = [begun(client, box, "updated") for box in boxes]
        rows = [compared("no change", client, idle, 0)]
        changed = [begun(client, box, "updated") for box in boxes]
        for box in boxes:
            for number in range(CHANGES):
                path = box.path(f"/messages/{box.message(number * box.size // CHANGES + 3)}")
                client.ask("PATCH", path, {"isRead": False})
        rows.append(compared(f"{CHANGES} changes", client, changed, CHANGES))
        gone = [begun(client, box, "deleted") for box in boxes]
        for box in boxes:
            for number in range(CHANGES):
                path = box.path(f"/messages/{box.message(number * box.size // CHANGES + 1)}")
                client.ask("DELETE", path)
        rows.append(compared(f"{CHANGES} departures", client, gone, CHANGES))
        rows.append(compared("first page", client, [box.path(DELTA) for box in boxes], 1000))
        return rows


def begun(client: Client, box: Box, kind: str) -> str:
    """The link behind a first round, which for these kinds of change is empty."""
    answer = json.loads(client.ask("GET", box.path(f"{DELTA}&changeType={kind}")))
    parts = urlsplit(answer["@odata.deltaLink"])
    return f"{parts.path}?{parts.query}"


def compared(name: str, client: Client, links: list[str], entries: int) -> str:
    """Both links followed, after looking whether they lead to that many entries."""
    small, large = (asking(client, link) for link in links)
    for question in (small, large):
        if (told := len(json.loads(question())["value"])) != entries:
            raise RuntimeError(f"{name}: {told} entries")
    return compare(f"delta: {name}", small, large, 2.0)


def asking(client: Client, link: str) -> Callable[[], bytes]:
    return lambda: client.ask("GET", link, Prefer="odata.maxpagesize=1000")
