"""What composing, parsing and previewing cost: `python bench/mail.py`; prints microseconds per operation."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

from graphpost.mail.compose import compose
from graphpost.mail.message import Address, Attachment, Body, ContentRef, Message
from graphpost.mail.parse import ParseLimits, parse
from graphpost.mail.text import preview

SMALL = Message(
    subject="Meet for lunch?",
    body=Body("The new cafeteria is open.", "text"),
    from_=Address("AdeleV@contoso.com", "Adele Vance"),
    to=(Address("frannis@contoso.com"),),
    cc=(Address("danas@contoso.com", "Dana Swope"),),
    internet_message_id="<0123456789abcdef@mail.contoso.com>",
    date=1_700_000_000_000_000,
    conversation_index=b64decode("AQHaWz2nB6oiCvmLzkCRa1GT+9U0Qg=="),
)
HTML = "<p>The <b>new</b> cafeteria is open.</p><p>See the <a href='https://contoso.com'>menu</a></p>"
LIMITS = ParseLimits()


def contents(ref: ContentRef) -> Iterator[bytes]:
    block = bytes(65_536)
    for start in range(0, 25 * 1024 * 1024, len(block)):
        yield block[: 25 * 1024 * 1024 - start]


def measure(name: str, work: Callable[[], Any], seconds: float = 0.3) -> None:
    """The best of several runs: what the work costs undisturbed."""
    count, best, until = 1, float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        for _ in range(count):
            work()
        took = time.perf_counter() - start
        best = min(best, took / count)
        if took < 0.02:
            count *= 2
    print(f"{name:<40} {best * 1e6:>12.2f} us")


def main() -> None:
    html = Message(
        subject=SMALL.subject,
        body=Body(HTML, "html"),
        from_=SMALL.from_,
        to=SMALL.to,
        internet_message_id=SMALL.internet_message_id,
        date=SMALL.date,
    )
    large = Message(
        subject="large",
        from_=SMALL.from_,
        to=SMALL.to,
        attachments=(
            Attachment(attachment_id=1, name="a.bin", size=25 * 1024 * 1024, content=ContentRef(1)),
        ),
    )
    text_bytes = b"".join(compose(SMALL, contents))
    html_bytes = b"".join(compose(html, contents))
    large_bytes = b"".join(compose(large, contents))
    measure("compose small text", lambda: compose(SMALL, contents))
    bare = Message(
        subject="9/9/2018: concert", body=Body("The group represents Nevada.", "html"), to=SMALL.to
    )
    measure("compose small html, no tags", lambda: compose(bare, contents))
    measure("compose small html", lambda: compose(html, contents))
    measure("compose 25 MB, sized", lambda: compose(large, contents))
    measure("compose 25 MB, streamed", lambda: sum(map(len, compose(large, contents))))
    measure("parse small text", lambda: parse(text_bytes, LIMITS))
    measure("parse small html", lambda: parse(html_bytes, LIMITS))
    measure("parse 25 MB", lambda: parse(large_bytes, LIMITS))
    measure("preview text", lambda: preview(SMALL.body))
    measure("preview html", lambda: preview(html.body))


if __name__ == "__main__":
    main()
