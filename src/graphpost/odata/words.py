"""The words of a text as searching knows them: folded, without accents.

Letter case, accents and compatibility forms (full width, ligatures) make no difference.  A word is a run of letters and
digits; where words are written without blanks between them (Chinese, Japanese, Thai, …) every character is one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\U00020000-\U0003ffff"
)
_ACCENTS: Final = re.compile("[\u0300-\u036f]+")
_WORD: Final = re.compile(f"[^\\W_{_UNSPACED}]+|[{_UNSPACED}]")
# Each octet of ASCII as it is in words: in lower case, or a blank.
_PLAIN: Final = bytes(
    ord(chr(each).lower()) if each < 128 and chr(each).isalnum() else 32 for each in range(256)
)


def words(text: str) -> list[str]:
    """The text's words in their order."""
    if text.isascii():
        return text.encode("ascii").translate(_PLAIN).decode("ascii").split()
    return _WORD.findall(fold(text))


def fold(text: str) -> str:
    """The text with everything taken off that makes no difference."""
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFKC", bare)
