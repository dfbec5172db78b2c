"""Submission: who may sign in, as whom they may send, and that it goes the way of all mail that is sent here."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client import ADELE, ALEX, eventually
from tests.clients.relay import Relay, running_relay
from tests.inbound.test_server import DOMAIN

from graphpost.config import embedded_defaults, load
from graphpost.errors import ConfigurationError
from graphpost.testing.ports import free_port
from graphpost.testing.server import ServerThread, running_server
from graphpost.testing.smtp_peer import Received, SmtpPeer

LETTER = f"From: Adele <{ADELE}>\r\nTo: bob@far.test\r\nBcc: hidden@far.test\r\nSubject: %s\r\n\r\nSoup.\r\n"


class Place:
    """A server with a submission port, a relay behind it, and a host that speaks DSN."""

    def __init__(self, server: ServerThread, relay: Relay, peer: SmtpPeer, data: Path) -> None:
        self.server, self.relay, self.peer = server, relay, peer
        self.password = embedded_defaults(data).user_password
        self.port = server.config.inbound.submission_port
        self.context = ssl.create_default_context(cafile=server.ca_file)

    def connect(self, *, signed_in: bool = True) -> smtplib.SMTP:
        smtp = smtplib.SMTP("localhost", self.port)
        smtp.starttls(context=self.context)
        smtp.ehlo()
        if signed_in:
            smtp.login(ADELE, self.password)
        return smtp


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("submission")
    file, data = path / "settings.toml", path / "data"
    with running_relay() as relay, SmtpPeer() as peer:
        file.write_text(
            f'[tenant]\ndomains = ["{DOMAIN}"]\n[inbound]\nsubmission_port = {free_port()}\nport = {free_port()}\n'
            f'[[routes]]\ndomains = ["dsn.test"]\nto = "smtp://127.0.0.1:{peer.port}"\n'
            f'[[routes]]\ndomains = ["*"]\nto = "smtp://127.0.0.1:{relay.port}"\n'
        )
        with running_server(data, file=file) as server:
            yield Place(server, relay, peer, data)


def test_what_is_submitted_leaves_for_the_envelopes_recipients_without_its_bcc(place: Place) -> None:
    with place.connect() as smtp:
        refused = smtp.sendmail(
            ADELE, ["bob@far.test", "hidden@far.test", f"nobody@{DOMAIN}"], LETTER % "Submitted"
        )
    assert refused == {f"nobody@{DOMAIN}": (550, f"5.1.1 <nobody@{DOMAIN}>: no such mailbox here".encode())}
    sent = place.relay.wait_for("Submitted")
    assert sent.sender == ADELE
    assert set(sent.recipients) == {"bob@far.test", "hidden@far.test"}
    assert "Bcc" not in sent.message
    assert sent.message["Message-ID"].endswith(f"@{DOMAIN}>")
    assert " with ESMTPSA id " in sent.message["Received"]
    assert "for <" not in sent.message["Received"]


def test_only_recipients_of_the_envelope_get_it(place: Place) -> None:
    with place.connect() as smtp:
        smtp.sendmail(ADELE, ["other@far.test"], LETTER % "Envelope")
    assert place.relay.wait_for("Envelope").recipients == ("other@far.test",)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_both_mechanisms_sign_in(place: Place, mechanism: str) -> None:
    with place.connect(signed_in=False) as smtp:
        smtp.user, smtp.password = ADELE, place.password
        assert smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower()}"))[0] == 235
        assert smtp.docmd("AUTH PLAIN")[0] == 503


def test_without_a_password_nothing_is_taken(place: Place) -> None:
    with place.connect(signed_in=False) as smtp:
        assert smtp.docmd(f"MAIL FROM:<{ADELE}>") == (530, b"5.7.0 Authentication required")
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.login(ADELE, "wrong")
        assert refused.value.smtp_code == 535
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login("nobody@else.test", place.password)
        assert smtp.docmd(f"MAIL FROM:<{ADELE}>")[0] == 530


def test_a_password_is_not_taken_in_clear_text_nor_on_other_ports(place: Place) -> None:
    said = b64encode(f"\0{ADELE}\0{place.password}".encode()).decode()
    with smtplib.SMTP("localhost", place.port) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        assert smtp.docmd(f"AUTH PLAIN {said}")[0] == 538
    with smtplib.SMTP("localhost", place.server.config.inbound.port) as smtp:
        smtp.starttls(context=place.context)
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        assert smtp.docmd(f"AUTH PLAIN {said}")[0] == 502
    assert place.password not in place.server.output.getvalue()
    assert said not in place.server.output.getvalue()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("PLAIN", 334),
        ("PLAIN =", 501),
        ("PLAIN !!!", 501),
        ("PLAIN " + b64encode(b"no NULs").decode(), 501),
        ("PLAIN " + b64encode(b"other\0adele@example.test\0x").decode(), 501),
        ("PLAIN " + b64encode(b"\0\xff\0x").decode(), 501),
        ("XOAUTH2 x", 504),
        ("", 504),
    ],
)
def test_what_is_no_answer_is_refused(place: Place, said: str, code: int) -> None:
    with place.connect(signed_in=False) as smtp:
        assert smtp.docmd(f"AUTH {said}")[0] == code
        if code == 334:
            assert smtp.docmd("*")[0] == 501
        assert smtp.noop()[0] == 250


def test_nobody_sends_as_somebody_else(place: Place) -> None:
    with place.connect() as smtp:
        assert smtp.mail(ALEX)[0] == 553
        for header in (
            f"From: {ALEX}\r\n",
            f"From: {ADELE}\r\nSender: {ALEX}\r\n",
            f"From: {ADELE}, {ALEX}\r\n",
            "To: x\r\n",
        ):
            with pytest.raises(smtplib.SMTPDataError):
                smtp.sendmail(ADELE, ["bob@far.test"], f"{header}Subject: Forged\r\n\r\nx\r\n")
    assert not [mail for mail in place.relay.delivered if mail.subject == "Forged"]
    eventually(lambda: audited(place) == [(ADELE, 550, "5.7.1")] * 3 + [(ADELE, 553, "5.7.1")])


def audited(place: Place) -> list[tuple[str, int, str]]:
    """Who wanted to send as somebody else, the newest first."""
    records = administer(place, "audit?action=SMTP+AUTH&failed=true")["records"]
    return [(each["user"], each["status"], each["code"]) for each in records if each["status"] in (550, 553)]


def test_a_copy_is_in_sent_items_and_local_mail_arrives(place: Place) -> None:
    with place.connect() as smtp:
        smtp.sendmail(ADELE, [f"alex+x@{DOMAIN}"], LETTER % "Kept")
    data = place.server.config.data
    subjects = place.server.output.wait_for("filed message=.* mailbox=alex@example.test")
    assert "folder=inbox" in subjects
    assert (data / "spool").is_dir()


def came(place: Place, subject: bytes) -> Received:
    """The message that came to the peer with that, whatever else did."""

    def found() -> list[Received]:
        return [each for each in list(place.peer.messages) if subject in each.data]

    eventually(lambda: bool(found()))
    (message,) = found()
    return message


def test_what_is_asked_of_reports_is_handed_on(place: Place) -> None:
    with place.connect() as smtp:
        smtp.ehlo_or_helo_if_needed()
        assert smtp.mail(ADELE, ["RET=HDRS", "ENVID=id+2B1"])[0] == 250
        assert smtp.rcpt("eve@dsn.test", ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;e+2Bx@far.test"])[0] == 250
        assert smtp.rcpt("tom@dsn.test", ["NOTIFY=NEVER"])[0] == 250
        assert smtp.rcpt("EVE@dsn.test", ["NOTIFY=FAILURE"])[0] == 250
        assert smtp.rcpt("ann@dsn.test")[0] == 250
        assert smtp.data(LETTER % "Reports")[0] == 250
    sent = came(place, b"Subject: Reports")
    assert {"RET=HDRS", "ENVID=id+2B1"} <= set(sent.parameters)
    assert dict(zip(sent.recipients, sent.recipient_parameters, strict=True)) == {
        "eve@dsn.test": ("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;e+2Bx@far.test"),
        "tom@dsn.test": ("NOTIFY=NEVER",),
        "ann@dsn.test": (),
    }


def test_what_has_no_sender_leaves_without_one(place: Place) -> None:
    """A receipt, say: who gets it must not answer it, nor report on it (RFC 8098 §3)."""
    with place.connect() as smtp:
        assert smtp.mail("", ["ENVID=x"])[0] == 250
        assert smtp.rcpt("bob@dsn.test", ["NOTIFY=SUCCESS"])[0] == 250
        assert smtp.data(LETTER % "Read: Soup")[0] == 250
    sent = came(place, b"Subject: Read: Soup")
    assert (sent.sender, sent.recipient_parameters) == ("", ((),))


def test_the_postmaster_without_a_domain_is_the_one_here(place: Place) -> None:
    with place.connect() as smtp:
        assert smtp.mail(ADELE)[0] == 250
        assert smtp.rcpt("postmaster", ["NOTIFY=NEVER"])[0] == 250
        code, said = smtp.data(LETTER % "Complaint")
    assert code == 250
    number = said.decode().rpartition(" ")[2]
    assert ADELE in place.server.output.wait_for(f"(delivered|captured|failed|deferred) message={number} .*")


def test_a_submission_port_needs_tls(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[inbound]\nsubmission_port = 587\ntls = false\n")
    with pytest.raises(ConfigurationError, match=r"inbound\.submission_port"):
        load(file, data=tmp_path, environ={}, flags={})
    file.write_text(f"[server]\ntls = false\n[inbound]\nsubmission_port = {free_port()}\n")
    with (
        pytest.raises(ConfigurationError, match="needs a certificate"),
        running_server(tmp_path / "d", file=file),
    ):
        pass


def administer(place: Place, what: str, body: dict[str, object] | None = None) -> Any:
    token = (place.server.config.data / "admin.token").read_text().strip()
    request = urllib.request.Request(
        f"{place.server.url}/admin/{what}",
        json.dumps(body).encode() if body else None,
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="PATCH" if body else "GET",
    )
    with urllib.request.urlopen(request, context=place.context) as answer:
        return json.load(answer)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_who_is_disabled_sends_no_more_over_an_open_connection(place: Place, when: str) -> None:
    refused = (530, b"5.7.0 Authentication required")
    with place.connect() as smtp:
        smtp.sendmail(ADELE, ["bob@far.test"], LETTER % "Before")
        if when == "meanwhile":
            smtp.mail(ADELE)
            smtp.rcpt("bob@far.test")
        administer(place, f"mailboxes/{ADELE}", {"enabled": False})
        try:
            if when == "meanwhile":
                assert smtp.data(LETTER % "Meanwhile") == refused
            assert smtp.mail(ADELE) == refused
        finally:
            administer(place, f"mailboxes/{ADELE}", {"enabled": True})
        assert smtp.mail(ADELE)[0] == 530
