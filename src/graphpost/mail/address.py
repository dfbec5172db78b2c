"""Mail addresses: lists of them read leniently, single ones checked strictly.

`parse_address_list` takes what is found in header fields (RFC 5322 with its obsolete forms, groups, comments,
RFC 2047 names, missing quotes) in time linear in the text, and never raises.  `is_valid_address` is RFC
5321's Mailbox with RFC 6531's characters, without address literals: what may become an envelope address.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import idna

from graphpost.mail.message import Address
from graphpost.mail.word import decode_words

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_QUOTED: Final = r'"(?:[ !#-\[\]-~\u00a0-\U0010ffff]|\\[ -~])*"'
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL: Final = re.compile(rf"{_ATEXT}++(?:\.{_ATEXT}++)*|{_QUOTED}")
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ASCII: Final = re.compile(
    rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\-]++(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\-]++)*@({_LABEL}(?:\.{_LABEL})*)"
)
_HIDDEN: Final = re.compile(r"[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]")

_SIMPLE: Final = re.compile(
    r"\s*(?:([A-Za-z0-9_.' -]*[A-Za-z0-9_.'-])\s*)?<([^\s<>\"(),:;@\\]+@[^\s<>\"(),:;@\\]+)>\s*"
)
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<word>=\?[^?\s]{1,80}\?[bBqQ]\?[^?]*\?=)
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | <(?P<angle>[^<>"]*+(?:"(?:[^"\\]|\\.)*"[^<>"]*+)*)>
      | (?P<special>[,;:])
      | (?P<comment>\()
      | (?P<atom>(?:(?!=\?)[^\s"(),:;<>])+|=)
      | (?P<stray>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def is_valid_address(text: str, limit: int = 320) -> bool:
    """Whether it is one address that can be written to: local@domain, nothing around it."""
    if len(text) > limit:
        return False
    match = _ASCII.fullmatch(text)
    if match is not None:
        return len(text) - len(match[1]) <= 65 and len(match[1]) <= 253
    local, at, domain = text.rpartition("@")
    if not at or _HIDDEN.search(text) or not _LOCAL.fullmatch(local):
        return False
    if len(local.encode()) > 64:
        return False
    domain = _a_label(domain)
    return len(domain) <= 253 and _DOMAIN.fullmatch(domain) is not None


def domain_of(address: str) -> str:
    """The domain, lower-case, in A-labels; '' when there is none."""
    return _a_label(address.rpartition("@")[2]) if "@" in address else ""


def needs_smtputf8(address: str) -> bool:
    """Whether the local part is not ASCII, so that no A-label form can replace it (RFC 6531)."""
    return not address.isascii() and not address.rpartition("@")[0].isascii()


def to_wire(address: str) -> str:
    """The address as SMTP and header fields have it: an internationalised domain in A-labels, if that is enough."""
    if address.isascii() or needs_smtputf8(address):
        return address
    local, _, domain = address.rpartition("@")
    encoded = _a_label(domain)
    return f"{local}@{encoded}" if encoded else address


def parse_address_list(text: str) -> list[Address]:
    """The mailboxes in a header field's unfolded value, in order; those of groups too."""
    match = _SIMPLE.fullmatch(text) if len(text) <= 200 else None
    if match is not None:
        return [Address(match[2], match[1] or "")]
    return _Reader(text).read()


@lru_cache(maxsize=4096)
def _a_label(domain: str) -> str:
    """Lower-case ASCII form; '' when there is none."""
    if domain.isascii():
        return domain.lower()
    if len(domain) > 255:
        return ""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return ""


class _Reader:
    """One pass over the tokens; a quote, comment or angle left open makes the rest be read as if it were not there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Address] = []
        self._start_one()

    def _start_one(self) -> None:
        self.pieces: list[list[str]] = []  # words of the display name, or an address without angle brackets
        self.apart = True  # white space since the last word
        self.angle: str | None = None
        self.comments: list[str] = []

    def read(self) -> list[Address]:
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                break
            position = self._take(match)
        self._finish_one()
        return self.found

    def _take(self, match: re.Match[str]) -> int:
        kind = match.lastgroup
        value = match[kind] if kind else ""
        if kind == "space":
            self.apart = True
        elif kind in ("atom", "word"):
            self._add_word(value)
        elif kind == "quoted":
            self._add_quoted(match)
        elif kind == "angle":
            if self.angle is None:
                self.angle = value
        elif kind == "special":
            self._special(value)
        elif kind == "comment":
            return self._comment(match.start())
        else:
            return self._stray(match.start(), value)
        return match.end()

    def _add_word(self, word: str) -> None:
        if self.pieces and not self.apart:
            self.pieces[-1].append(word)
        else:
            self.pieces.append([word])
        self.apart = False

    def _add_quoted(self, match: re.Match[str]) -> None:
        before_at = self.text.startswith("@", match.end())
        self._add_word(match[0] if before_at else _ESCAPED.sub(r"\1", match["quoted"]))
        if not before_at:
            self.apart = True

    def _special(self, value: str) -> None:
        if value == ":":  # what stood before it is the name of a group
            self._start_one()
        else:
            self._finish_one()

    def _comment(self, start: int) -> int:
        end = _comment_end(self.text, start)
        if end < 0:
            return self._stray(start, "(")
        self.comments.append(self.text[start + 1 : end - 1])
        self.apart = True
        return end

    def _stray(self, start: int, character: str) -> int:
        """Something was opened and never closed: read what follows without any such sign."""
        if character in '"(<':
            rest = self.text[start:]
            if character == "<":
                rest = rest.replace("<", " ").replace(">", " ")
            self.text = (
                rest.replace('"', "") if character == '"' else rest.replace("(", " ").replace(")", " ")
            )
            self.apart = True
            return 0
        return start + 1

    def _finish_one(self) -> None:
        words, angle, comments = ["".join(word) for word in self.pieces], self.angle, self.comments
        self._start_one()
        if angle is not None:
            if angle.lstrip().startswith("@"):  # a source route, obsolete: `@a,@b:`
                angle = angle.partition(":")[2]
            address = _clean(angle)
            if address:
                self.found.append(Address(address, _name(words or comments)))
            return
        if not words:
            return
        spelled = "".join(words)
        if all("@" in word and not word.startswith("@") and not word.endswith("@") for word in words):
            self.found.extend(Address(_clean(word), _name(comments)) for word in words if _clean(word))
        elif "@" in words[-1][1:-1]:
            self.found.append(Address(_clean(words[-1]), _name(words[:-1])))
        elif (spelled.count("@") == 1 and "@" in spelled[1:-1]) or (len(words) == 1 and _clean(spelled)):
            self.found.append(Address(_clean(spelled), _name(comments)))


def _name(words: list[str]) -> str:
    return " ".join(_HIDDEN.sub(" ", decode_words(" ".join(words))).split())


def _clean(address: str) -> str:
    """Without white space (outside a quoted local part) and invisible characters."""
    address = _HIDDEN.sub("", address).strip()
    return address if '"' in address else "".join(address.split())


def _comment_end(text: str, start: int) -> int:
    """Just after the parenthesis that closes the one at `start`; -1 when none does."""
    depth = 0
    position = start
    for match in _PARENTHESIS.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        position = match.end()
        if depth == 0:
            return position
    return -1


_PARENTHESIS: Final = re.compile(r"\\.|[()]", re.DOTALL)
