"""SPF records: their syntax (RFC 7208, sections 4.6, 5, 6 and 7).

A record with a fault anywhere is of no use to anybody (permerror), so all of it is read before any of it is followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal

from graphpost.errors import GraphpostError

MOST: Final = 8192  # octets of a record that is read; the RFC wants no more than 512
Result = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
_QUALIFIERS: Final[dict[str, Result]] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_VERSION: Final = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
_DIRECTIVE: Final = re.compile(r"([-+~?]?)([A-Za-z][A-Za-z0-9]*)([:/].*)?")
_HOST: Final = re.compile(r"(?::(.+?))?(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?")
_MACRO: Final = re.compile(r"%(?:\{([SLODIPHVslodiphv])([0-9]*)(r?)([.+,/_=-]*)\}|([%_-]))")
_LITERAL: Final = re.compile(r"[!-$&-~]*")
_TOP_LABEL: Final = re.compile(r"(?=.{1,63}\Z)(?![0-9]*\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")


class SpfSyntaxError(GraphpostError):
    """A record that cannot be read; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Macro:
    """A `%{…}` of a domain-spec: its letter, how many labels of it, turned round or not, split at what."""

    letter: str
    keep: int  # 0: all
    is_reversed: bool
    delimiters: str


Spec = tuple[str | Macro, ...]  # a domain-spec: what is literally there, and macros


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A directive: when it matches, `result` is that of the record.

    `spec` is empty when the domain is the present one; `four` and `six` are the lengths of prefixes.
    """

    name: str
    result: Result
    spec: Spec = ()
    network: IPv4Network | IPv6Network | None = None
    four: int = 32
    six: int = 128

    @property
    def asks(self) -> bool:
        """Whether it takes one of the ten lookups."""
        return self.name not in ("all", "ip4", "ip6")


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """What a domain says of who may send in its name.  `redirect` is empty when there is none."""

    mechanisms: tuple[Mechanism, ...]
    redirect: Spec = ()


def spf_texts(texts: Sequence[bytes]) -> list[bytes]:
    """Of a name's TXT records those that are SPF's; there should be one."""
    return [text for text in texts if _VERSION.match(text)]


def parse_record(text: bytes) -> SpfRecord:
    """Raises SpfSyntaxError."""
    if len(text) > MOST:
        raise SpfSyntaxError(f"the record has {len(text)} octets")
    try:
        terms = text.decode("ascii").split(" ")[1:]
    except UnicodeDecodeError:
        raise SpfSyntaxError("the record is not ASCII") from None
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, Spec] = {}
    for term in filter(None, terms):
        if found := _MODIFIER.fullmatch(term):
            _read_modifier(found[1].lower(), found[2], modifiers)
        else:
            mechanisms.append(_read_mechanism(term))
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect", ()))


def _read_modifier(name: str, value: str, found: dict[str, Spec]) -> None:
    if name not in ("redirect", "exp"):
        _read_macros(value)  # unknown ones are ignored, but not their faults
        return
    if name in found:
        raise SpfSyntaxError(f"{name}= is there twice")
    found[name] = _read_spec(value)


def _read_mechanism(term: str) -> Mechanism:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise SpfSyntaxError(f"{term!r} is no term")
    name, result, rest = found[2].lower(), _QUALIFIERS[found[1] or "+"], found[3] or ""
    if name == "all" and not rest:
        return Mechanism(name, result)
    if name in ("include", "exists") and rest.startswith(":"):
        return Mechanism(name, result, _read_spec(rest[1:]))
    if name == "ptr" and not rest.startswith("/"):
        return Mechanism(name, result, _read_spec(rest[1:]) if rest else ())
    if name in ("ip4", "ip6") and rest.startswith(":"):
        return Mechanism(name, result, network=_read_network(name, rest[1:], term))
    if name in ("a", "mx"):
        return _read_host(name, result, rest, term)
    raise SpfSyntaxError(f"{term!r} is no mechanism")


def _read_host(name: str, result: Result, rest: str, term: str) -> Mechanism:
    found = _HOST.fullmatch(rest)
    four, six = int(found[2] or 32) if found else 99, int(found[3] or 128) if found else 999
    if found is None or four > 32 or six > 128:
        raise SpfSyntaxError(f"{term!r} has no such form")
    return Mechanism(name, result, _read_spec(found[1]) if found[1] else (), None, four, six)


def _read_network(name: str, text: str, term: str) -> IPv4Network | IPv6Network:
    address, slash, length = text.partition("/")
    plain = length.isascii() and length.isdigit() and (length == "0" or not length.startswith("0"))
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    fits = network is not None and network.version == (4 if name == "ip4" else 6) and "%" not in address
    if network is None or not fits or (slash and not plain):
        raise SpfSyntaxError(f"{term!r} has no network")
    return network


def _read_spec(text: str) -> Spec:
    spec = _read_macros(text)
    _, dot, label = text.removesuffix(".").rpartition(".")
    ends_well = isinstance(spec[-1], Macro) or (dot and _TOP_LABEL.fullmatch(label)) if spec else False
    if not ends_well:
        raise SpfSyntaxError(f"{text!r} is no domain")
    return spec


def _read_macros(text: str) -> Spec:
    parts: list[str | Macro] = []
    at = 0
    while at < len(text):
        literal = _LITERAL.match(text, at)
        if literal and literal[0]:
            parts.append(literal[0])
            at = literal.end()
            continue
        found = _MACRO.match(text, at)
        if found is None:
            raise SpfSyntaxError(f"{text!r} has a macro that there is not")
        parts.append(_read_macro(found, text))
        at = found.end()
    return tuple(parts)


def _read_macro(found: re.Match[str], text: str) -> str | Macro:
    if found[5]:
        return {"%": "%", "_": " ", "-": "%20"}[found[5]]
    if found[2] and (len(found[2]) > 3 or int(found[2]) == 0):
        raise SpfSyntaxError(f"{text!r} keeps no label of a macro")
    return Macro(found[1], int(found[2] or 0), bool(found[3]), found[4] or ".")
