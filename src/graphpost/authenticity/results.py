"""The Authentication-Results field: what was found out (RFC 8601).

What it tells is a stranger's in every part: values become tokens or quoted strings, reasons comments, and nothing in
them can end the field or begin another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from graphpost.authenticity.dkim import DkimResult
from graphpost.authenticity.dmarc import DmarcResult
from graphpost.authenticity.spf import SpfResult

NAME: Final = "Authentication-Results"
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+^_`{|}~.-]{1,253}")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_WIDTH: Final = 78
_LONGEST: Final = 253
_REASON: Final = 160


def results_field(
    host: str, spf: SpfResult, sender: str, signatures: Sequence[DkimResult], dmarc: DmarcResult
) -> bytes:
    """The field with its line end.  `host` is who says so; `sender` the envelope's, '' for the null one."""
    found = [_spf(spf, sender), *map(_dkim, signatures or [DkimResult("none")]), _dmarc(dmarc)]
    words = [f"{NAME}:", f"{host};"]
    for at, parts in enumerate(found):
        words += [*parts[:-1], parts[-1] + (";" if at < len(found) - 1 else "")]
    return "\r\n\t".join(_lines(words)).encode("ascii") + b"\r\n"


def _spf(spf: SpfResult, sender: str) -> list[str]:
    whose = _property("smtp.mailfrom", sender) if sender else _property("smtp.helo", spf.domain)
    return [f"spf={spf.result}", *_comment(spf.reason), *whose]


def _dkim(found: DkimResult) -> list[str]:
    return [
        f"dkim={found.result}",
        *_comment(found.reason),
        *_property("header.d", found.domain),
        *_property("header.s", found.selector),
        *_property("header.a", found.algorithm),
        *_property("header.b", found.prefix),
    ]


def _dmarc(found: DmarcResult) -> list[str]:
    policy = [f"(p={found.policy})"] if found.result in ("pass", "fail") else []
    words = [f"dmarc={found.result}", *_comment(found.reason), *policy]
    return [*words, *_property("header.from", found.domain)]


def _property(name: str, value: str) -> list[str]:
    return [f"{name}={_value(value)}"] if value else []


def _value(text: str) -> str:
    if _PLAIN.fullmatch(text) or _ADDRESS.fullmatch(text):
        return text
    safe = "".join(c if "!" <= c <= "~" and c not in '"\\' else "?" for c in text[:_LONGEST])
    return f'"{safe}"'


def _comment(reason: str) -> Iterable[str]:
    if not reason:
        return []
    safe = "".join(c if " " <= c <= "~" and c not in "()\\" else "?" for c in reason[:_REASON])
    return f"({safe})".split()


def _lines(words: Iterable[str]) -> Iterator[str]:
    """The words in lines of bearable length."""
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
