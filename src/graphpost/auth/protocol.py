"""The issuer's requests, replies, and errors with Entra's AADSTS numbers.

An OAuthError is a row of the table below plus what its text names.  Its answer is JSON (RFC 6749 section 5.2 with
Entra's members) at the token endpoints, and parameters of a redirect or a page at the others.  No status is ever 5xx:
clients would repeat the request.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from graphpost.auth.trail import Trail
from graphpost.clock import Instant, to_datetime
from graphpost.errors import GraphpostError
from graphpost.ids import new_guid

NO_STORE: Final = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


@dataclass(frozen=True, slots=True)
class IssuerRequest:
    """`path` is decoded, `headers` have lower-case names, `origin` is `https://host:port` as the client sees it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str = "https://localhost"
    remote: str = ""
    request_id: str = ""
    trail: Trail = field(default_factory=Trail, repr=False)

    @property
    def correlation_id(self) -> str:
        """The id a client gave its request, when it looks like one."""
        given = self.headers.get("client-request-id") or self.query.get("client-request-id", "")
        return given if len(given) == 36 and given.replace("-", "").isalnum() and given.isascii() else ""


@dataclass(frozen=True, slots=True)
class IssuerReply:
    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of refusal; `text` may name facts in braces."""

    number: int
    error: str
    text: str
    status: int = 400
    suberror: str = ""  # what MSAL looks at


class OAuthError(GraphpostError):
    """The issuer refuses; `fault` says how it is answered."""

    @property
    def code(self) -> str:
        return f"AADSTS{self.fault.number}"

    def __init__(self, fault: Fault, **facts: str) -> None:
        self.fault = fault
        self.text = (
            f"AADSTS{fault.number}: {fault.text.format(**{k: _printable(v) for k, v in facts.items()})}"
        )
        super().__init__(self.text)


TENANT_NOT_FOUND = Fault(
    90002,
    "invalid_request",
    "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
    "correct cloud.",
)
MISSING = Fault(900144, "invalid_request", "The request body must contain the following parameter: '{name}'.")
MISSING_QUERY = Fault(
    900144, "invalid_request", "The request must contain the following parameter: '{name}'."
)
MALFORMED = Fault(9002313, "invalid_request", "Invalid request. Request is malformed or invalid.")
ONLY_POST = Fault(
    900561, "invalid_request", "The endpoint only accepts POST requests. Received a {method} request.", 405
)
NO_METHOD = Fault(900561, "invalid_request", "The endpoint does not accept {method} requests.", 405)
GRANT_TYPE = Fault(70003, "unsupported_grant_type", "The app requested an unsupported grant type '{grant}'.")
RESPONSE_TYPE = Fault(
    70005, "unsupported_response_type", "The response_type '{kind}' is not enabled for the application."
)
RESPONSE_MODE = Fault(900971, "invalid_request", "The response_mode '{mode}' is not supported.")
PROMPT = Fault(90023, "invalid_request", "The value '{prompt}' of the parameter 'prompt' is not supported.")
CHALLENGE = Fault(501491, "invalid_request", "Invalid size or form of the Code_Challenge parameter.")
CHALLENGE_METHOD = Fault(501481, "invalid_request", "The code_challenge_method '{method}' is not supported.")

APPLICATION = Fault(
    700016,
    "unauthorized_client",
    "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if the "
    "application has not been installed by the administrator of the tenant or consented to by any user in the tenant.",
)
APPLICATION_DISABLED = Fault(7000112, "unauthorized_client", "Application '{client}' is disabled.")
NO_CREDENTIAL = Fault(
    7000218,
    "invalid_client",
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    401,
)
WRONG_SECRET = Fault(
    7000215,
    "invalid_client",
    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the "
    "client secret ID, for a secret added to app '{client}'.",
    401,
)
EXPIRED_SECRET = Fault(
    7000222, "invalid_client", "The provided client secret keys for app '{client}' are expired.", 401
)
CLIENT_LOCKED = Fault(
    50053,
    "invalid_client",
    "Too many wrong client secrets were sent for app '{client}' from this address. Try again in ten minutes.",
    401,
)
PUBLIC_SECRET = Fault(
    700025,
    "invalid_client",
    "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    401,
)
ASSERTION_TYPE = Fault(7000214, "invalid_request", "The client_assertion_type '{kind}' is not supported.")
ASSERTION_FORM = Fault(50027, "invalid_client", "JWT token is invalid or malformed.", 401)
ASSERTION_SIGNATURE = Fault(
    700027,
    "invalid_client",
    "The certificate with identifier used to sign the client assertion is not registered on application, or the "
    "signature is invalid.",
    401,
)
ASSERTION_AUDIENCE = Fault(
    700023,
    "invalid_client",
    "Client assertion audience claim does not match Realm issuer. Review the documentation for the expected audience.",
    401,
)
ASSERTION_SUBJECT = Fault(
    700021,
    "invalid_client",
    "Client assertion application identifier doesn't match 'client_id' parameter.",
    401,
)
ASSERTION_TIME = Fault(
    700024,
    "invalid_client",
    "Client assertion is not within its valid time range. Ensure that the assertion is not being used before it "
    "becomes valid or after it expires.",
    401,
)
ASSERTION_REPLAY = Fault(
    700028,
    "invalid_client",
    "The client assertion has been used already: its 'jti' claim must be unique.",
    401,
)
EXPIRED_CERTIFICATE = Fault(
    1000502, "invalid_client", "The provided certificate is not within its specified validity period.", 401
)

SCOPE = Fault(
    70011,
    "invalid_scope",
    "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' "
    "is not valid. The scope '{scope}' is not valid.",
)
SCOPE_NOT_DEFAULT = Fault(
    1002012,
    "invalid_scope",
    "The provided value for scope '{scope}' is not valid. Client credential flows must have a scope value with "
    "/.default suffixed to the resource identifier (application ID URI).",
)
RESOURCE = Fault(
    500011,
    "invalid_resource",
    "The resource principal named '{resource}' was not found in the tenant named '{tenant}'.",
)
REDIRECT = Fault(
    50011,
    "invalid_request",
    "The redirect URI '{uri}' specified in the request does not match the redirect URIs configured for the "
    "application '{client}'.",
)
NO_REDIRECT = Fault(500113, "invalid_request", "No reply address is registered for the application.")

CODE_REDEEMED = Fault(
    54005,
    "invalid_grant",
    "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh "
    "token.",
)
CODE_EXPIRED = Fault(
    70008, "invalid_grant", "The provided authorization code or refresh token has expired due to inactivity."
)
REFRESH_EXPIRED = Fault(700082, "invalid_grant", "The refresh token has expired due to inactivity.")
BAD_GRANT = Fault(70000, "invalid_grant", "The provided value for the input parameter '{name}' is not valid.")
REVOKED = Fault(
    50173,
    "invalid_grant",
    "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
)
REDIRECT_DIFFERS = Fault(
    500112, "invalid_grant", "The reply address '{uri}' does not match the one the code was asked for with."
)
VERIFIER_MISSING = Fault(
    50148,
    "invalid_grant",
    "The code_verifier does not match the code_challenge supplied in the authorization request.",
)
VERIFIER_WRONG = Fault(
    501481,
    "invalid_grant",
    "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
)
CROSS_ORIGIN = Fault(
    9002326,
    "invalid_request",
    "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. "
    "Request origin: '{origin}'.",
)
SAME_ORIGIN = Fault(
    9002327,
    "invalid_request",
    "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.",
)
SPA_EXPIRED = Fault(
    700084,
    "invalid_grant",
    "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime, which "
    "cannot be extended. It is now expired and a new sign in request must be sent by the SPA to the sign in page.",
    suberror="bad_token",
)
PKCE_REQUIRED = Fault(
    9002325,
    "invalid_request",
    "Proof Key for Code Exchange is required to redeem a code without a client credential.",
)
CONSENT = Fault(
    65001,
    "invalid_grant",
    "The user or administrator has not consented to use the application with ID '{client}'. Send an interactive "
    "authorization request for this user and resource.",
)
CONSENT_INTERACTION = Fault(65001, "consent_required", CONSENT.text)
DECLINED = Fault(65004, "access_denied", "User declined to consent to access the app.")
LOGIN = Fault(50058, "login_required", "A silent sign-in request was sent but no user is signed in.")

WRONG_PASSWORD = Fault(
    50126, "invalid_grant", "Error validating credentials due to invalid username or password."
)
LOCKED = Fault(
    50053,
    "invalid_grant",
    "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
)
USER_DISABLED = Fault(50057, "invalid_grant", "The user account is disabled.")

PENDING = Fault(
    70016, "authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."
)
SLOW_DOWN = Fault(
    70016, "slow_down", "OAuth 2.0 device flow error. Polling too often. Wait longer between requests."
)
BAD_DEVICE_CODE = Fault(70018, "bad_verification_code", "Invalid verification code.")
DEVICE_EXPIRED = Fault(70019, "expired_token", "The device code has expired.")
DEVICE_DECLINED = Fault(70017, "authorization_declined", "The user declined the request of the device.")
DEVICE_TOO_MANY = Fault(
    50196,
    "invalid_request",
    "Too many device codes were asked for from this address. Try again in ten minutes.",
)
INSTANCE = Fault(50049, "invalid_instance", "Unknown or invalid instance.")


def json_reply(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = NO_STORE) -> IssuerReply:
    """An answer in JSON; by default one that nobody may keep."""
    return IssuerReply(status, msgspec.json.encode(value), "application/json; charset=utf-8", list(headers))


def error_reply(error: OAuthError, now: Instant, request: IssuerRequest) -> IssuerReply:
    """The JSON answer of a refusal."""
    return json_reply(error_body(error, now, request), error.fault.status)


def error_body(error: OAuthError, now: Instant, request: IssuerRequest) -> dict[str, Any]:
    """The members of a refusal, as Entra words them; the trace id is that of our log."""
    timestamp = to_datetime(now).strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = request.request_id or new_guid(), request.correlation_id or new_guid()
    number = error.fault.number
    suberror = {"suberror": error.fault.suberror} if error.fault.suberror else {}
    return {
        "error": error.fault.error,
        "error_description": (
            f"{error.text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
        ),
        "error_codes": [number],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        **suberror,
    }


def base64url(data: bytes) -> str:
    """Without padding, as JOSE and PKCE have it (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _printable(text: str) -> str:
    """A value of the request as it may be quoted: short, on one line."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])
