"""A whole server that believes a foreign issuer: its keys over HTTPS, its people's mail, its own challenge."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from joserfc import jwt
from joserfc.jwk import RSAKey

from graphpost.cli import main
from graphpost.testing.server import ServerThread, running_server

APP = "invoices"
KEY = RSAKey.generate_key(2048, {"kid": "k1"})


class Realm(http.server.BaseHTTPRequestHandler):
    """An OpenID Connect provider that says where its keys are, and what they are."""

    def do_GET(self) -> None:
        issuer = f"https://localhost:{self.server.server_port}/realms/staff"  # type: ignore[attr-defined]
        documents: dict[str, Any] = {
            "/realms/staff/.well-known/openid-configuration": {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/certs",
            },
            "/realms/staff/certs": {"keys": [{**KEY.as_dict(private=False), "use": "sig", "alg": "RS256"}]},
        }
        body = json.dumps(documents[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    ca, path = trustme.CA(), tmp_path_factory.mktemp("realm")
    ca.cert_pem.write_to_path(str(path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("localhost", 0), Realm)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}/realms/staff", path / "ca.pem"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def settings(issuer: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "graphpost.toml"
    file.write_text(f"""
[tenant]
domains = ["contoso.test"]
[[issuers]]
kind = "oidc"
issuer = "{issuer[0]}"
ca_file = "{issuer[1]}"
audiences = ["graphpost"]
roles_claim = "resource_access.graphpost.roles"
[[mailboxes]]
address = "adele@contoso.test"
[[mailboxes]]
address = "alex@contoso.test"
[[applications]]
client_id = "{APP}"
mailbox_scope = ["adele@contoso.test"]
""")
    return file


@pytest.fixture(scope="module")
def server(settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    data = tmp_path_factory.mktemp("data")
    with running_server(data, file=settings, flags={"server.tls": False}) as running:
        yield running


def token(issuer: str, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": "graphpost",
        "iat": now,
        "exp": now + 300,
        "azp": APP,
        "typ": "Bearer",
        "preferred_username": "adele@contoso.test",
        "scope": "openid Mail.Send",
        **changes,
    }
    return jwt.encode({"alg": "RS256", "kid": "k1", "typ": "JWT"}, claims, KEY)


def application(issuer: str) -> str:
    roles = {"graphpost": {"roles": ["Mail.Send"]}}
    return token(issuer, preferred_username=f"service-account-{APP}", scope="", resource_access=roles)


def send(server: ServerThread, path: str, bearer: str) -> tuple[int, str, str]:
    """Status, the error's code, and the challenge."""
    message = {"subject": "Hi", "toRecipients": [{"emailAddress": {"address": "alex@contoso.test"}}]}
    request = urllib.request.Request(
        f"{server.url}/v1.0{path}/sendMail",
        data=json.dumps({"message": message}).encode(),
        headers={"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, "", ""
    except urllib.error.HTTPError as error:
        with error:
            code = json.loads(error.read())["error"]["code"]
            return error.code, code, error.headers.get("WWW-Authenticate", "")


def test_people_and_applications_of_the_provider_send_within_their_rights(
    server: ServerThread, issuer: tuple[str, Path]
) -> None:
    user, app = token(issuer[0]), application(issuer[0])
    assert send(server, "/me", user) == (202, "", "")
    assert send(server, "/users/adele@contoso.test", app)[0] == 202
    assert send(server, "/users/alex@contoso.test", user)[:2] == (403, "ErrorAccessDenied")
    assert send(server, "/users/alex@contoso.test", app)[:2] == (403, "ErrorAccessDenied")
    assert send(server, "/me", token(issuer[0], scope="openid"))[:2] == (403, "ErrorAccessDenied")


def test_others_are_told_to_ask_the_provider(server: ServerThread, issuer: tuple[str, Path]) -> None:
    status, code, challenge = send(server, "/me", token("https://other.test"))
    assert (status, code) == (401, "InvalidAuthenticationToken")
    assert f'authorization_uri="{issuer[0]}"' in challenge
    assert send(server, "/me", token(issuer[0], aud="account"))[0] == 401


def test_the_check_command_says_whether_the_keys_can_be_fetched(
    settings: Path, issuer: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["check", "--no-dns", "--config", str(settings), "--data", str(tmp_path)])
    assert f"{issuer[0]}, 1 keys" in capsys.readouterr().out
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(settings.read_text().replace(str(issuer[1]), ""))
    assert main(["check", "--no-dns", "--config", str(wrong), "--data", str(tmp_path)]) == 1
    assert "FAIL  issuers[0]" in capsys.readouterr().out
