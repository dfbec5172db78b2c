"""A whole server: MSAL signs somebody in, commands give and take rights, applications and credentials come and go."""

from __future__ import annotations

import gc
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msal
import pytest
from tests.auth.issuer.test_real_clients import sign_in
from tests.auth.serving import trusting
from tests.auth.world import ADELE, CLIENT, DOMAIN, PASSWORD, REDIRECT, SECRET, TENANT

from graphpost.cli import main
from graphpost.testing.server import ServerThread, running_server

ALEX, INFO = f"alex@{DOMAIN}", f"info@{DOMAIN}"
MAIL = [f"https://graph.microsoft.com/{name}" for name in ("Mail.Read.Shared", "Mail.Send.Shared")]
SETTINGS = f"""
[tenant]
id = "{TENANT}"
domains = ["{DOMAIN}"]
[[mailboxes]]
address = "{ADELE}"
name = "Adele"
password = "{PASSWORD}"
[[mailboxes]]
address = "{ALEX}"
[[mailboxes]]
address = "{INFO}"
name = "Information"
kind = "shared"
[[applications]]
client_id = "{CLIENT}"
secrets = ["{SECRET}"]
redirect_uris = ["{REDIRECT}"]
application_permissions = ["Mail.Read"]
delegated_permissions = ["Mail.Read", "Mail.Read.Shared", "Mail.Send", "Mail.Send.Shared"]
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning"
    ),  # msal leaves its connections to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """The connections that msal leaves go in the test that made them, and not in somebody else's."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data directory and the settings file."""
    folder = tmp_path_factory.mktemp("rights")
    (folder / "graphpost.toml").write_text(SETTINGS)
    return folder / "data", folder / "graphpost.toml"


@pytest.fixture(scope="module")
def server(place: tuple[Path, Path]) -> Iterator[ServerThread]:
    with running_server(place[0], file=place[1]) as running, trusting(place[0] / "ca" / "ca.pem"):
        yield running


class Desk:
    """Commands, tokens and requests."""

    def __init__(self, server: ServerThread, place: tuple[Path, Path], capture: Any) -> None:
        self.server, self.place, self.capture = server, place, capture
        self.ca_file = str(place[0] / "ca" / "ca.pem")
        self.context = ssl.create_default_context(cafile=self.ca_file)

    def graphpost(self, *arguments: str) -> Any:
        """What the command prints, as JSON."""
        self.capture.readouterr()
        status = main([*arguments, "--json", "--data", str(self.place[0]), "--config", str(self.place[1])])
        printed = self.capture.readouterr()
        assert status == 0, printed.err
        return json.loads(printed.out)

    def signed_in(self) -> tuple[msal.ConfidentialClientApplication, str]:
        """A client that Adele has signed in to, and its access token."""
        client = self.client(SECRET)
        flow = client.initiate_auth_code_flow(MAIL, redirect_uri=REDIRECT, response_mode="form_post")
        with httpx2.Client(verify=self.context, trust_env=False) as web:
            found = client.acquire_token_by_auth_code_flow(flow, sign_in(web, flow["auth_uri"]))
        assert "access_token" in found, found
        return client, found["access_token"]

    def token(self) -> str:
        return self.signed_in()[1]

    def by_itself(self, secret: str) -> dict[str, Any]:
        scopes = ["https://graph.microsoft.com/.default"]
        found: dict[str, Any] = self.client(secret).acquire_token_for_client(scopes)
        return found

    def client(self, secret: str) -> msal.ConfidentialClientApplication:
        authority = f"{self.server.url}/{TENANT}"
        return msal.ConfidentialClientApplication(
            CLIENT, client_credential=secret, authority=authority, instance_discovery=False
        )

    def ask(self, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{self.server.url}/v1.0{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, context=self.context) as answer:
                data = answer.read()
                return answer.status, json.loads(data) if data else None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())["error"]["code"]


@pytest.fixture
def desk(server: ServerThread, place: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(server, place, capsys)


def letter(subject: str, author: str = "") -> dict[str, Any]:
    message: dict[str, Any] = {"subject": subject, "toRecipients": [{"emailAddress": {"address": ADELE}}]}
    return {"message": message | ({"from": {"emailAddress": {"address": author}}} if author else {})}


def test_a_shared_mailbox_is_opened_and_closed_by_commands(desk: Desk) -> None:
    token, denied = desk.token(), (403, "ErrorAccessDenied")
    there = f"/users/{INFO}"
    assert desk.ask(f"{there}/messages", token) == denied
    assert desk.ask(f"{there}/sendMail", token, letter("No")) == denied
    assert desk.ask("/me/sendMail", token, letter("No", INFO)) == (403, "ErrorSendAsDenied")
    given = desk.graphpost("mailbox", "grant", INFO, ADELE, "FullAccess", "SendOnBehalf")
    assert given["rights"] == ["FullAccess", "SendOnBehalf"]
    assert desk.ask(f"{there}/sendMail", token, letter("From the mailbox"))[0] == 202
    assert desk.ask("/me/sendMail", token, letter("On behalf", INFO))[0] == 202
    desk.graphpost("mailbox", "grant", INFO, ADELE, "SendAs")
    assert desk.ask("/me/sendMail", token, letter("As", INFO))[0] == 202
    people = {}
    for path in (f"{there}/mailFolders/sentitems/messages", "/me/mailFolders/sentitems/messages"):
        _, found = desk.ask(path, token)
        for each in found["value"]:
            names = [each[key]["emailAddress"]["address"] for key in ("from", "sender")]
            people[each["subject"]] = (path.split("/")[1], *names)
    assert people == {
        "From the mailbox": ("users", INFO, INFO),
        "On behalf": ("me", INFO, ADELE),
        "As": ("me", INFO, INFO),
    }
    assert desk.graphpost("mailbox", "revoke", INFO, ADELE)["rights"] == []
    assert desk.ask(f"{there}/messages", token) == denied
    rights = {row["right"] for row in desk.graphpost("audit") if row.get("status") == 202}
    assert rights == {"FullAccess", "SendAs", "SendOnBehalf"}


def test_a_disabled_application_is_refused_at_once_with_the_tokens_it_has(desk: Desk) -> None:
    token = desk.token()
    assert desk.ask("/me/messages", token)[0] == 200
    assert desk.graphpost("app", "disable", CLIENT)["enabled"] is False
    assert desk.ask("/me/messages", token) == (401, "InvalidAuthenticationToken")
    assert desk.by_itself(SECRET)["error_codes"] == [7000112]
    assert desk.graphpost("app", "enable", CLIENT)["enabled"] is True
    assert desk.ask("/me/messages", token)[0] == 200


def test_one_secret_takes_anothers_place_without_a_gap(desk: Desk) -> None:
    second = desk.graphpost("app", "secret", CLIENT, "--days", "30")
    third = desk.graphpost("app", "secret", CLIENT)
    assert (bool(second["expires"]), bool(third["expires"])) == (True, False)
    for secret in (SECRET, second["secret"], third["secret"]):
        assert "access_token" in desk.by_itself(secret)
    kept = desk.graphpost("app", "credentials", CLIENT)
    assert sorted(each["origin"] for each in kept) == ["command", "command", "settings"]
    removed = desk.graphpost("app", "remove-credential", CLIENT, second["id"][:8])
    assert removed["id"] == second["id"]
    assert desk.by_itself(second["secret"])["error"] == "invalid_client"
    assert "access_token" in desk.by_itself(third["secret"])


def test_a_consent_is_recorded_and_revoking_it_ends_what_came_of_it(desk: Desk) -> None:
    client, _ = desk.signed_in()
    (consent,) = desk.graphpost("app", "consents", CLIENT)
    assert (consent["user"], bool(consent["consented"])) == (ADELE, True)
    assert {"Mail.Read.Shared", "Mail.Send.Shared", "offline_access"} <= set(consent["scopes"])
    (account,) = client.get_accounts()
    assert "access_token" in client.acquire_token_silent(MAIL, account, force_refresh=True)
    assert desk.graphpost("app", "revoke-consent", CLIENT, "--user", ADELE)["user"] == ADELE
    assert desk.graphpost("app", "consents") == []
    refused = client.acquire_token_silent_with_error(MAIL, account, force_refresh=True)
    assert refused["error"] == "invalid_grant"
    desk.signed_in()
    assert len(desk.graphpost("app", "consents")) == 1
