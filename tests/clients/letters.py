"""The letter that every SDK sends, and what must have become of it on the wire and in the mailboxes."""

from __future__ import annotations

import hashlib
from email import message_from_bytes, policy
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.clients.relay import Delivered
from tests.clients.world import ADELE, ADELE_NAME, ALEX, ALEX_NAME

HTML = '<p>Größe: <b>5&nbsp;µm</b> — 寸法</p><img src="cid:logo@contoso.test" alt="logo">'
TO = [["Zoë Müller", "zoe@remote.example"], [ALEX_NAME, ALEX]]
CC = [["田中さくら", "sakura@remote.example"]]
BCC = [["The Archive", "archive@remote.example"]]
REPLY_TO = [["Büro, Erdgeschoß", "office@contoso.test"]]
FROM = [[ADELE_NAME, ADELE]]
HEADERS = [["x-order-number", "4711"], ["x-campaign", "spring; wave=2"]]
REMOTE = {"zoe@remote.example", "sakura@remote.example", "archive@remote.example"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def people(header: AddressHeader | None) -> list[list[str]]:
    return [[each.display_name, each.addr_spec] for each in header.addresses] if header is not None else []


def check_on_the_wire(mail: Delivered, subject: str, picture: Path, report: Path) -> None:
    """The envelope, and the letter in the bytes as the standard library reads them."""
    assert mail.sender == ADELE
    assert set(mail.recipients) == REMOTE
    assert len(mail.recipients) == len(REMOTE)
    assert b"archive@remote.example" not in mail.data
    assert max(map(len, mail.data.split(b"\r\n"))) <= 998
    check_content(mail.message, subject, picture, report)
    assert mail.message["bcc"] is None


def check_content(message: EmailMessage, subject: str, picture: Path, report: Path) -> None:
    assert not [part.defects for part in message.walk() if part.defects]
    assert message["subject"] == subject
    assert people(message["from"]) == FROM
    assert people(message["to"]) == TO
    assert people(message["cc"]) == CC
    assert people(message["reply-to"]) == REPLY_TO
    assert [[name, message[name]] for name, _ in HEADERS] == HEADERS
    assert message["importance"].lower() == "high"
    assert message["disposition-notification-to"] == f"{ADELE_NAME} <{ADELE}>"
    assert message["return-receipt-to"] == f"{ADELE_NAME} <{ADELE}>"
    html = message.get_body(("html",))
    assert html is not None
    assert html.get_content().rstrip("\r\n") == HTML
    text = message.get_body(("plain",))
    assert text is not None
    assert "Größe: 5\xa0µm — 寸法" in text.get_content() or "Größe: 5 µm — 寸法" in text.get_content()
    check_parts(message, picture, report)


def check_parts(message: EmailMessage, picture: Path, report: Path) -> None:
    """The attachments: the picture is where the HTML finds it, the file has its name and its bytes."""
    (logo,) = [part for part in message.walk() if part["content-id"] == "<logo@contoso.test>"]
    assert logo.get_content_type() == "image/png"
    assert logo.get_content_disposition() == "inline"
    assert logo.get_filename() == picture.name
    assert logo.get_payload(decode=True) == picture.read_bytes()
    (file,) = [part for part in message.walk() if part.get_content_disposition() == "attachment"]
    assert file.get_filename() == report.name
    assert file.get_payload(decode=True) == report.read_bytes()


def check_read_back(seen: dict[str, Any], subject: str, picture: Path, report: Path) -> None:
    """What an SDK reads of the letter, in either mailbox; Bcc is the caller's matter."""
    expected = {
        "subject": subject,
        "kind": "html",
        "from": FROM,
        "sender": FROM,
        "to": TO,
        "cc": CC,
        "reply_to": REPLY_TO,
        "importance": "high",
        "read_receipt": True,
        "is_draft": False,
        "has_attachments": True,
    }
    assert {name: seen[name] for name in expected} == expected
    assert "Größe" in seen["body"]
    assert "cid:logo@contoso.test" in seen["body"]
    own = dict(seen["headers"])
    assert [[name, own.get(name)] for name, _ in HEADERS] == HEADERS
    assert [each for each in seen["attachments"] if each["inline"]] == [
        {
            "class": "FileAttachment",
            "name": picture.name,
            "type": "image/png",
            "inline": True,
            "content_id": "logo@contoso.test",
            "sha256": sha256(picture.read_bytes()),
            "raw_sha256": sha256(picture.read_bytes()),
        }
    ]
    (file,) = [each for each in seen["attachments"] if not each["inline"]]
    assert (file["class"], file["name"]) == ("FileAttachment", report.name)
    assert file["sha256"] == file["raw_sha256"] == sha256(report.read_bytes())


def check_mime(file: Path, subject: str, picture: Path, report: Path, bcc: list[list[str]]) -> None:
    """What `$value` gave, saved in a file."""
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    check_content(message, subject, picture, report)  # type: ignore[arg-type]
    assert people(message["bcc"]) == bcc


def check_short(mail: Delivered, kind: str) -> None:
    """The short text that each credential sends."""
    assert mail.sender == ADELE
    assert mail.recipients == ("zoe@remote.example",)
    assert mail.message.get_content_type() == "text/plain"
    assert mail.message.get_content().replace("\r\n", "\n") == f"Grüße,\n.\n.von {kind}\n"


MIME = (
    "From: =?utf-8?q?Ad=C3=A8le?= <AdeleV@contoso.test>\r\n"
    "To: zoe@remote.example\r\n"
    "Bcc: archive@remote.example,\r\n hidden@remote.example\r\n"
    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n =?utf-8?q?_as_MIME_{id}?=\r\n"
    "Date: Thu, 01 Jan 2026 08:09:10 +0100\r\n"
    "Message-ID: <{id}@contoso.test>\r\n"
    "X-Signed:  kept\tas it is\r\n"
    "MIME-Version: 1.0\r\n"
    'Content-Type: multipart/signed; boundary="b"; protocol="application/pkcs7-signature"\r\n\r\n'
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "Grüße \r\n.\r\n..two dots\r\n\r\n"
    "--b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "AAECAw==\r\n--b--\r\n"
)
HIDDEN = "Bcc: archive@remote.example,\r\n hidden@remote.example\r\n"


def check_relayed(mail: Delivered, number: str) -> None:
    """The MIME message, every byte of it but Bcc."""
    assert mail.sender == ADELE
    assert set(mail.recipients) == {"zoe@remote.example", "archive@remote.example", "hidden@remote.example"}
    assert mail.data == MIME.format(id=number).replace(HIDDEN, "").encode()
