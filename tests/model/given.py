"""What clients write, at random, and how it is shown."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st
from tests.model.asking import SUBJECTS
from tests.model.mailbox import UNFLAGGED, File, recipient

PICK = st.integers(0, 10_000)
BOX = st.integers(0, 1)
NAMES = ("a", "A", "b", "Übung", "übung", "Inbox", "x" * 255)
PEOPLE = (
    *("zoe@one.test", "ZOE@ONE.TEST", "bo@two.test", "cy@elsewhere.example", "nobody@contoso.test"),
    *("AdeleV@contoso.com", "adele@contoso.com", "AlexW@contoso.com"),
)
SOMEBODY = st.builds(recipient, st.sampled_from(PEOPLE), st.sampled_from(("", "Zoë, the first", 'Bo "B" O')))
CROWD = st.lists(SOMEBODY, max_size=3)
PREVIEWS = {
    "Soup.": "Soup.",
    "": "",
    "One line\r\nand another": "One line\r\nand another",
    "<p>Soup &amp; <b>fish</b></p>": "Soup & fish",
    '<p>Look</p><img src="cid:logo@x">': "Look",
}
BODIES = st.sampled_from(tuple(PREVIEWS)).map(
    lambda text: {"contentType": "html" if text.startswith("<") else "text", "content": text}
)
PAGE = '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>{}</body></html>'
PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    "subject": st.sampled_from(SUBJECTS),
    "body": BODIES,
    "toRecipients": CROWD,
    "ccRecipients": CROWD,
    "bccRecipients": CROWD,
    "replyTo": st.lists(SOMEBODY, max_size=1),
    "importance": st.sampled_from(("low", "normal", "high")),
    "categories": st.lists(st.sampled_from(("Red", "Blue", "Größe")), max_size=2, unique=True),
    "isRead": st.booleans(),
    "flag": st.sampled_from(("notFlagged", "complete", "flagged")).map(lambda word: {"flagStatus": word}),
    "inferenceClassification": st.sampled_from(("focused", "other")),
    "isReadReceiptRequested": st.booleans(),
    "isDeliveryReceiptRequested": st.booleans(),
    "internetMessageId": st.sampled_from(("<mine@one.test>", "<other.1@two.test>")),
}
NEW = st.fixed_dictionaries({}, optional=PROPERTIES)
UNSET = {
    "subject": "",
    "body": {"contentType": "text", "content": ""},
    "toRecipients": [],
    "ccRecipients": [],
    "bccRecipients": [],
    "replyTo": [],
    "importance": "normal",
    "categories": [],
    "isRead": True,
    "flag": UNFLAGGED,
    "inferenceClassification": "focused",
    "isReadReceiptRequested": False,
    "isDeliveryReceiptRequested": False,
    "from": None,
    "sender": None,
}
GIVEN = {
    "a.txt": ("text/plain", False, "", b"hello"),
    "größe.bin": ("application/octet-stream", False, "", bytes(range(256)) * 30),
    "logo.png": ("image/png", True, "logo@x", b"\x89PNG picture"),
    "empty.csv": ("text/csv", False, "", b""),
    "large.bin": ("application/octet-stream", False, "", b"\0\x01large" * 20_000),
}
FILE = st.sampled_from(sorted(GIVEN))
FILES = st.lists(FILE, max_size=2)
MIMES = {
    "plain": b"From: AdeleV@contoso.com\r\nTo: zoe@one.test, adele@contoso.com\r\nBcc: bo@two.test\r\n"
    b"Subject: From MIME\r\nMessage-ID: <mime@one.test>\r\nImportance: high\r\n\r\nSoup.\r\n",
    "parts": b"From: Bo <bo@two.test>\r\nTo: AlexW@contoso.com\r\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="m"\r\n\r\n--m\r\n'
    b"Content-Type: text/html\r\n\r\n<p>Soup</p>\r\n"
    b'--m\r\nContent-Type: text/csv; name="a.csv"\r\nContent-Disposition: attachment; filename=a.csv\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nYSxiCg==\r\n--m--\r\n",
}
IN_REPORTS = {"message/delivery-status", "text/rfc822-headers"}
CSV = File("a.csv", "text/csv", sha256(b"a,b\n").hexdigest())


def attachment(name: str) -> dict[str, Any]:
    content_type, inline, content_id, data = GIVEN[name]
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": name,
        "contentType": content_type,
        "isInline": inline,
        "contentId": content_id,
        "contentBytes": base64.b64encode(data).decode(),
    }


def files_meant(files: list[str]) -> tuple[File, ...]:
    return tuple(
        File(name, content_type, sha256(data).hexdigest(), inline, content_id)
        for name, (content_type, inline, content_id, data) in ((each, GIVEN[each]) for each in files)
    )


def completed(seen: dict[str, Any], files: list[str] | None = None) -> dict[str, Any]:
    """With what follows from body and attachments; HTML is shown as a page."""
    body = dict(seen["body"])
    preview = PREVIEWS[body["content"]]
    if body["contentType"] == "html":
        body["content"] = PAGE.format(body["content"])
    more = {} if files is None else {"hasAttachments": any(not GIVEN[each][1] for each in files)}
    return {**seen, "body": body, "bodyPreview": preview, **more}


def seen_of_mime(which: str) -> dict[str, Any]:
    if which == "plain":
        author = recipient("AdeleV@contoso.com")
        return {
            "subject": "From MIME",
            "from": author,
            "sender": author,
            "toRecipients": [recipient("zoe@one.test"), recipient("adele@contoso.com")],
            "bccRecipients": [recipient("bo@two.test")],
            "importance": "high",
            "internetMessageId": "<mime@one.test>",
            "hasAttachments": False,
        }
    author = recipient("bo@two.test", "Bo")
    return {
        "subject": "Größe",
        "from": author,
        "sender": author,
        "toRecipients": [recipient("AlexW@contoso.com")],
        "hasAttachments": True,
    }
