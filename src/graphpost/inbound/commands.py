"""Commands read: the verb, paths and parameters.

RFC 5321 §4.1.2, with the parameters of RFC 1870 (SIZE), 3461 (DSN), 6152 (8BITMIME) and 6531 (SMTPUTF8).
Lenient where hosts are known to be (blanks after the colon, a path without its brackets), strict where it matters:
whatever comes out can stand in a header field and in the log.  What cannot be read raises Refusal.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from msgspec import Struct

from graphpost.inbound.replies import refusal
from graphpost.mail.address import is_valid_address

_PATH: Final = re.compile(
    r"""[ ]{0,8}(?:
        <(?:@[^\s<>:"]{1,1000}:)?(?P<path>(?:"(?:[^"\\\r\n]|\\[ -~]){0,1000}"|[^\s<>"@]{1,1000})(?:@[^\s<>"@]{1,1000})?)?>
      | (?P<bare>[^\s<>"@]{1,1000}@[^\s<>"@]{1,1000})
    )(?P<rest>(?:\s.*)?)""",
    re.VERBOSE | re.DOTALL,
)
_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,63})(?:=([!-<>-~\u0080-\U0010ffff]{1,1000}))?")
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_UTF8_XTEXT: Final = re.compile(r"(?:[!-*,-<>-\[\]-~\u0080-\U0010ffff]|\\x\{[0-9A-F]{2,6}\}|\+[0-9A-F]{2})*")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?")
_NOTIFY: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # but the tab
_LOOSE_LOCAL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-\u00a0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]+"
)
_PATH_BYTES: Final = 320
_DIGITS: Final = re.compile(r"[0-9]{1,20}")


class Mail(Struct, frozen=True):
    """MAIL FROM; `sender` '' is the null reverse-path, `size` 0 was not said."""

    sender: str
    size: int = 0
    is_8bit: bool = False
    is_utf8: bool = False
    ret: str = ""  # FULL or HDRS (RFC 3461 §4.3)
    envelope_id: str = ""  # as given, in xtext


class Rcpt(Struct, frozen=True):
    """RCPT TO.  `notify` () was not said."""

    address: str
    notify: tuple[str, ...] = ()
    original: str = ""  # ORCPT as given, in xtext


def split_command(line: bytes) -> tuple[str, str]:
    """Verb (upper case) and argument of a line without its end."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise refusal(500, "5.5.2", "Error: not UTF-8") from None
    if _CONTROL.search(text):
        raise refusal(500, "5.5.2", "Error: control character in a command")
    verb, _, argument = text.strip(" ").partition(" ")
    return verb.upper(), argument.strip(" ")


def read_host(argument: str) -> str:
    """What a client calls itself in HELO, EHLO or LHLO: a domain or an address literal."""
    name = argument.split(" ")[0]
    if name.startswith("[") and name.endswith("]"):
        literal = name[1:-1]
        try:
            ipaddress.ip_address(literal[5:] if literal[:5].upper() == "IPV6:" else literal)
        except ValueError:
            raise refusal(501, "5.5.4", "Error: not an address literal") from None
        return name
    if not name.isascii() or not _HOST.fullmatch(name):
        raise refusal(501, "5.5.4", "Error: say who you are: a host name or an address literal")
    return name


def read_mail(argument: str, *, offers_auth: bool = False) -> Mail:
    """The argument of MAIL."""
    address, parameters = _path_and_parameters(argument, "FROM")
    if address and not _is_path(address):
        raise refusal(501, "5.1.7", "Error: bad sender address syntax")
    size, is_8bit, is_utf8, ret, envelope_id = 0, False, False, "", ""
    for name, value in parameters.items():
        if name == "SIZE" and _DIGITS.fullmatch(value):
            size = int(value)
        elif name == "BODY" and value.upper() in ("7BIT", "8BITMIME"):
            is_8bit = value.upper() == "8BITMIME"
        elif name == "SMTPUTF8" and not value:
            is_utf8 = True
        elif name == "RET" and value.upper() in ("FULL", "HDRS"):
            ret = value.upper()
        elif name == "ENVID" and value and len(value) <= 100 and _XTEXT.fullmatch(value):
            envelope_id = value
        elif name == "AUTH" and value and offers_auth and _XTEXT.fullmatch(value):
            continue  # whose message it is, is what whoever is signed in may say (RFC 4954 §5)
        else:
            raise _unknown(name, value, ("SIZE", "BODY", "SMTPUTF8", "RET", "ENVID"))
    if not is_utf8 and not address.isascii():
        raise refusal(553, "5.6.7", "Error: an address that is not ASCII needs SMTPUTF8")
    return Mail(address, size, is_8bit, is_utf8, ret, envelope_id)


def read_rcpt(argument: str, *, is_utf8: bool) -> Rcpt:
    """The argument of RCPT; `postmaster` alone needs no domain (RFC 5321 §4.5.1)."""
    address, parameters = _path_and_parameters(argument, "TO")
    if address.lower() != "postmaster" and not _is_path(address):
        raise refusal(501, "5.1.3", "Error: bad recipient address syntax")
    if not is_utf8 and not address.isascii():
        raise refusal(553, "5.6.7", "Error: an address that is not ASCII needs SMTPUTF8")
    notify: tuple[str, ...] = ()
    original = ""
    for name, value in parameters.items():
        if name == "NOTIFY" and (found := _notify(value)):
            notify = found
        elif name == "ORCPT" and _is_original(value):
            original = value
        else:
            raise _unknown(name, value, ("NOTIFY", "ORCPT"))
    return Rcpt(address, notify, original)


def _notify(value: str) -> tuple[str, ...]:
    words = tuple(value.upper().split(","))
    return words if words == ("NEVER",) or (_NOTIFY.issuperset(words) and words) else ()


def _is_original(value: str) -> bool:
    kind, semicolon, address = value.partition(";")
    wanted = _UTF8_XTEXT if kind.lower() == "utf-8" else _XTEXT
    return bool(kind and semicolon and address and len(value) <= 500 and wanted.fullmatch(address))


def _path_and_parameters(argument: str, word: str) -> tuple[str, dict[str, str]]:
    start, colon, rest = argument.partition(":")
    match = _PATH.fullmatch(rest) if colon and start.strip(" ").upper() == word else None
    if match is None:
        raise refusal(501, "5.5.4", f"Syntax: {'MAIL FROM' if word == 'FROM' else 'RCPT TO'}:<address>")
    parameters: dict[str, str] = {}
    for text in match["rest"].split():
        found = _PARAMETER.fullmatch(text)
        name = found[1].upper() if found else ""
        if found is None or name in parameters:
            raise refusal(501, "5.5.4", "Syntax: a parameter is wrong, or there twice")
        parameters[name] = found[2] or ""
    return _plain(match["path"] or match["bare"] or ""), parameters


def _plain(address: str) -> str:
    """The address without quotes that it does not need: `"adele"@x` is adele@x."""
    local, at, domain = address.rpartition("@")
    if not at or not local.startswith('"'):
        return address
    bare = re.sub(r"\\(.)", r"\1", local[1:-1])
    return f"{bare}@{domain}" if is_valid_address(f"{bare}@{domain}") else address


def _is_path(address: str) -> bool:
    """Whether it is an address as the world has them.

    Longer than RFC 5321 allows (VERP), with dots where none may be, or from a host with an underscore.
    """
    local, at, domain = address.rpartition("@")
    if not at or len(address.encode()) > _PATH_BYTES:
        return False
    is_local = _LOOSE_LOCAL.fullmatch(local) is not None or is_valid_address(f"{local}@x")
    return is_local and is_valid_address(f"x@{domain.replace('_', 'x')}")


def _unknown(name: str, value: str, known: tuple[str, ...]) -> Exception:
    if name in known:
        return refusal(501, "5.5.4", f"Error: {name} cannot be {value or 'empty'}")
    return refusal(555, "5.5.4", f"Error: no parameter {name} here")
