"""What a reply says itself, without the messages it quotes.

Outlook puts a rule and a block called `divRplyFwdMsg` before the quoted message, or a line of underscores in plain text.
What is quoted in other ways counts as the writer's own.
"""

from __future__ import annotations

import re
from typing import Final

from graphpost.mail.message import Body

_BLOCK: Final = re.compile(r"""<div\b[^<>]*?\bid\s*=\s*["']?(?:x_)*divRplyFwdMsg\b""", re.IGNORECASE)
_RULE_BEFORE: Final = re.compile(r"<hr\b[^<>]*>\s*\Z", re.IGNORECASE)
_UNDERSCORES: Final = re.compile(r"^[ \t]*_{32,}[ \t]*\r?$", re.MULTILINE)
_RULE_LENGTH: Final = 1024  # characters before the block in which its rule is looked for


def unique_part(body: Body) -> Body:
    """The body up to the first message it quotes."""
    content = body.content
    if body.kind == "text":
        line = _UNDERSCORES.search(content)
        return body if line is None else Body(content[: line.start()].rstrip(), "text")
    block = _BLOCK.search(content)
    if block is None:
        return body
    end = block.start()
    start = max(0, end - _RULE_LENGTH)
    rule = _RULE_BEFORE.search(content[start:end])
    return Body(content[: start + rule.start() if rule else end], "html")
