"""What pages of other origins may do: the CORS protocol, for the Graph API.

A browser asks first (a preflight: no token, no body), and shows an answer to the page only when the answer says so.
Everybody is let in, by `*` and never by naming who asked, because nothing here is known by a cookie: a page has what
its token opens and no more.  For the same reason credentials are never allowed.  Fetch Standard, section 3.3
(https://fetch.spec.whatwg.org/#http-cors-protocol).  The issuer says of its own answers which are for pages; what is refused
before it is asked is shown where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHARED_MOUNTS: Final = frozenset({"graph", "sendMail", "upload"})
PREFLIGHT: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE"),
    ("Access-Control-Allow-Headers", "Authorization, *"),  # Authorization is not in the star
    ("Access-Control-Max-Age", "7200"),  # seconds; browsers that matter keep it no longer
)
SHOWN: Final = (
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        "ETag, Location, Preference-Applied, request-id, client-request-id, Retry-After, WWW-Authenticate, "
        "x-graphpost-message-id, x-graphpost-repeated",
    ),
    ("Vary", "Origin"),
)


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request that has an Origin asks what its page may do; any other OPTIONS is a request like others."""
    return method == "OPTIONS" and "access-control-request-method" in headers
