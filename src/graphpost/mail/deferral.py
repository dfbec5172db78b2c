"""When a message is to be sent: the properties by which it asks for a later time.

MS-OXOMSG 2.2.3: PidTagDeferredSendTime (0x3FEF) counts, else PidTagDeferredDeliveryTime (0x000F).  A number (0x3FEB) of
units (0x3FEC: minutes, hours, days, weeks) makes the send time anew, from the time of submission.  A time without a
zone is UTC.  In MIME the time is the field Deferred-Delivery (RFC 2156).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from graphpost.clock import SECOND, Instant, from_datetime, to_text
from graphpost.mail.message import ExtendedProperty, Message

SEND_TIME: Final = "SystemTime 0x3FEF"
DELIVERY_TIME: Final = "SystemTime 0xF"
SEND_NUMBER: Final = "Integer 0x3FEB"
SEND_UNITS: Final = "Integer 0x3FEC"
TIMES: Final = frozenset({SEND_TIME, DELIVERY_TIME, SEND_NUMBER, SEND_UNITS})
UNITS: Final = (60, 3600, 86_400, 604_800)  # seconds
MOST_UNITS: Final = 999
LATEST: Final = 253_402_300_799 * SECOND  # the last second of the year 9999


def is_timed(message: Message) -> bool:
    """Whether the message says anything about when it is to be sent."""
    return any(each.property_id in TIMES for each in message.extended)


def send_time(message: Message, submitted_at: Instant) -> Instant:
    """The instant at which a message that was submitted then is to be sent; 0 when it does not say."""
    if not message.extended:
        return 0
    found = {each.property_id: each.value for each in message.extended if isinstance(each.value, str)}
    wait = _wait(found.get(SEND_NUMBER, ""), found.get(SEND_UNITS, ""))
    if wait is not None:
        return min(submitted_at + wait * SECOND, LATEST)
    return _instant(found.get(SEND_TIME, "")) or _instant(found.get(DELIVERY_TIME, ""))


def settled(message: Message, submitted_at: Instant) -> Message:
    """The message with the send time that its number of units makes."""
    if not {SEND_NUMBER, SEND_UNITS} <= {each.property_id for each in message.extended}:
        return message
    time = ExtendedProperty(SEND_TIME, to_text(send_time(message, submitted_at)))
    others = (each for each in message.extended if each.property_id != SEND_TIME)
    return replace(message, extended=(*others, time))


def merged(old: Iterable[ExtendedProperty], new: Iterable[ExtendedProperty]) -> tuple[ExtendedProperty, ...]:
    """Properties with others set: each by itself, and those not named stay.

    A send time that is set takes the place of a number of units that was.
    """
    given = {each.property_id: each for each in new}
    found = {each.property_id: each for each in old}
    if SEND_TIME in given and given.keys().isdisjoint((SEND_NUMBER, SEND_UNITS)):
        found.pop(SEND_NUMBER, None)
        found.pop(SEND_UNITS, None)
    return tuple({**found, **given}.values())


def _wait(number: str, units: str) -> int | None:
    """Seconds; None unless both are there and within their bounds."""
    try:
        count, unit = int(number), int(units)
    except ValueError:
        return None
    if 0 <= count <= MOST_UNITS and 0 <= unit < len(UNITS):
        return count * UNITS[unit]
    return None


def _instant(text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    instant = from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    return max(1, min(instant, LATEST))
