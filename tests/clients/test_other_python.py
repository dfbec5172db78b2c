"""MSAL, plain HTTP, and clients that were told nothing at all, each as a program of its own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.clients.letters import check_short
from tests.clients.person import Person
from tests.clients.proxy import leading_to
from tests.clients.world import ADELE, ADELE_NAME, World, python_script

pytestmark = pytest.mark.slow

MIME = (
    "From: AdeleV@contoso.test\r\nTo: zoe@remote.example\r\nSubject: {subject}\r\n"
    "Date: Thu, 01 Jan 2026 08:09:10 +0100\r\nMessage-ID: <{subject}@contoso.test>\r\n\r\n.\r\nKept.\r\n"
)


def mime_file(directory: Path, subject: str) -> Path:
    file = directory / f"{subject}.eml"
    file.write_bytes(MIME.format(subject=subject).encode())
    return file


def test_msal_with_a_certificate_sends_json_and_mime(world: World, tmp_path: Path) -> None:
    mime = mime_file(tmp_path, "msal-mime")
    answers = world.python("msal_certificate.py", "Mit Zertifikat", mime)
    assert answers == [[202, "", None], [202, "", None]]
    mail = world.relay.wait_for("Mit Zertifikat")
    assert mail.recipients == ("zoe@remote.example",)
    (file,) = mail.message.iter_attachments()
    assert file.get_filename() == "größe.txt"
    assert file.get_payload(decode=True) == "fünf\n".encode()
    assert world.relay.wait_for("msal-mime").data == mime.read_bytes()


@pytest.mark.parametrize("how", ["code", "device"])
def test_msal_with_a_signed_in_user_sends_as_them(world: World, adele: Person, how: str) -> None:
    with world.talking(python_script("msal_user.py"), how, f"By {how}") as program:
        if how == "code":
            (address,) = program.hear("OPEN")
            program.say(f"http://localhost:5000/?{urlencode(adele.sign_in(address))}")
        else:
            code, address = program.hear("CODE")
            adele.enter_code(address, code)
        answer = program.answer()
    assert answer == {
        "statuses": [202, 202],
        "me": [ADELE_NAME, ADELE],
        "account": ADELE,
        "forbidden": [403, "ErrorAccessDenied"],
        "renewed": True,
    }
    for number in (1, 2):
        mail = world.relay.wait_for(f"By {how} {number}")
        assert mail.sender == ADELE
        assert mail.message["from"] == f"{ADELE_NAME} <{ADELE}>"


def test_plain_http_with_gzip_and_chunks(world: World, tmp_path: Path) -> None:
    mime = mime_file(tmp_path, "chunked-mime")
    seen = world.python("plain_http.py", "Plain", mime)
    assert seen["token"] == ["access_token", "expires_in", "ext_expires_in", "token_type"]
    assert seen["statuses"] == [202, 202, 202]
    assert seen["sent"][:3] == ["chunked-mime", "Plain SMTPUTF8", "Plain"]
    assert world.relay.wait_for("Plain").message.get_body(("html",)) is not None
    assert world.relay.wait_for("chunked-mime").data == mime.read_bytes()
    international = world.relay.wait_for("Plain SMTPUTF8")
    assert set(international.recipients) == {"jürgen@remote.example", "info@xn--bcher-kva.example"}


def test_a_password_sends_as_its_user(world: World) -> None:
    """msal asks for the user's realm at the authority's name without its port: the proxy stands in for port 443."""
    with leading_to(world.server.port) as (proxy, asked):
        assert world.python("sdk_credentials.py", "Short", "password", HTTPS_PROXY=proxy) == "done"
    assert "localhost:443" in asked
    check_short(world.relay.wait_for("Short password"), "password")


def test_a_client_that_knows_only_microsofts_names_is_served(world: World) -> None:
    with leading_to(world.server.port) as (proxy, asked):
        assert world.python("unchanged.py", "Unchanged", HTTPS_PROXY=proxy) == "done"
    assert set(asked) == {"login.microsoftonline.com:443", "graph.microsoft.com:443"}
    for who in ("application", "user"):
        assert world.relay.wait_for(f"Unchanged {who}").sender == ADELE
