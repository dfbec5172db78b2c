"""What stands below an answer: the message it answers, as Outlook quotes it.

HTML is quoted in its own document, sanitised: styles and body attributes stay, the original goes into a `<div>` below a
rule and `divRplyFwdMsg`, the block by which clients find where the quote begins.  Text is quoted below 32 underscores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import tzinfo
from html import escape
from typing import Final

from graphpost.clock import Instant, to_datetime
from graphpost.mail.field import one_line
from graphpost.mail.message import Address, Body, Message
from graphpost.mail.sanitise import Clean, sanitise
from graphpost.mail.text import RULE, html_to_text

_META: Final = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
_RULE: Final = '<hr tabindex="-1" style="display:inline-block; width:98%">'
_FONT: Final = '<font face="Calibri, sans-serif" style="font-size:11pt" color="#000000">'
_BREAK: Final = re.compile(r"\r\n|\r|\n")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

Lines = list[tuple[str, str]]


def quoted(message: Message, sent: str, comment: str = "") -> Body:
    """The body of an answer to a message: the comment, then the quote.  `sent` is the time, as `long_time` writes it.

    The comment is text whatever the body is.
    """
    lines = _heading(message, sent)
    if message.body.kind == "html":
        return Body(_html(lines, message.body.content, comment), "html")
    return Body(_text(lines, message.body.content, comment), "text")


def prefixed(prefix: str, subject: str) -> str:
    """The subject with `RE:` or `FW:` before it, unless it is there."""
    if subject[: len(prefix)].upper() == prefix:
        return subject
    return f"{prefix} {subject}"


def long_time(instant: Instant, zone: tzinfo) -> str:
    """Day and time in US English: `Friday, November 20, 2026 1:05 PM`; '' for an instant no calendar has."""
    try:
        moment = to_datetime(instant).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return ""
    date = f"{_DAYS[moment.weekday()]}, {_MONTHS[moment.month - 1]} {moment.day}, {moment.year}"
    return f"{date} {moment.hour % 12 or 12}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"


def _heading(message: Message, sent: str) -> Lines:
    """Names and values of the block above the original; each value is one line."""
    author = message.from_ or message.sender
    lines = [
        ("From", _people([author] if author is not None else [])),
        ("Sent", sent),
        ("To", _people(message.to)),
    ]
    if message.cc:
        lines.append(("Cc", _people(message.cc)))
    return [*lines, ("Subject", one_line(message.subject))]


def _people(addresses: Iterable[Address]) -> str:
    return "; ".join([_person(one_line(each.name), one_line(each.address)) for each in addresses])


def _person(name: str, address: str) -> str:
    return f"{name} <{address}>" if name and name != address else address


def _html(lines: Lines, html: str, comment: str) -> str:
    original = sanitise(html) or Clean("", "", _preformatted(html_to_text(html)))
    heading = "<br>\r\n".join([f"<b>{name}:</b> {escape(value, quote=False)}" for name, value in lines])
    return (
        f"<html><head>\r\n{_META}{original.head}</head><body{original.attributes}>{escape(comment, quote=False)}"
        f'{_RULE}<div id="divRplyFwdMsg" dir="ltr">{_FONT}{heading}</font><div>&nbsp;</div></div>\r\n'
        f"<div>{original.content}</div></body></html>"
    )


def _preformatted(text: str) -> str:
    """What stands for HTML that is too large or too deep to be made harmless."""
    lines = _BREAK.sub("<br>\r\n", escape(text, quote=False))
    return f'<div class="PlainText">{lines}</div>'


def _text(lines: Lines, text: str, comment: str) -> str:
    heading = "".join([f"{name}: {value}\r\n" for name, value in lines])
    return f"{comment}\r\n\r\n{RULE}\r\n{heading}\r\n{text}"
