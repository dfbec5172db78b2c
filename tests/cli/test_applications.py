"""`graphpost app` and `graphpost keys`, without a server: credentials, consents, disabling, signing keys."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from graphpost.auth.key_files import add_key
from graphpost.clock import SECOND, SystemClock


@pytest.fixture
def app(graphpost: Any) -> str:
    added = graphpost.json(
        "app",
        "add",
        "Invoices",
        "--delegated",
        "Mail.Send",
        "--delegated",
        "Mail.Read",
        "--mailbox",
        "group:X",
    )
    return str(added["client_id"])


def certificate(path: Path, *, key: Any = None, days: int = 30) -> Path:
    key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "invoices")])
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    start = end - datetime.timedelta(days=60)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(start).not_valid_after(end)
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("more", "has_secret"),
    [
        ((), False),
        (("--redirect-uri", "https://app.test/back"), True),
        (("--permission", "Mail.Send"), True),
        (("--permission", "Mail.Send", "--public"), False),
    ],
)
def test_what_lives_in_pages_alone_gets_no_secret(
    graphpost: Any, more: tuple[str, ...], has_secret: bool
) -> None:
    uri = "http://localhost:3000/"
    added = graphpost.json("app", "add", "Letters", "--spa-redirect-uri", uri, *more)
    assert ("secret" in added, added["spa_redirect_uris"]) == (has_secret, [uri])
    assert graphpost.json("app", "list")[0]["spa_redirect_uris"] == [uri]


def test_credentials_are_added_beside_others_and_removed(graphpost: Any, app: str, tmp_path: Path) -> None:
    second = graphpost.json("app", "secret", app.upper(), "--days", "90")
    third = graphpost.json("app", "certificate", app, str(certificate(tmp_path / "c.pem")))
    kept = graphpost.json("app", "credentials", app)
    assert sorted(each["kind"] for each in kept) == ["certificate", "secret", "secret"]
    assert {each["id"]: each["expires"] for each in kept}[third["id"]] == third["expires"] != ""
    lines = graphpost("app", "credentials", app)[1].splitlines()
    assert lines[0].split() == ["ID", "KIND", "EXPIRES", "FROM"]
    assert sum(" never " in line for line in lines) == 1
    assert (
        graphpost("app", "remove-credential", app, third["id"])[1] == f"certificate {third['id']} removed\n"
    )
    assert graphpost("app", "remove-credential", app, second["id"][:12])[0] == 0
    assert len(graphpost.json("app", "credentials", app)) == 1


def test_applications_are_disabled_and_enabled(graphpost: Any, app: str) -> None:
    assert graphpost("app", "disable", app)[1] == f"{app} disabled\n"
    assert graphpost.json("app", "list")[0]["enabled"] is False
    assert graphpost("app", "enable", app)[1] == f"{app} enabled\n"
    assert graphpost.json("app", "list")[0]["enabled"] is True


def test_an_administrators_consent_is_everybodys(graphpost: Any, app: str) -> None:
    assert graphpost("app", "consents")[1] == "Nobody consented to anything.\n"
    made = graphpost.json("app", "consent", app, "--scope", "Mail.Send")
    openid = ["email", "offline_access", "openid", "profile"]
    assert (made["user"], made["scopes"]) == ("everybody", ["Mail.Send", *openid])
    assert graphpost.json("app", "consent", app)["scopes"] == ["Mail.Read", "Mail.Send", *openid]
    (shown,) = graphpost.json("app", "consents", app)
    assert (shown["client_id"], shown["name"], bool(shown["consented"])) == (app, "Invoices", True)
    assert app in graphpost("app", "consents")[1]
    assert graphpost("app", "revoke-consent", app)[1] == f"everybody to {app}: revoked\n"
    assert graphpost.json("app", "consents") == []


def test_what_cannot_be_done_is_said_in_a_line(graphpost: Any, app: str, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("x")
    (tmp_path / "der.cer").write_bytes(b"\x30\x82\xff")
    wrong = certificate(tmp_path / "ec.pem", key=ec.generate_private_key(ec.SECP256R1()))
    over = certificate(tmp_path / "over.pem", days=-1)
    for arguments, problem in (
        (["disable", "nobody"], "there is no application nobody"),
        (["secret", "nobody"], "there is no application nobody"),
        (["credentials", "nobody"], "there is no application nobody"),
        (["remove-credential", app, "zz"], "has no credentials zz"),
        (["certificate", app, str(tmp_path / "gone.pem")], "gone.pem: No such file or directory"),
        (["certificate", app, str(tmp_path / "der.cer")], "der.cer: not a readable PEM certificate"),
        (["certificate", app, str(tmp_path / "none.pem")], "pem: not a readable PEM certificate"),
        (["certificate", app, str(wrong)], "pem: only RSA keys sign client assertions"),
        (["certificate", app, str(over)], "pem: the certificate has expired"),
        (["consent", app, "--scope", "Mail.ReadWrite"], "'Mail.ReadWrite' is no delegated permission"),
        (["revoke-consent", app], f"nobody consented to {app}"),
        (["revoke-consent", app, "--user", "a@b.test"], "there is no mailbox a@b.test"),
        (["add", "X", "--mailbox", "group:"], "mailbox_scope: must have 1 to 256 characters"),
        (["add", "X", "--mailbox", "domain:-"], "mailbox_scope: '-' is not a domain"),
        (["add", "X", "--mailbox-for", "Mail.Sned", "a@b.test"], "'Mail.Sned' is no permission"),
        (["add", "X", "--mailbox-for", "Mail.Send", "x"], "permission_scopes.Mail.Send[0]"),
    ):
        status, _, err = graphpost("app", *arguments)
        assert status != 0, arguments
        assert problem in err.splitlines()[-1], (arguments, err)


def test_signing_keys_are_listed_added_and_retired(graphpost: Any, data: Path) -> None:
    assert graphpost.json("keys", "list") == []
    assert graphpost("keys", "list")[1] == "The first start of the server makes the first key.\n"
    now = SystemClock().now()
    assert graphpost.json("keys", "add")["signs"] is True
    for seconds in (600, 300):
        add_key(data / "keys", now - seconds * SECOND)
    assert "signs in a minute and a half at the latest" in graphpost("keys", "add")[1]
    listed = graphpost.json("keys", "list")
    assert [each["signs"] for each in listed] == [False, True, False, False]
    for kid, problem in (
        ("nothing", "kid: there is no key nothing"),
        ("-h-like-an-option-or-anothe", "kid: there is no key -h-like-an-option-or-anothe"),
        ("--help-like-another-option0", "kid: there is no key --help-like-another-option0"),
        (listed[1]["kid"], "signs; the next key does so in a minute"),
        (listed[0]["kid"], "are good for another"),
    ):
        status, _, err = graphpost("keys", "retire", kid)
        assert status == 2
        assert problem in err
    assert graphpost("keys", "retire", listed[3]["kid"])[0] == 0
    assert len(graphpost.json("keys", "list")) == 3
