"""What SDKs are refused, and what their exceptions must say then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REFUSED = {
    "no recipients": (400, "ErrorInvalidRecipients"),
    "a bad address": (400, "ErrorInvalidRecipients"),
    "me without a user": (400, "BadRequest"),
    "a token nobody signed": (401, "InvalidAuthenticationToken"),
    "no permission": (403, "ErrorAccessDenied"),
    "too large": (413, "RequestEntityTooLarge"),
    "no such user": (404, "ErrorInvalidUser"),
    "no such message": (400, "ErrorInvalidIdMalformed"),
    "a message of somebody else": (404, "ErrorItemNotFound"),
    "no such folder": (400, "ErrorInvalidIdMalformed"),
    "a bad filter": (400, "BadRequest"),
}


def check_refusals(seen: Mapping[str, Any], expected: Mapping[str, tuple[int, str]]) -> None:
    """The status, code, message and request id, as the SDK's own exception has them."""
    assert {name: (refusal["status"], refusal["code"]) for name, refusal in seen.items()} == expected
    for refusal in seen.values():
        assert refusal["message"]
        assert len(refusal["request_id"]) == 36
        assert refusal["date"].startswith("20")
