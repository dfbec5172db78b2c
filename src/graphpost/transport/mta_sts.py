"""MTA-STS (RFC 8461): what a domain's record and policy say.

Both are parsed as the grammars there have them (§3.1, §3.2): unknown fields are passed over, of a field that may come
once the first counts, and whatever else is not as it should be is no policy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from graphpost.errors import GraphpostError

Mode = Literal["enforce", "testing", "none"]

POLICY_BYTES: Final = 65_536
MAX_AGE: Final = 31_557_600  # seconds; a longer max_age counts as this
_MAX_PATTERNS: Final = 1000

_VERSION: Final = re.compile(r"v=STSv1[ \t]*(?=;)")
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<>-~]+)")
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_LINE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(\S(?:.*\S)?)[ \t]*")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATTERN: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_AGE: Final = re.compile(r"[0-9]{1,10}")


class PolicyError(GraphpostError):
    """There is no policy to be had, or what there is is none; the text says why."""


class Policy(Struct, frozen=True):
    """`max_age` is seconds; `patterns` are names in lower case, some with `*.` before them."""

    mode: Mode
    max_age: int
    patterns: tuple[str, ...] = ()

    def matches(self, host: str) -> bool:
        """Whether the policy names a mail server; `*.` stands for one label (§4.1)."""
        name = host.lower().rstrip(".")
        return name in self.patterns or "*." + name.partition(".")[2] in self.patterns


def parse_records(texts: Sequence[bytes]) -> str | None:
    """The id that the TXT records of `_mta-sts.DOMAIN` give; None when they don't announce a policy (§3.1)."""
    found = [text for record in texts if _VERSION.match(text := record.decode("ascii", "replace"))]
    if len(found) != 1:
        return None
    id_ = None
    for field in found[0].split(";")[1:]:
        text = field.strip(" \t")
        if not text:
            continue
        parts = _FIELD.fullmatch(text)
        if parts is None:
            return None
        if parts[1] == "id" and id_ is None:
            id_ = parts[2]
    return id_ if id_ and _ID.fullmatch(id_) else None


def parse_policy(text: str) -> Policy:
    """The policy in the text of a policy file; raises PolicyError."""
    fields: dict[str, str] = {}
    patterns: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip(" \t"):
            continue
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise PolicyError("a line of the policy is not `key: value`")
        if parts[1] == "mx":
            patterns.append(_pattern(parts[2]))
        else:
            fields.setdefault(parts[1], parts[2])
    if fields.get("version") != "STSv1":
        raise PolicyError("the policy's version is not STSv1")
    return Policy(_mode(fields, patterns), _max_age(fields), tuple(patterns))


def _mode(fields: dict[str, str], patterns: Sequence[str]) -> Mode:
    mode = fields.get("mode")
    if mode not in ("enforce", "testing", "none"):
        raise PolicyError("the policy's mode is not enforce, testing or none")
    if mode != "none" and not patterns:
        raise PolicyError("the policy names no mail server")
    if len(patterns) > _MAX_PATTERNS:
        raise PolicyError(f"the policy names more than {_MAX_PATTERNS} mail servers")
    return mode  # type: ignore[return-value]  # mypy does not narrow str by `in`


def _max_age(fields: dict[str, str]) -> int:
    age = fields.get("max_age", "")
    if not _AGE.fullmatch(age):
        raise PolicyError("the policy's max_age is not a number of seconds")
    return min(int(age), MAX_AGE)


def _pattern(text: str) -> str:
    if not _PATTERN.fullmatch(text) or len(text) > 255:
        raise PolicyError("the policy names a mail server that is no host name")
    return text.lower()
