"""msgraph-sdk and azure-identity, as released, each run as a program of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.clients import letters
from tests.clients.person import Person
from tests.clients.world import ADELE, ALEX, NARROW, World

pytestmark = pytest.mark.slow
SUBJECT = "Angebot №7 – Größe ✓ 寸法, and so long that the line has to be folded somewhere 📎"


@pytest.fixture(scope="module")
def sent(world: World, picture: Path, report: Path) -> str:
    """The letter, sent with the SDK and delivered to everybody; its subject."""
    mark = world.server.output.mark()
    assert world.python("sdk_send.py", SUBJECT, picture, report) == {"answer": None}
    world.server.output.wait_for(f"(delivered|filed).*{ALEX}", mark)
    return SUBJECT


def test_the_letter_arrives_as_it_was_written(world: World, sent: str, picture: Path, report: Path) -> None:
    letters.check_on_the_wire(world.relay.wait_for(sent), sent, picture, report)


def test_the_letter_is_in_sent_items_with_its_bcc(
    world: World, sent: str, picture: Path, report: Path, tmp_path: Path
) -> None:
    seen = world.python("sdk_read.py", sent, ADELE, "sentitems", tmp_path / "sent.eml")
    letters.check_read_back(seen, sent, picture, report)
    assert seen["bcc"] == letters.BCC
    assert seen["delivery_receipt"] is True
    assert seen["message_id"] == world.relay.wait_for(sent).message["message-id"]
    letters.check_mime(tmp_path / "sent.eml", sent, picture, report, letters.BCC)


def test_the_letter_is_in_the_inbox_of_a_local_recipient_without_its_bcc(
    world: World, sent: str, picture: Path, report: Path, tmp_path: Path
) -> None:
    seen = world.python("sdk_read.py", sent, ALEX, "inbox", tmp_path / "inbox.eml")
    letters.check_read_back(seen, sent, picture, report)
    assert seen["bcc"] == []
    letters.check_mime(tmp_path / "inbox.eml", sent, picture, report, [])


KINDS = ("secret", "certificate", "certificate-with-chain", "async-secret", "async-certificate")


def test_every_credential_of_an_application_sends_and_none_saves(world: World, tmp_path: Path) -> None:
    world.python("sdk_credentials.py", "Short", *KINDS)
    for kind in KINDS:
        mail = world.relay.wait_for(f"Short {kind}")
        assert mail.sender == ADELE
        assert mail.recipients == ("zoe@remote.example",)
        assert mail.message.get_content_type() == "text/plain"
        assert mail.message.get_content().replace("\r\n", "\n") == f"Grüße,\n.\n.von {kind}\n"
    assert world.python("sdk_read.py", "Short secret", ADELE, "sentitems", tmp_path / "none.eml") is None


def test_a_device_code_sends_as_its_user(world: World, adele: Person) -> None:
    with world.talking("sdk_credentials.py", "Short", "device") as program:
        code, address = program.hear("CODE")
        adele.enter_code(address, code)
        assert program.answer() == "done"
    assert world.relay.wait_for("Short device").sender == ADELE


MIME = (
    "From: =?utf-8?q?Ad=C3=A8le?= <AdeleV@contoso.test>\r\n"
    "To: zoe@remote.example\r\n"
    "Bcc: archive@remote.example,\r\n hidden@remote.example\r\n"
    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n =?utf-8?q?_as_MIME?=\r\n"
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


def test_mime_is_relayed_byte_for_byte_but_for_bcc(world: World, tmp_path: Path) -> None:
    file = tmp_path / "message.eml"
    file.write_bytes(MIME.format(id="sdk").encode())
    assert world.python("sdk_mime.py", file) == "done"
    mail = world.relay.wait_for_bytes(b"<sdk@contoso.test>")
    assert mail.sender == ADELE
    assert set(mail.recipients) == {"zoe@remote.example", "archive@remote.example", "hidden@remote.example"}
    assert mail.data == MIME.format(id="sdk").replace(HIDDEN, "").encode()
    copy = tmp_path / "copy.eml"
    seen = world.python("sdk_read.py", "Grüße as MIME", ADELE, "sentitems", copy)
    assert copy.read_bytes() == file.read_bytes()
    assert [address for _, address in seen["bcc"]] == ["archive@remote.example", "hidden@remote.example"]
    assert seen["has_attachments"] is True


REFUSED = {
    "no recipients": (400, "ErrorInvalidRecipients"),
    "a bad address": (400, "ErrorInvalidRecipients"),
    "me without a user": (400, "BadRequest"),
    "a token nobody signed": (401, "InvalidAuthenticationToken"),
    "no permission": (403, "ErrorAccessDenied"),
    "no such user": (404, "ErrorInvalidUser"),
    "no such message": (400, "ErrorInvalidIdMalformed"),
    "a message of somebody else": (404, "ErrorItemNotFound"),
    "no such folder": (400, "ErrorInvalidIdMalformed"),
    "a bad filter": (400, "BadRequest"),
}


def test_refusals_are_the_sdks_own_exceptions_with_the_code_in_them(world: World, sent: str) -> None:
    seen = world.python("sdk_errors.py", NARROW=NARROW)
    assert {name: (it["status"], it["code"]) for name, it in seen["graph"].items()} == REFUSED
    assert "Never sent" not in [mail.subject for mail in world.relay.delivered]
    for refusal in seen["graph"].values():
        assert refusal["message"]
        assert len(refusal["request_id"]) == 36
        assert refusal["date"].startswith("20")
    assert "AADSTS7000215" in seen["token"]
