"""What rules may ask of a message that arrives, worked out when it is asked.

Texts are compared without letter case.  What kind of mail it is follows from its header alone: RFC 3834 (automatic
answers), 6522 (reports), 8551 (S/MIME), 5546 (meetings), and Exchange's own marks where the world uses them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from types import MappingProxyType
from typing import Final

from graphpost.mail.address import to_wire
from graphpost.mail.contenttype import parse_parametrised
from graphpost.mail.message import Address, Message
from graphpost.mail.text import html_to_text

LOOP: Final = "X-MS-Exchange-Inbox-Rules-Loop"
"""Names a mailbox whose rule sent the message on; Exchange writes and reads it too."""

_SENSITIVITY: Final = MappingProxyType({"1": "personal", "2": "private", "3": "confidential"})
_ACTIONS: Final = MappingProxyType(
    {
        "call": "call",
        "do not forward": "doNotForward",
        "follow up": "followUp",
        "for your information": "fyi",
        "forward": "forward",
        "no response necessary": "noResponseNecessary",
        "read": "read",
        "reply": "reply",
        "reply to all": "replyToAll",
        "review": "review",
    }
)
_MARKUP: Final = 2_097_152  # characters of HTML that rules look at, and of text
_TEXT: Final = 262_144
_SMIME: Final = ("application/pkcs7-mime", "application/x-pkcs7-mime")


class Traits:
    """One message, seen from the mailbox that has these addresses; `size` in bytes."""

    def __init__(self, message: Message, size: int, own: Iterable[str]) -> None:
        self.message = message
        self.size = size
        self._own = frozenset(map(_key, own))

    # Texts

    @cached_property
    def subject(self) -> str:
        return self.message.subject.casefold()

    @cached_property
    def body(self) -> str:
        """What a reader sees of the body, as far as rules look."""
        body = self.message.body
        text = html_to_text(body.content[:_MARKUP]) if body.kind == "html" else body.content
        return text[:_TEXT].casefold()

    @cached_property
    def header(self) -> str:
        return "\n".join(f"{each.name}: {each.value}" for each in self.message.headers).casefold()

    @cached_property
    def sender(self) -> str:
        return _people((self.message.from_ or self.message.sender or Address(""),))

    @cached_property
    def recipients(self) -> str:
        return _people(self.message.to + self.message.cc)

    # People

    def is_from(self, addresses: Iterable[Address]) -> bool:
        author = self.message.from_ or self.message.sender
        return author is not None and _key(author.address) in {_key(each.address) for each in addresses}

    def is_sent_to(self, addresses: Iterable[Address]) -> bool:
        return not self._to.isdisjoint(_key(each.address) for each in addresses)

    @cached_property
    def _to(self) -> frozenset[str]:
        return frozenset(_key(each.address) for each in self.message.to + self.message.cc)

    @property
    def is_to_me(self) -> bool:
        return self._is_mine(self.message.to)

    @property
    def is_cc_me(self) -> bool:
        return self._is_mine(self.message.cc)

    @property
    def is_only_to_me(self) -> bool:
        return bool(self._to) and self._to <= self._own

    def _is_mine(self, addresses: Iterable[Address]) -> bool:
        return any(_key(each.address) in self._own for each in addresses)

    # Kinds of mail

    @cached_property
    def _fields(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in self.message.headers:
            found.setdefault(each.name.lower(), []).append(each.value.strip())
        return found

    def field(self, name: str) -> str:
        """The first field of that (lower-case) name, in lower case; '' when there is none."""
        return self._fields.get(name, [""])[0].lower()

    @cached_property
    def passed_by(self) -> tuple[str, ...]:
        """The mailboxes whose rules have sent it on, as addresses are compared."""
        return tuple(_key(value) for value in self._fields.get(LOOP.lower(), ()))

    @property
    def hops(self) -> int:
        """How many hosts it has come by."""
        return len(self._fields.get("received", ()))

    def is_type(self, *types: str, parameter: str = "", values: Collection[str] = ()) -> bool:
        """Whether the content is of one of these types, and a parameter of it (if one is named) one of the values."""
        value, parameters = parse_parametrised(self.field("content-type"))
        return value in types and (not parameter or parameters.get(parameter, "").lower() in values)

    def has_part(self, *types: str) -> bool:
        """Whether something of one of these types is attached."""
        return any(each.content_type in types for each in self.message.attachments)

    @property
    def is_automatic_forward(self) -> bool:
        return bool(self.passed_by) or self.field("autoforwarded") == "true"

    @property
    def is_automatic_reply(self) -> bool:
        return (
            self.field("auto-submitted").startswith("auto-replied")
            or self.field("precedence") == "auto_reply"
        )

    @property
    def is_encrypted(self) -> bool:
        if self.is_type(*_SMIME, parameter="smime-type", values=("signed-data", "certs-only")):
            return False
        return self.is_type("multipart/encrypted", *_SMIME)

    @property
    def is_signed(self) -> bool:
        return self.is_type("multipart/signed") or self.is_type(
            *_SMIME, parameter="smime-type", values=("signed-data",)
        )

    @property
    def is_permission_controlled(self) -> bool:
        return self.has_part("application/x-microsoft-rpmsg-message") or self.field(
            "content-class"
        ).startswith("rpmsg.message")

    @property
    def is_meeting_request(self) -> bool:
        return self._is_meeting and not self.is_meeting_response

    @property
    def is_meeting_response(self) -> bool:
        return self.is_type("text/calendar", parameter="method", values=("reply", "counter")) or (
            self._is_meeting and bool(self.message.in_reply_to)
        )

    @property
    def _is_meeting(self) -> bool:
        return (
            self.field("content-class") == "urn:content-classes:calendarmessage"
            or self.is_type("text/calendar")
            or self.has_part("text/calendar")
        )

    @property
    def is_non_delivery_report(self) -> bool:
        return self._is_report("delivery-status")

    @property
    def is_read_receipt(self) -> bool:
        return self._is_report("disposition-notification")

    def _is_report(self, kind: str) -> bool:
        return self.is_type("multipart/report", parameter="report-type", values=(kind,))

    @property
    def is_voicemail(self) -> bool:
        return self.field("content-class").startswith("urn:content-classes:voice") or self.is_type(
            "multipart/voice-message"
        )

    @property
    def sensitivity(self) -> str:
        for each in self.message.extended:
            if each.property_id == "Integer 0x36" and isinstance(each.value, str):
                return _SENSITIVITY.get(each.value, "normal")
        return "normal"

    @property
    def action_flag(self) -> str:
        """What the sender asks to be done, '' when nothing; `any` for words of the sender's own."""
        text = self.field("x-message-flag")
        return _ACTIONS.get(text, "any") if text else ""


def _people(addresses: Iterable[Address]) -> str:
    return "\n".join(f"{each.name} <{each.address}>" for each in addresses).casefold()


def _key(address: str) -> str:
    return to_wire(address.strip()).lower()
