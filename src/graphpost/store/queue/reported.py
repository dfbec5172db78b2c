"""What incoming reports said of recipients: shown, and never acted upon.

A row is of a message and a recipient (in lower case), and what says more replaces what says less: a message that was read
is not merely delivered any more.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.mailbox import SENT_ITEMS
from graphpost.mail.returned import State
from graphpost.store.queue.deliveries import bucket_of
from graphpost.store.store import Tx

_RANKS: Final[dict[State, int]] = {  # the numbers are in the database
    "delayed": 1,
    "relayed": 2,
    "expanded": 3,
    "delivered": 4,
    "bounced": 5,
    "processed": 6,
    "deleted": 7,
    "read": 8,
}
_STATES: Final = {rank: state for state, rank in _RANKS.items()}
_NEWEST: Final = 1000  # messages in Sent Items that are looked through
_NOTE: Final = (
    "INSERT INTO reported (bucket, message_id, recipient, state, reported_at, document) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (bucket, message_id, recipient) DO UPDATE SET state = excluded.state,"
    " reported_at = excluded.reported_at, document = excluded.document WHERE reported.state < excluded.state"
)
_SENT: Final = (
    "SELECT message_id FROM (SELECT message_id, internet_message_id FROM messages"
    " WHERE mailbox_id = ? AND folder_id = ? ORDER BY received_at DESC, message_id DESC LIMIT ?) AS sent"
    " WHERE internet_message_id = ? LIMIT 1"
)


class Reported(Struct, frozen=True):
    """`text` are the words of who reported; `status` RFC 3463's, '' when none was given."""

    recipient: str
    state: State
    at: Instant
    status: str = ""
    text: str = ""


class _Document(Struct, frozen=True, array_like=True):
    status: str
    text: str


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Document).decode


def note(tx: Tx, mailbox_id: int, message_id: int, found: Reported) -> bool:
    """Keep what was said of a recipient, when it says more than what is known; whether it did."""
    document = _encode(_Document(found.status, found.text))
    key = (bucket_of(mailbox_id), message_id, found.recipient.lower())
    return tx.execute(_NOTE, (*key, _RANKS[found.state], found.at, document)) == 1


def of_message(tx: Tx, mailbox_id: int, message_id: int) -> dict[str, Reported]:
    """What was said of a message's recipients, by their addresses in lower case."""
    rows = tx.all(
        "SELECT recipient, state, reported_at, document FROM reported WHERE bucket = ? AND message_id = ?",
        (bucket_of(mailbox_id), message_id),
    )
    found = {}
    for recipient, state, at, document in rows:
        said = _decode(document)
        found[recipient] = Reported(recipient, _STATES[state], at, said.status, said.text)
    return found


def find_sent(tx: Tx, mailbox_id: int, internet_message_id: str) -> int | None:
    """The number of a message in Sent Items by its Message-ID, among the newest."""
    row = tx.one(_SENT, (mailbox_id, SENT_ITEMS, _NEWEST, internet_message_id.casefold()))
    return row[0] if row else None


def prune(tx: Tx, bucket: int) -> int:
    """Forget what was said of messages that the queue knows nothing of any more; how many rows."""
    return tx.execute(
        "DELETE FROM reported WHERE bucket = ? AND NOT EXISTS (SELECT 1 FROM deliveries d"
        " WHERE d.bucket = ? AND d.message_id = reported.message_id)",
        (bucket, bucket),
    )
