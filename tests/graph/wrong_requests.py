"""Requests that must be refused, with the exact status and code (and Graph's words, where they are known).

Data only: `check` runs them through anything that can send a request, the API alone or a server.  The other side has
the mailboxes AdeleV@contoso.com (alias adele@contoso.com) and AlexW@contoso.com.  Tokens are named: `user` is Adele's
with Mail.Send, `app` an application's with Mail.Send, `app-out-of-scope` one of an application that is let into Alex's
mailbox only; the others are wrong as they say; '' sends no Authorization.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NO_RECIPIENTS = (
    "At least one recipient is not valid., A message can't be sent because it contains no recipients."
)
BAD_JSON = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."
SEND_AS = (
    "The user account which was used to submit this request does not have the right to send mail on behalf of the "
    "specified sending account., Cannot submit message."
)
BAD_BASE64 = "Invalid base64 string for MIME content."
RAOP = "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings."


@dataclass(frozen=True)
class Wrong:
    """One request and its refusal; `message` None is not compared."""

    rule: str
    status: int
    code: str
    message: str | None = None
    body: bytes = b""
    path: str = "/v1.0/me/sendMail"
    method: str = "POST"
    content_type: str | None = "application/json"
    token: str = "user"
    query: str = ""


@dataclass(frozen=True)
class Refusal:
    """What came back."""

    status: int
    code: str
    message: str


def check(send: Callable[[Wrong], Refusal]) -> list[str]:
    """Send every request; one line for each that was not refused as it has to be."""
    faults = []
    for wrong in WRONG:
        refusal = send(wrong)
        if (refusal.status, refusal.code) != (wrong.status, wrong.code):
            faults.append(f"{wrong.rule}: {refusal}, not {wrong.status} {wrong.code}")
        elif wrong.message is not None and refusal.message != wrong.message:
            faults.append(f"{wrong.rule}: {refusal.message!r}, not {wrong.message!r}")
    return faults


FOLDERS = "/v1.0/me/mailFolders"
ID = "ErrorInvalidIdMalformed"


def folder_wrong(
    rule: str,
    status: int,
    code: str,
    body: bytes,
    message: str | None = None,
    *,
    path: str = FOLDERS,
    method: str = "POST",
    content_type: str = "application/json",
) -> Wrong:
    """A request of somebody who may change folders."""
    return Wrong(rule, status, code, message, body, path, method, content_type, "user-with-everything")


def to(*addresses: str) -> list[dict[str, Any]]:
    return [{"emailAddress": {"address": address}} for address in addresses]


def message(**properties: Any) -> bytes:
    """A sendMail body whose message would be right but for the properties given."""
    return json.dumps({"message": {"toRecipients": to("meganb@contoso.com"), **properties}}).encode()


def mime(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return base64.b64encode(data)


def unresolved(text: str) -> str:
    return (
        f"At least one recipient is not valid., Recipient '{text}' is not resolved. All recipients must be resolved "
        "before a message can be submitted."
    )


def node(found: str, name: str, wanted: str) -> str:
    return (
        f"An unexpected '{found}' node was found for property named '{name}' when reading from the JSON reader. "
        f"A '{wanted}' node was expected."
    )


def literal(text: str, edm: str) -> str:
    return f"Cannot convert the literal '{text}' to the expected type '{edm}'."


def segment(name: str) -> str:
    return f"Resource not found for the segment '{name}'."


def headers(*pairs: tuple[str, Any]) -> bytes:
    return message(internetMessageHeaders=[{"name": name, "value": value} for name, value in pairs])


def attached(**members: Any) -> bytes:
    return message(
        attachments=[{"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", **members}]
    )


def extended(**members: Any) -> bytes:
    return message(singleValueExtendedProperties=[members])


def flag(**members: Any) -> bytes:
    return message(flag=members)


def at(text: str, zone: str = "UTC") -> dict[str, str]:
    return {"dateTime": text, "timeZone": zone}


GOOD = message(subject="all is well with this one")
GOOD_MIME = mime("To: meganb@contoso.com\r\nSubject: s\r\n\r\nb\r\n")
MIME = {"content_type": "text/plain"}
DEEP = b'{"message":{"toRecipients":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
DEEP_ATTACHMENTS = b'{"message":' + b'{"a":[' * 80 + b"]}" * 80 + b"}"
READ, RECIPIENTS, HEADER = "RequestBodyRead", "ErrorInvalidRecipients", "InvalidInternetMessageHeader"
TOKEN, DENIED, SENDER = "InvalidAuthenticationToken", "ErrorAccessDenied", "ErrorSendAsDenied"
EXTENDED, REQUIRED = "ErrorInvalidExtendedProperty", "ErrorRequiredPropertyMissing"
SIZE = "ErrorMessageSizeExceeded"
MALFORMED, PROPERTIES = "ErrorInvalidIdMalformed", "ErrorInvalidPropertySet"
SET, EMPTY = "Set action is invalid for property.", "Empty Payload. JSON content expected."
DRAFTS, ONE, PATCHED = "/v1.0/me/messages", "/v1.0/me/messages/%7Bid%7D", b'{"subject":"s"}'
WRITER = {"token": "user-without-permission"}  # to send, that is; it may write
BASE64, NOT_MIME = "ErrorMimeContentInvalidBase64String", "ErrorMimeContentInvalid"

WRONG: tuple[Wrong, ...] = (
    # Tokens
    Wrong("no token", 401, TOKEN, "Access token is empty.", GOOD, token=""),
    Wrong("a token that is no JWT", 401, TOKEN, None, GOOD, token="garbage"),
    Wrong("a token of dots", 401, TOKEN, None, GOOD, token="dotted"),
    Wrong(
        "an expired token",
        401,
        TOKEN,
        "Lifetime validation failed, the token is expired.",
        GOOD,
        token="expired",
    ),
    Wrong("a token of tomorrow", 401, TOKEN, None, GOOD, token="not-yet"),
    Wrong(
        "a token for somebody else",
        401,
        TOKEN,
        "Access token validation failure. Invalid audience.",
        GOOD,
        token="audience",
    ),
    Wrong(
        "a token of an unknown issuer", 401, TOKEN, "Access token validation failure.", GOOD, token="issuer"
    ),
    Wrong(
        "a token signed by another key", 401, TOKEN, "Access token validation failure.", GOOD, token="forged"
    ),
    Wrong("no token and no such path", 401, TOKEN, "Access token is empty.", path="/v1.0/nowhere", token=""),
    Wrong(
        "a user without Mail.Send",
        403,
        DENIED,
        "Access is denied. Check credentials and try again.",
        GOOD,
        token="user-without-permission",
    ),
    Wrong(
        "an application without Mail.Send",
        403,
        DENIED,
        "Access is denied. Check credentials and try again.",
        GOOD,
        "/v1.0/users/AdeleV@contoso.com/sendMail",
        token="app-without-permission",
    ),
    Wrong(
        "an application outside its scope",
        403,
        DENIED,
        RAOP,
        GOOD,
        "/v1.0/users/AdeleV@contoso.com/sendMail",
        token="app-out-of-scope",
    ),
    Wrong(
        "an application as /me",
        400,
        "BadRequest",
        "/me request is only valid with delegated authentication flow.",
        GOOD,
        token="app",
    ),
    Wrong("another user's mailbox", 403, DENIED, None, GOOD, "/v1.0/users/AlexW@contoso.com/sendMail"),
    Wrong(
        "another user's mailbox through a device",
        403,
        DENIED,
        None,
        GOOD,
        "/beta/me/managedDevices/d/users/AlexW@contoso.com/sendMail",
    ),
    # Paths
    Wrong("an unknown segment", 400, "BadRequest", segment("nowhere"), GOOD, "/v1.0/me/nowhere"),
    Wrong("an unknown first segment", 400, "BadRequest", segment("you"), GOOD, "/v1.0/you/sendMail"),
    Wrong("a segment after an operation", 400, "BadRequest", segment("x"), GOOD, "/v1.0/me/sendMail/x"),
    Wrong("a user without a key", 400, "BadRequest", None, GOOD, "/v1.0/users('')/sendMail"),
    Wrong("an empty segment", 400, "BadRequest", segment(""), GOOD, "/v1.0/me//sendMail"),
    Wrong("a dot segment", 400, "BadRequest", segment(".."), GOOD, "/v1.0/me/../me/sendMail"),
    Wrong("an encoded dot segment", 400, "BadRequest", segment(".."), GOOD, "/v1.0/me/%2e%2E/me/sendMail"),
    Wrong("an encoded slash", 400, "BadRequest", segment("me/sendMail"), GOOD, "/v1.0/me%2FsendMail"),
    Wrong("broken percent-encoding", 400, "BadRequest", segment("%zz"), GOOD, "/v1.0/%zz/sendMail"),
    Wrong("a path that is not UTF-8", 400, "BadRequest", None, GOOD, "/v1.0/users/%ff%fe/sendMail"),
    Wrong("a NUL in a path", 400, "BadRequest", None, GOOD, "/v1.0/users/a%00b/sendMail"),
    Wrong("an operation of another namespace", 400, "BadRequest", None, GOOD, "/v1.0/me/evil.sendMail"),
    Wrong("an operation with a key", 400, "BadRequest", None, GOOD, "/v1.0/me/sendMail('x')"),
    Wrong("a path too long", 400, "BadRequest", None, GOOD, "/v1.0/users/" + "a" * 5000 + "/sendMail"),
    Wrong(
        "a route without a device", 400, "BadRequest", None, GOOD, "/beta/me/managedDevices/users/a/sendMail"
    ),
    Wrong(
        "an unknown user",
        404,
        "ErrorInvalidUser",
        "The requested user 'nobody@contoso.com' is invalid.",
        GOOD,
        "/v1.0/users/nobody%40contoso.com/sendMail",
        token="app",
    ),
    Wrong(
        "an alias as user key",
        404,
        "ErrorInvalidUser",
        "The requested user 'adele@contoso.com' is invalid.",
        GOOD,
        "/v1.0/users/adele@contoso.com/sendMail",
        token="app",
    ),
    Wrong(
        "a placeholder as user key",
        404,
        "ErrorInvalidUser",
        "The requested user '{{UserId}}' is invalid.",
        GOOD,
        "/v1.0/users/%7B%7BUserId%7D%7D/sendMail",
        token="app",
    ),
    Wrong("me as user key", 404, "ErrorInvalidUser", None, GOOD, "/v1.0/users/me/sendMail"),
    Wrong("GET of an action", 405, "BadRequest", None, method="GET"),
    Wrong("DELETE of an action", 405, "BadRequest", None, method="DELETE"),
    Wrong("an unknown method", 405, "BadRequest", None, GOOD, method="PROPFIND"),
    # Content types
    Wrong("HTML", 415, READ, None, GOOD, content_type="text/html"),
    Wrong("a form", 415, READ, None, b"message=x", content_type="application/x-www-form-urlencoded"),
    Wrong("bytes", 415, READ, None, GOOD, content_type="application/octet-stream"),
    Wrong("a content type that is none", 415, READ, None, GOOD, content_type="json"),
    Wrong(
        "no content type and no JSON",
        400,
        "BadRequest",
        "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
        b"hello",
        content_type=None,
    ),
    # JSON
    Wrong("nothing", 400, "BadRequest", "Empty Payload. JSON content expected."),
    Wrong(
        "nothing without a type",
        400,
        "BadRequest",
        "Empty Payload. JSON content expected.",
        content_type=None,
    ),
    Wrong("white space", 400, "BadRequest", "Empty Payload. JSON content expected.", b" \r\n\t"),
    Wrong("cut-off JSON", 400, "BadRequest", BAD_JSON, GOOD[:-1]),
    Wrong("text after JSON", 400, "BadRequest", BAD_JSON, GOOD + b"x"),
    Wrong("single quotes", 400, "BadRequest", BAD_JSON, b"{'message':{}}"),
    Wrong("a trailing comma", 400, "BadRequest", BAD_JSON, b'{"message":{},}'),
    Wrong("NaN", 400, "BadRequest", BAD_JSON, b'{"message":{"subject":NaN}}'),
    Wrong(
        "a number without end", 400, "BadRequest", BAD_JSON, b'{"message":{"subject":' + b"9" * 9000 + b"}}"
    ),
    Wrong("a number too large", 400, "BadRequest", BAD_JSON, b'{"message":{"subject":1e999}}'),
    Wrong("a lone surrogate", 400, "BadRequest", BAD_JSON, b'{"message":{"subject":"\\ud800"}}'),
    Wrong("a lone low surrogate in a name", 400, "BadRequest", BAD_JSON, b'{"message":{"\\udc00":1}}'),
    Wrong("bytes that are not UTF-8", 400, "BadRequest", BAD_JSON, b'{"message":{"subject":"\xff"}}'),
    Wrong("an encoded surrogate", 400, "BadRequest", BAD_JSON, b'{"message":{"subject":"\xed\xa0\x80"}}'),
    Wrong("UTF-16", 400, "BadRequest", BAD_JSON, GOOD.decode().encode("utf-16")),
    Wrong("a raw control character", 400, "BadRequest", BAD_JSON, b'{"message":{"subject":"a\x01b"}}'),
    Wrong("brackets without end", 400, "BadRequest", BAD_JSON, b"[" * 100_000),
    Wrong("nesting beyond recursion", 400, "BadRequest", BAD_JSON, DEEP),
    Wrong("nesting beyond the limit", 400, "BadRequest", None, DEEP_ATTACHMENTS),
    Wrong("an array", 400, "UnableToDeserializePostBody", "were unable to deserialize ", b"[]"),
    Wrong("null", 400, "UnableToDeserializePostBody", "were unable to deserialize ", b"null"),
    Wrong("a string", 400, "UnableToDeserializePostBody", "were unable to deserialize ", b'"message"'),
    Wrong("a number", 400, "UnableToDeserializePostBody", "were unable to deserialize ", b"42"),
    Wrong("an empty object", 400, READ, None, b"{}"),
    Wrong("parameters without message", 400, READ, None, b'{"saveToSentItems":true}'),
    Wrong("message null", 400, READ, None, b'{"message":null}'),
    Wrong(
        "message a string",
        400,
        READ,
        node("PrimitiveValue", "Message", "StartObject"),
        b'{"message":"hello"}',
    ),
    Wrong("message an array", 400, READ, node("StartArray", "Message", "StartObject"), b'{"message":[]}'),
    Wrong(
        "saveToSentItems a word",
        400,
        READ,
        literal("maybe", "Edm.Boolean"),
        GOOD[:-1] + b',"saveToSentItems":"maybe"}',
    ),
    Wrong(
        "saveToSentItems a number",
        400,
        READ,
        literal("1", "Edm.Boolean"),
        GOOD[:-1] + b',"saveToSentItems":1}',
    ),
    Wrong(
        "saveToSentItems an object",
        400,
        READ,
        node("StartObject", "SaveToSentItems", "PrimitiveValue"),
        GOOD[:-1] + b',"saveToSentItems":{}}',
    ),
    # Properties of the wrong type
    Wrong("subject a number", 400, READ, literal("7", "Edm.String"), message(subject=7)),
    Wrong("subject a boolean", 400, READ, literal("true", "Edm.String"), message(subject=True)),
    Wrong(
        "subject an object", 400, READ, node("StartObject", "subject", "PrimitiveValue"), message(subject={})
    ),
    Wrong("body a string", 400, READ, node("PrimitiveValue", "body", "StartObject"), message(body="hello")),
    Wrong("body an array", 400, READ, node("StartArray", "body", "StartObject"), message(body=["hello"])),
    Wrong(
        "body of an unknown type",
        400,
        READ,
        literal("markdown", "microsoft.graph.bodyType"),
        message(body={"contentType": "markdown", "content": "x"}),
    ),
    Wrong("content a number", 400, READ, literal("5", "Edm.String"), message(body={"content": 5})),
    Wrong(
        "an unknown importance",
        400,
        READ,
        literal("urgent", "microsoft.graph.importance"),
        message(importance="urgent"),
    ),
    Wrong(
        "importance a number", 400, READ, literal("2", "microsoft.graph.importance"), message(importance=2)
    ),
    Wrong(
        "an unknown inference",
        400,
        READ,
        literal("spam", "microsoft.graph.inferenceClassificationType"),
        message(inferenceClassification="spam"),
    ),
    Wrong(
        "a read receipt a word",
        400,
        READ,
        literal("yes", "Edm.Boolean"),
        message(isReadReceiptRequested="yes"),
    ),
    Wrong(
        "categories a string",
        400,
        READ,
        node("PrimitiveValue", "categories", "StartArray"),
        message(categories="a"),
    ),
    Wrong("a category a number", 400, READ, literal("3", "Edm.String"), message(categories=[3])),
    # Recipients
    Wrong("no recipients", 400, RECIPIENTS, NO_RECIPIENTS, b'{"message":{"subject":"x"}}'),
    Wrong("empty collections", 400, RECIPIENTS, NO_RECIPIENTS, message(toRecipients=[], ccRecipients=[])),
    Wrong("recipients null", 400, RECIPIENTS, NO_RECIPIENTS, message(toRecipients=None)),
    Wrong(
        "empty recipients",
        400,
        RECIPIENTS,
        NO_RECIPIENTS,
        message(toRecipients=[{}, {"emailAddress": {}}, None]),
    ),
    Wrong(
        "only replyTo", 400, RECIPIENTS, NO_RECIPIENTS, message(toRecipients=[], replyTo=to("a@contoso.com"))
    ),
    Wrong(
        "recipients an object",
        400,
        READ,
        node("StartObject", "toRecipients", "StartArray"),
        message(toRecipients=to("a@contoso.com")[0]),
    ),
    Wrong(
        "recipients strings",
        400,
        READ,
        node("PrimitiveValue", "toRecipients", "StartObject"),
        message(toRecipients=["a@contoso.com"]),
    ),
    Wrong(
        "emailAddress a string",
        400,
        READ,
        node("PrimitiveValue", "emailAddress", "StartObject"),
        message(toRecipients=[{"emailAddress": "a@contoso.com"}]),
    ),
    Wrong("an address a number", 400, READ, literal("5", "Edm.String"), message(toRecipients=to(5))),  # type: ignore[arg-type]
    Wrong("an address without at", 400, RECIPIENTS, unresolved("megan"), message(toRecipients=to("megan"))),
    Wrong(
        "an address without domain", 400, RECIPIENTS, unresolved("megan@"), message(toRecipients=to("megan@"))
    ),
    Wrong(
        "an address without local part",
        400,
        RECIPIENTS,
        unresolved("@x.org"),
        message(toRecipients=to("@x.org")),
    ),
    Wrong(
        "a list in one address",
        400,
        RECIPIENTS,
        unresolved("a@x.org;b@y.org"),
        message(toRecipients=to("a@x.org;b@y.org")),
    ),
    Wrong(
        "a comma list in one address",
        400,
        RECIPIENTS,
        unresolved("a@x.org,b@y.org"),
        message(toRecipients=to("a@x.org,b@y.org")),
    ),
    Wrong(
        "an address with a line break",
        400,
        RECIPIENTS,
        None,
        message(toRecipients=to("a@x.org\r\nBcc: e@v.il")),
    ),
    Wrong("an address with a NUL", 400, RECIPIENTS, None, message(ccRecipients=to("a\0@x.org"))),
    Wrong("an address with a space", 400, RECIPIENTS, None, message(bccRecipients=to("a b@x.org"))),
    Wrong("an address in angle brackets", 400, RECIPIENTS, None, message(toRecipients=to("<a@x.org>"))),
    Wrong("a name in the address", 400, RECIPIENTS, None, message(toRecipients=to("A <a@x.org>"))),
    Wrong(
        "an address too long",
        400,
        RECIPIENTS,
        None,
        message(toRecipients=to("a" * 60 + "@" + "b." * 150 + "org")),
    ),
    Wrong("two ats", 400, RECIPIENTS, None, message(toRecipients=to("a@b@x.org"))),
    Wrong(
        "a name without an address",
        400,
        RECIPIENTS,
        unresolved("Megan"),
        message(toRecipients=[{"emailAddress": {"name": "Megan"}}]),
    ),
    Wrong(
        "one bad among good",
        400,
        RECIPIENTS,
        unresolved("bad"),
        message(toRecipients=to("a@x.org", "bad", "b@x.org")),
    ),
    Wrong("a bad replyTo", 400, RECIPIENTS, unresolved("bad"), message(replyTo=to("bad"))),
    Wrong(
        "501 recipients",
        400,
        RECIPIENTS,
        None,
        message(toRecipients=to(*(f"u{n}@x.org" for n in range(501)))),
    ),
    # Senders
    Wrong("from somebody else", 403, SENDER, SEND_AS, message(**{"from": to("AlexW@contoso.com")[0]})),
    Wrong("from a stranger", 403, SENDER, SEND_AS, message(**{"from": to("boss@evil.example")[0]})),
    Wrong("sender somebody else", 403, SENDER, SEND_AS, message(sender=to("AlexW@contoso.com")[0])),
    Wrong(
        "an application from another mailbox",
        403,
        SENDER,
        SEND_AS,
        message(**{"from": to("AlexW@contoso.com")[0]}),
        "/v1.0/users/AdeleV@contoso.com/sendMail",
        token="app",
    ),
    Wrong("from no address", 400, RECIPIENTS, unresolved("me"), message(**{"from": to("me")[0]})),
    Wrong("from a list", 400, READ, None, message(**{"from": to("AdeleV@contoso.com")})),
    # Custom headers
    Wrong(
        "a header without x-",
        400,
        HEADER,
        "The internet message header name 'Reply-To' should start with 'x-' or 'X-'.",
        headers(("Reply-To", "a@x.org")),
    ),
    Wrong(
        "six headers",
        400,
        "InvalidInternetMessageHeaderCollection",
        "Maximum number of headers in one message should be less than or equal to 5.",
        headers(*((f"x-h{n}", "v") for n in range(6))),
    ),
    Wrong("a header name without value", 400, HEADER, None, headers(("x-a", None))),
    Wrong("a header value without name", 400, HEADER, None, headers(("", "v"))),
    Wrong("a header value with a line break", 400, HEADER, None, headers(("x-a", "v\r\nBcc: e@v.il"))),
    Wrong("a header value with a folded break", 400, HEADER, None, headers(("x-a", "v\r\n w"))),
    Wrong("a header value with a bare LF", 400, HEADER, None, headers(("x-a", "v\nw"))),
    Wrong("a header value with a NUL", 400, HEADER, None, headers(("x-a", "v\0"))),
    Wrong("a header name with a line break", 400, HEADER, None, headers(("x-a\r\nBcc", "v"))),
    Wrong("a header name with a colon", 400, HEADER, None, headers(("x-a:b", "v"))),
    Wrong("a header name with a space", 400, HEADER, None, headers(("x-a b", "v"))),
    Wrong("a header name that is not ASCII", 400, HEADER, None, headers(("x-ä", "v"))),
    Wrong("a header name of x-", 400, HEADER, None, headers(("x-", "v"))),
    Wrong("a header name too long", 400, HEADER, None, headers(("x-" + "a" * 254, "v"))),
    Wrong("headers an object", 400, READ, None, message(internetMessageHeaders={"x-a": "v"})),
    # Flags
    Wrong(
        "a due date without start",
        400,
        "ErrorInvalidRequest",
        None,
        flag(dueDateTime=at("2026-01-01T00:00:00")),
    ),
    Wrong("a flag date that is none", 400, READ, None, flag(startDateTime=at("tomorrow"))),
    Wrong("a thirteenth month", 400, READ, None, flag(startDateTime=at("2026-13-01T00:00:00"))),
    Wrong("a flag date with an offset", 400, READ, None, flag(startDateTime=at("2026-01-01T00:00:00+02:00"))),
    Wrong("a zone without a time", 400, READ, None, flag(startDateTime={"timeZone": "UTC"})),
    Wrong(
        "an unknown time zone",
        400,
        "TimeZoneNotSupportedException",
        "A valid TimeZone value must be specified. The following TimeZone value is not supported: 'Middle Earth'.",
        flag(startDateTime=at("2026-01-01T00:00:00", "Middle Earth")),
    ),
    Wrong(
        "a path as time zone",
        400,
        "TimeZoneNotSupportedException",
        None,
        flag(startDateTime=at("2026-01-01T00:00", "../../etc/passwd")),
    ),
    Wrong(
        "an unknown flag status",
        400,
        READ,
        literal("red", "microsoft.graph.followupFlagStatus"),
        flag(flagStatus="red"),
    ),
    Wrong(
        "a flag that is a word",
        400,
        READ,
        node("PrimitiveValue", "flag", "StartObject"),
        message(flag="flagged"),
    ),
    # Extended properties
    Wrong("an extended id that is none", 400, EXTENDED, None, extended(id="subject", value="x")),
    Wrong("an extended id of an unknown type", 400, EXTENDED, None, extended(id="Text 0x37", value="x")),
    Wrong("an extended id without a tag", 400, EXTENDED, None, extended(value="x")),
    Wrong("an array type as single value", 400, EXTENDED, None, extended(id="StringArray 0x37", value="x")),
    Wrong(
        "a GUID with half its braces",
        400,
        EXTENDED,
        None,
        extended(id="String {00020386-0000-0000-C000-000000000046 Name a", value="x"),
    ),
    Wrong(
        "a line break in an extended name",
        400,
        EXTENDED,
        None,
        extended(id="String {00020386-0000-0000-C000-000000000046} Name a\r\nb", value="x"),
    ),
    Wrong(
        "an integer that is none",
        400,
        "ErrorInvalidExtendedPropertyValue",
        None,
        extended(id="Integer 0x36", value="two"),
    ),
    Wrong(
        "a time that is none",
        400,
        "ErrorInvalidExtendedPropertyValue",
        None,
        extended(id="SystemTime 0x3FEF", value="soon"),
    ),
    # Attachments
    Wrong(
        "attachments an object",
        400,
        READ,
        node("StartObject", "attachments", "StartArray"),
        message(attachments={}),
    ),
    Wrong("an attachment null", 400, READ, None, message(attachments=[None])),
    Wrong("an attachment without a type", 400, READ, None, message(attachments=[{"name": "a"}])),
    Wrong(
        "an attachment of an unknown type",
        400,
        READ,
        None,
        message(attachments=[{"@odata.type": "#microsoft.graph.user"}]),
    ),
    Wrong("a file without bytes", 400, REQUIRED, None, attached()),
    Wrong("a file with null bytes", 400, REQUIRED, None, attached(contentBytes=None)),
    Wrong("bytes that are not base64", 400, READ, literal("!!!", "Edm.Binary"), attached(contentBytes="!!!")),
    Wrong(
        "base64 without padding",
        400,
        READ,
        literal("SGVsbG8", "Edm.Binary"),
        attached(contentBytes="SGVsbG8"),
    ),
    Wrong("base64url", 400, READ, literal("_-8=", "Edm.Binary"), attached(contentBytes="_-8=")),
    Wrong("base64 with text after it", 400, READ, None, attached(contentBytes="SGVsbG8=SGVs")),
    Wrong("bytes as numbers", 400, READ, None, attached(contentBytes=[72, 101])),
    Wrong(
        "isInline a word",
        400,
        READ,
        literal("nope", "Edm.Boolean"),
        attached(contentBytes="", isInline="nope"),
    ),
    Wrong(
        "an item attachment without item",
        400,
        REQUIRED,
        None,
        message(attachments=[{"@odata.type": "#microsoft.graph.itemAttachment"}]),
    ),
    Wrong(
        "an attached event",
        400,
        "ErrorInvalidRequest",
        None,
        message(
            attachments=[
                {
                    "@odata.type": "#microsoft.graph.itemAttachment",
                    "item": {"@odata.type": "#microsoft.graph.event"},
                }
            ]
        ),
    ),
    Wrong(
        "a bad recipient in an attached message",
        400,
        RECIPIENTS,
        unresolved("bad"),
        message(
            attachments=[
                {"@odata.type": "#microsoft.graph.itemAttachment", "item": {"toRecipients": to("bad")}}
            ]
        ),
    ),
    Wrong(
        "a reference without a URL",
        400,
        REQUIRED,
        None,
        message(attachments=[{"@odata.type": "#microsoft.graph.referenceAttachment", "name": "x"}]),
    ),
    # Sizes
    Wrong("a subject longer than a header", 400, SIZE, None, message(subject="s" * 300_000)),
    Wrong("header values longer than a header", 400, SIZE, None, headers(("x-a", "v" * 300_000))),
    Wrong(
        "names longer than a header",
        400,
        SIZE,
        None,
        message(toRecipients=[{"emailAddress": {"address": "a@x.org", "name": "n" * 300_000}}]),
    ),
    Wrong("1001 attachments", 400, SIZE, None, message(attachments=[{"contentBytes": ""}] * 1001)),
    # MIME
    Wrong("MIME that is not base64", 400, BASE64, BAD_BASE64, b"From: AdeleV@contoso.com\r\n\r\nhi", **MIME),
    Wrong("JSON as MIME", 400, BASE64, BAD_BASE64, GOOD, **MIME),
    Wrong(
        "MIME cut off",
        400,
        BASE64,
        BAD_BASE64,
        GOOD_MIME[:-1] if GOOD_MIME.endswith(b"=") else GOOD_MIME[:-2],
        **MIME,
    ),
    Wrong("base64url MIME", 400, BASE64, BAD_BASE64, b"-_" + GOOD_MIME[2:], **MIME),
    Wrong(
        "MIME with a foreign character", 400, BASE64, BAD_BASE64, GOOD_MIME[:8] + b"*" + GOOD_MIME[8:], **MIME
    ),
    Wrong("no MIME at all", 400, NOT_MIME, None, b"", **MIME),
    Wrong(
        "MIME without header fields", 400, NOT_MIME, None, mime(b"\x00\x01\x02 nothing of a message"), **MIME
    ),
    Wrong(
        "MIME with a header too long",
        400,
        NOT_MIME,
        None,
        mime("To: a@x.org\r\nX-A: " + "v" * 300_000 + "\r\n\r\nb"),
        **MIME,
    ),
    Wrong("MIME to nobody", 400, RECIPIENTS, NO_RECIPIENTS, mime("Subject: x\r\n\r\nb"), **MIME),
    Wrong(
        "MIME to an empty group",
        400,
        RECIPIENTS,
        NO_RECIPIENTS,
        mime("To: undisclosed-recipients:;\r\n\r\nb"),
        **MIME,
    ),
    Wrong("MIME to no address", 400, RECIPIENTS, None, mime("To: megan\r\n\r\nb"), **MIME),
    Wrong(
        "MIME to 501",
        400,
        RECIPIENTS,
        None,
        mime("To: " + ",\r\n ".join(f"u{n}@x.org" for n in range(501)) + "\r\n\r\nb"),
        **MIME,
    ),
    Wrong(
        "MIME from somebody else",
        403,
        SENDER,
        SEND_AS,
        mime("From: AlexW@contoso.com\r\nTo: a@x.org\r\n\r\nb"),
        **MIME,
    ),
    Wrong(
        "MIME with a foreign sender",
        403,
        SENDER,
        SEND_AS,
        mime("From: AdeleV@contoso.com\r\nSender: boss@evil.example\r\nTo: a@x.org\r\n\r\nb"),
        **MIME,
    ),
    Wrong(
        "MIME from two",
        403,
        SENDER,
        SEND_AS,
        mime("From: AdeleV@contoso.com, boss@evil.example\r\nTo: a@x.org\r\n\r\nb"),
        **MIME,
    ),
    Wrong(
        "MIME with two From fields",
        403,
        SENDER,
        SEND_AS,
        mime("From: AdeleV@contoso.com\r\nFrom: boss@evil.example\r\nTo: a@x.org\r\n\r\nb"),
        **MIME,
    ),
    Wrong(
        "MIME from nobody that can be read",
        403,
        SENDER,
        SEND_AS,
        mime("From: the boss\r\nTo: a@x.org\r\n\r\nb"),
        **MIME,
    ),
    # Folders
    Wrong(
        "a folder without a permission for it",
        403,
        "ErrorAccessDenied",
        None,
        b'{"displayName":"x"}',
        FOLDERS,
    ),
    folder_wrong("a folder of no body", 400, "BadRequest", b"", "Empty Payload. JSON content expected."),
    folder_wrong("a folder of broken JSON", 400, "BadRequest", b"{", BAD_JSON),
    folder_wrong("a folder of an array", 400, "UnableToDeserializePostBody", b"[]"),
    folder_wrong("a folder without a name", 400, "ErrorInvalidParameter", b"{}"),
    folder_wrong("a folder of a null name", 400, "ErrorInvalidParameter", b'{"displayName":null}'),
    folder_wrong("a folder of an empty name", 400, "ErrorInvalidParameter", b'{"displayName":" \\n"}'),
    folder_wrong(
        "a folder of a long name", 400, "ErrorInvalidParameter", b'{"displayName":"' + b"x" * 256 + b'"}'
    ),
    folder_wrong("a folder whose name is a number", 400, "RequestBodyRead", b'{"displayName":1}'),
    folder_wrong("a folder hidden somehow", 400, "RequestBodyRead", b'{"displayName":"x","isHidden":"so"}'),
    folder_wrong(
        "a search folder",
        400,
        "NotSupported",
        b'{"@odata.type":"microsoft.graph.mailSearchFolder","displayName":"x"}',
    ),
    folder_wrong(
        "a folder as text",
        400,
        "UnableToDeserializePostBody",
        b'{"displayName":"x"}',
        content_type="text/plain",
    ),
    folder_wrong(
        "a folder in no folder", 400, ID, b'{"displayName":"x"}', path=f"{FOLDERS}/nosuch/childFolders"
    ),
    folder_wrong(
        "a default folder renamed",
        403,
        "ErrorAccessDenied",
        b'{"displayName":"x"}',
        path=f"{FOLDERS}/inbox",
        method="PATCH",
    ),
    folder_wrong(
        "a default folder deleted",
        400,
        "ErrorDeleteDistinguishedFolder",
        b"",
        "Distinguished folders cannot be deleted.",
        path=f"{FOLDERS}/SentItems",
        method="DELETE",
    ),
    folder_wrong(
        "a default folder deleted for good",
        400,
        "ErrorDeleteDistinguishedFolder",
        b"",
        path=f"{FOLDERS}('drafts')/microsoft.graph.permanentDelete",
    ),
    folder_wrong(
        "the root moved",
        400,
        "ErrorMoveDistinguishedFolder",
        b'{"destinationId":"inbox"}',
        "Cannot move distinguished folder.",
        path=f"{FOLDERS}/msgfolderroot/move",
    ),
    folder_wrong("a folder moved nowhere", 400, "RequestBodyRead", b"{}", path=f"{FOLDERS}/inbox/move"),
    folder_wrong(
        "a folder copied to no folder", 400, ID, b'{"destinationId":"nosuch"}', path=f"{FOLDERS}/inbox/copy"
    ),
    folder_wrong("a folder put", 405, "BadRequest", b"{}", path=f"{FOLDERS}/inbox", method="PUT"),
    # Drafts
    Wrong("a draft by a token that may only send", 403, DENIED, None, PATCHED, DRAFTS),
    Wrong("a broken draft", 400, "BadRequest", BAD_JSON, b'{"subject":', DRAFTS, **WRITER),
    Wrong("a draft that is a list", 400, "UnableToDeserializePostBody", None, b"[]", DRAFTS, **WRITER),
    Wrong("a draft of nothing", 400, "BadRequest", EMPTY, b"", DRAFTS, **WRITER),
    Wrong(
        "a draft to no address",
        400,
        RECIPIENTS,
        unresolved("bad"),
        json.dumps({"toRecipients": to("bad")}).encode(),
        DRAFTS,
        **WRITER,
    ),
    Wrong(
        "a draft in no folder",
        400,
        MALFORMED,
        None,
        PATCHED,
        "/v1.0/me/mailFolders/nowhere/messages",
        **WRITER,
    ),
    Wrong("a draft as XML", 415, READ, None, b"<m/>", DRAFTS, **WRITER | {"content_type": "text/xml"}),
    Wrong(
        "a MIME draft that is not base64", 400, BASE64, BAD_BASE64, b"To: a@x.org", DRAFTS, **WRITER | MIME
    ),
    Wrong("a MIME draft that is no message", 400, NOT_MIME, None, mime(b"\0\0"), DRAFTS, **WRITER | MIME),
    Wrong("a draft put", 405, "BadRequest", None, PATCHED, DRAFTS, **WRITER | {"method": "PUT"}),
    # Changing
    Wrong("a change without permission", 403, DENIED, None, PATCHED, ONE, "PATCH"),
    Wrong("a change of nothing", 400, "BadRequest", EMPTY, b"", ONE, "PATCH", **WRITER),
    Wrong("a change as MIME", 415, READ, None, GOOD_MIME, ONE, "PATCH", **WRITER | MIME),
    Wrong("a change of isDraft", 400, PROPERTIES, SET, b'{"isDraft":false}', ONE, "PATCH", **WRITER),
    Wrong("a change of attachments", 400, PROPERTIES, SET, b'{"attachments":[]}', ONE, "PATCH", **WRITER),
    Wrong("a change of what there is not", 400, READ, None, b'{"colour":"red"}', ONE, "PATCH", **WRITER),
    Wrong("a change to no boolean", 400, READ, None, b'{"isRead":"maybe"}', ONE, "PATCH", **WRITER),
    Wrong(
        "a change to a foreign author",
        403,
        SENDER,
        SEND_AS,
        json.dumps({"from": to("boss@evil.example")[0]}).encode(),
        ONE,
        "PATCH",
        **WRITER,
    ),
    Wrong("a change of no message", 400, MALFORMED, "Id is malformed.", PATCHED, ONE, "PATCH", **WRITER),
    # Moving and sending
    Wrong("a move to nowhere", 400, READ, None, b"{}", ONE + "/move", **WRITER),
    Wrong("a move to null", 400, READ, None, b'{"destinationId":null}', ONE + "/move", **WRITER),
    Wrong("a copy to no folder", 400, MALFORMED, None, b'{"DestinationId":"x"}', ONE + "/copy", **WRITER),
    Wrong("a move without permission", 403, DENIED, None, b"{}", ONE + "/move"),
    Wrong("a deletion of no message", 400, MALFORMED, None, b"", ONE, "DELETE", **WRITER),
    Wrong("a deletion for good of no message", 400, MALFORMED, None, b"", ONE + "/permanentDelete", **WRITER),
    Wrong("a sending of no message", 400, MALFORMED, "Id is malformed.", b"", ONE + "/send"),
    Wrong("a sending without permission", 403, DENIED, None, b"", ONE + "/send", **WRITER),
    Wrong("a sending asked for", 405, "BadRequest", None, b"", ONE + "/send", "GET"),
)
