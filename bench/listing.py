"""Line 5: reading a mailbox of 1M messages against one of 10k.

The newest, one message, counts, and filters by date, sender and isRead, of the Inbox and of the whole mailbox.  What is
filtered by sender or isRead matches 50 messages that are spread over all, which is the worst that can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.mailboxes import Box, Client, compare, filled

_SHORT = "&$select=subject,from,receivedDateTime,isRead"
QUESTIONS = {
    "newest 50 of the Inbox": "/mailFolders/inbox/messages?$top=50",
    "newest 50 of all": "/messages?$top=50",
    "one message": "/messages/{message}",
    "the Inbox": "/mailFolders/inbox",
    "count of the Inbox": "/mailFolders/inbox/messages/$count",
    "unread, counted": "/mailFolders/inbox/messages/$count?$filter=isRead eq false",
    "by date, Inbox": "/mailFolders/inbox/messages?$top=50&$filter=receivedDateTime ge {middle}",
    "by date, all": "/messages?$top=50&$filter=receivedDateTime ge {middle}&$orderby=receivedDateTime desc",
    "by a frequent sender": "/mailFolders/inbox/messages?$top=50&$filter=from/emailAddress/address eq 'sender7@example.org'",
    "by a rare sender, Inbox": "/mailFolders/inbox/messages?$top=50&$filter=from/emailAddress/address eq 'rare@example.org'",
    "by a rare sender, all": "/messages?$top=50&$filter=from/emailAddress/address eq 'rare@example.org'&$orderby=receivedDateTime desc",
    "by isRead, Inbox": "/mailFolders/inbox/messages?$top=50&$filter=isRead eq false",
    "by isRead, all": "/messages?$top=50&$filter=isRead eq false&$orderby=receivedDateTime desc",
}


def run() -> list[str]:
    with filled() as (client, small, large):
        return [
            compare(f"listing: {name}", asking(client, small, path), asking(client, large, path), 2.0)
            for name, path in QUESTIONS.items()
        ]


def asking(client: Client, box: Box, path: str) -> Callable[[], object]:
    """The question put to that mailbox."""
    middle = box.size // 2
    target = box.path(path.format(message=box.message(middle), middle=box.received(middle)))
    if "$filter" in path and "$count" not in path:
        target += _SHORT
    return lambda: client.ask("GET", target)
