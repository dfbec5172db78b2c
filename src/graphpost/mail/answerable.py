"""What may be answered without a person: RFC 3834, X-Auto-Response-Suppress.

Automatic mail that answers automatic mail goes round in circles, so whatever looks automatic is not answered: mail
that says so (Auto-Submitted, Precedence), mail of lists, reports, what rules have sent on, and addresses nobody reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from graphpost.mail.contenttype import parse_parametrised
from graphpost.mail.message import Header, Message
from graphpost.mail.traits import LOOP

_SUPPRESS: Final = "x-auto-response-suppress"
_BY_HAND: Final = frozenset({"no", ""})
_BULK: Final = frozenset({"bulk", "list", "junk", "auto_reply"})
_MARKS: Final = (LOOP.lower(), "x-autoreply", "x-autorespond", "x-loop", "feedback-id", "mailing-list")
_NOBODY: Final = re.compile(
    r"(?:mailer-daemon|postmaster|listserv|majordomo|no[-_.]?reply|do[-_.]?not[-_.]?reply"
    r"|bounces?|owner-.*|.*-(?:request|owner|bounces?|relay)|bounces?[-+].*|prvs=.*|srs[01]=.*)",
    re.IGNORECASE,
)

_ASIDE: Final = re.compile(r'"[^"]*"|\([^()]*\)')
_FAILS: Final = re.compile(r";\s*(?:spf|dmarc)\s*=\s*fail\b", re.IGNORECASE)
_PASSES: Final = re.compile(r";\s*dmarc\s*=\s*pass\b", re.IGNORECASE)

Fields = Mapping[str, str]


def fields_of(headers: Iterable[Header]) -> dict[str, str]:
    """The fields by lower-case name; of one that occurs more than once the values, with commas."""
    found: dict[str, str] = {}
    for each in headers:
        name = each.name.lower()
        found[name] = f"{found[name]}, {each.value}" if name in found else each.value
    return found


def suppresses(fields: Fields, kind: str) -> bool:
    """Whether the author wants no automatic message of a kind: RN, NRN, DR, OOF, AutoReply (MS-OXCMAIL 2.2.3.2.14)."""
    return not _words(fields, _SUPPRESS).isdisjoint((kind.lower(), "all"))


def is_automatic(fields: Fields) -> bool:
    """Whether no person wrote it to be answered, as far as its header says."""
    if not _words(fields, "auto-submitted") <= _BY_HAND or not _BULK.isdisjoint(_words(fields, "precedence")):
        return True
    if any(mark in fields for mark in _MARKS) or any(name.startswith("list-") for name in fields):
        return True
    return is_report(fields) or fields.get("return-path", "").strip() == "<>"


def is_doubtful(message: Message) -> bool:
    """Whether the host that took it has found that it is not from whom its envelope or author says (RFC 8601).

    An answer would go to somebody who has nothing to do with it.  The first of the fields is that host's.
    """
    if not message.is_foreign:
        return False
    results = (each.value for each in message.headers if each.name.lower() == "authentication-results")
    said = _ASIDE.sub("", next(results, ""))
    return _FAILS.search(said) is not None and _PASSES.search(said) is None


def _words(fields: Fields, name: str) -> set[str]:
    """What a field says, without parameters; of one that occurs more than once all of it."""
    return {word.partition(";")[0].strip().lower() for word in fields.get(name, "").split(",")}


def is_report(fields: Fields) -> bool:
    """Whether it is a report of any kind (RFC 6522)."""
    return parse_parametrised(fields.get("content-type", "")).value == "multipart/report"


def is_read_by_nobody(address: str) -> bool:
    """Whether an address is a machine's by its name (RFC 3834 §2)."""
    local, at, _ = address.rpartition("@")
    return not at or _NOBODY.fullmatch(local[:100]) is not None
