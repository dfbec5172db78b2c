"""Bytes of a named character set to text, whatever the name and the bytes are.

Never raises.  Names mean what browsers take them to mean (ISO-8859-1 is read as Windows-1252, GB2312 as
GB18030); codecs that are not character sets, or that take quadratic time (punycode, IDNA), are not used.
"""

from __future__ import annotations

import codecs
from functools import lru_cache
from typing import Final

_READ_AS: Final = {
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_NOT_CHARSETS: Final = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "utf-8-sig"}
)


def decode_text(data: bytes, charset: str) -> str:
    """The text meant.  Octets that the character set does not have become U+FFFD; NUL is left out."""
    name = _codec(charset)
    text = decode_unlabelled(data) if name in ("", "ascii", "utf-8") else data.decode(name, "replace")
    return text.replace("\0", "") if "\0" in text else text


def decode_unlabelled(data: bytes) -> str:
    """UTF-8 if it is that, else Windows-1252, the likeliest of the rest."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """A codec's name; '' when there is none for that character set."""
    label = charset.strip().strip("'\"").partition("*")[0]
    if not label.isascii() or len(label) > 64 or "\0" in label:
        return ""
    try:
        info = codecs.lookup(label)
        b"x".decode(info.name, "replace")  # LookupError for codecs between bytes and bytes
    except (LookupError, ValueError):
        return ""
    if info.name in _NOT_CHARSETS:
        return ""
    return _READ_AS.get(info.name, info.name)
