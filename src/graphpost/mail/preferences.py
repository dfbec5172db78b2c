"""What a mailbox keeps beside its mail: settings, categories, who is focused.

Plain values; a stored one is the MessagePack of its Struct.  Fields may be added at the end with a default; none is
renamed or given another meaning.  Rules are in `mail.rules`.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from graphpost.clock import Instant
from graphpost.mail.message import Address, Inference, ZonedTime

ReplyStatus = Literal["disabled", "alwaysEnabled", "scheduled"]
Audience = Literal["none", "contactsOnly", "all"]
MeetingDelivery = Literal[
    "sendToDelegateAndInformationToPrincipal", "sendToDelegateAndPrincipal", "sendToDelegateOnly"
]
WEEK: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


class Category(Struct, frozen=True):
    """A name that items can be given, and the colour it is shown in (`none`, `preset0` … `preset24`)."""

    name: str
    color: str = "none"


class SenderOverride(Struct, frozen=True):
    """Mail from this sender is always focused, or always other."""

    sender: Address
    classify_as: Inference


class AutomaticReplies(Struct, frozen=True, omit_defaults=True):
    """What is answered while somebody is away; `start` and `end` count when the status is `scheduled`."""

    status: ReplyStatus = "disabled"
    audience: Audience = "none"
    internal: str = ""
    external: str = ""
    start: ZonedTime | None = None
    end: ZonedTime | None = None


class Answered(Struct, frozen=True, omit_defaults=True):
    """Somebody who was sent an automatic reply, and when."""

    at: Instant = 0


class WorkingHours(Struct, frozen=True, omit_defaults=True):
    """Times are `HH:MM:SS.fffffff`."""

    days: tuple[str, ...] = WEEK[1:6]
    start: str = "08:00:00.0000000"
    end: str = "17:00:00.0000000"
    time_zone: str = "UTC"


class PersonalSettings(Struct, frozen=True, omit_defaults=True):
    """How a person wants to see things.  They are kept for clients; nothing is written in another form for them."""

    time_zone: str = "UTC"
    locale: str = "en-US"
    date_format: str = "M/d/yyyy"
    time_format: str = "h:mm tt"
    working_hours: WorkingHours = WorkingHours()
    automatic_replies: AutomaticReplies = AutomaticReplies()
    meeting_delivery: MeetingDelivery = "sendToDelegateOnly"
