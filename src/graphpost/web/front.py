"""What a person sees who opens the server's address in a browser."""

from __future__ import annotations

from typing import Final

_PAGE: Final = b"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Graphpost</title>
<h1>Graphpost</h1>
<p>This is a mail server whose API is Microsoft Graph's, under <code>/v1.0</code> and <code>/beta</code>. There is nothing
more to see here: applications use it, and lead to a page to sign in.</p>
<p>On its machine <code>graphpost env</code> prints what an application needs, and <code>graphpost --help</code> lists the
commands to administer it.</p>
</html>
"""
HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)


def front_page(method: str, path: str, accept: str) -> bytes | None:
    """The page at `/`, for browsers; None for everything else, which Graph's clients are told as Graph tells it."""
    is_browser = method in ("GET", "HEAD") and "text/html" in accept.lower()
    return _PAGE if path == "/" and is_browser else None
