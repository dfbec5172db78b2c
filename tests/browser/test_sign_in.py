"""The pages of sign-in, consent and device code in Chromium, on a real server, until the token sends a message."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.wire import Answer, Wire

from graphpost.testing.server import ServerThread, running_server

pytestmark = pytest.mark.slow
WIDTHS = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
CLIENT = "cccccccc-0000-4000-8000-000000000001"
TENANT = "11111111-2222-3333-4444-555555555555"
ADELE, PASSWORD = "adele@example.test", "correct horse battery staple"
HOSTILE = (
    "</title><script>document.title='owned'</script>\"'><img src=x onerror=\"document.title='owned'\">"
    "{{7*7}}\u202egnp.exe\u202c " + "Wallensteinermassivhausbaugesellschaft" * 6
)
VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123456789"
SCOPES = "openid offline_access https://graph.microsoft.com/Mail.Send https://graph.microsoft.com/User.Read"


@dataclass
class Landing:
    """Where the application waits for the browser; `came` has the query of each visit."""

    url: str = ""
    came: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Visit:
    """A page in Chromium; `said` is what the console and the page's errors said."""

    page: Any
    server: ServerThread
    shots: Path
    said: list[str] = field(default_factory=list)
    seen: int = 0

    def look(self, name: str, shows: str) -> None:
        """Keep a picture of the page that shows this, and see that it fits and ran no script of a name."""
        self.page.locator(shows).first.wait_for()
        self.page.wait_for_load_state()
        self.seen += 1
        width = self.page.viewport_size["width"]
        self.page.screenshot(path=self.shots / f"{self.seen}-{name}-{width}.png", full_page=True)
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width
        assert "owned" not in self.page.title()
        assert self.page.locator("main img, main script").count() == 0
        assert "\u202e" not in self.page.locator("body").inner_text()
        assert "49" not in self.page.locator("h1").inner_text()

    def post(self, path: str, form: dict[str, str]) -> Answer:
        wire = Wire(self.server.url, ssl.create_default_context(cafile=self.server.ca_file))
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = wire.request("POST", path, kind, urllib.parse.urlencode(form).encode())
        wire.close()
        return answer


@pytest.fixture
def landing() -> Iterator[Landing]:
    made = Landing()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/landing":
                made.came.append(dict(urllib.parse.parse_qsl(query)))
            self.send_response(200 if path == "/landing" else 404)
            self.end_headers()
            self.wfile.write(b"signed in")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        made.url = f"http://localhost:{listener.server_port}/landing"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        listener.shutdown()
        thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerThread]:
    name = json.dumps(HOSTILE)
    file = tmp_path / "settings.toml"
    file.write_text(
        f"""[tenant]
id = "{TENANT}"
[[mailboxes]]
address = "{ADELE}"
name = {name}
password = "{PASSWORD}"
[[applications]]
client_id = "{CLIENT}"
name = {name}
public = true
redirect_uris = ["http://localhost/landing"]
delegated_permissions = ["Mail.Send", "User.Read"]
""",
        encoding="utf-8",
    )
    with running_server(tmp_path / "data", file=file) as running:
        yield running


@pytest.fixture(params=WIDTHS)
def visit(
    request: pytest.FixtureRequest, server: ServerThread, chromium: Any, tmp_path: Path
) -> Iterator[Visit]:
    context = chromium.new_context(ignore_https_errors=True, viewport=WIDTHS[request.param])
    page = context.new_page()
    page.set_default_timeout(60_000)
    made = Visit(page, server, tmp_path)
    page.on("console", lambda message: made.said.append(message.text))
    page.on("pageerror", lambda error: made.said.append(str(error)))
    page.on("dialog", lambda dialog: made.said.append(dialog.message))
    yield made
    context.close()
    # A page that answers 4xx is told by the browser itself; anything else is a violation or an error.
    assert [text for text in made.said if not text.startswith("Failed to load resource")] == []


def authorize_url(server: ServerThread, landing: Landing, **more: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": CLIENT,
        "response_type": "code",
        "redirect_uri": landing.url,
        "scope": SCOPES,
        "state": "a state & more",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "prompt": "consent",
        **more,
    }
    return f"{server.url}/{TENANT}/oauth2/v2.0/authorize?{urllib.parse.urlencode(query)}"


def send_mail(visit: Visit, token: str) -> Answer:
    wire = Wire(visit.server.url, ssl.create_default_context(cafile=visit.server.ca_file))
    body = {
        "message": {"subject": "from the browser", "toRecipients": [{"emailAddress": {"address": ADELE}}]}
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = wire.request("POST", "/v1.0/me/sendMail", headers, json.dumps(body).encode())
    wire.close()
    return answer


def test_a_person_signs_in_consents_and_the_token_sends(visit: Visit, landing: Landing) -> None:
    page = visit.page
    page.goto(authorize_url(visit.server, landing))
    visit.look("sign-in", "#password")
    page.fill("#username", ADELE)
    page.fill("#password", "wrong")
    page.click("button[type=submit]")
    visit.look("wrong-password", "[role=alert]")
    assert page.locator("[role=alert]").is_visible()
    page.fill("#username", ADELE)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    visit.look("consent", "button[value=allow]")
    page.click("button[value=allow]")
    page.wait_for_url(f"{landing.url}?*")
    (came,) = landing.came
    assert came["state"] == "a state & more"
    answer = visit.post(
        f"/{TENANT}/oauth2/v2.0/token",
        {
            "grant_type": "authorization_code",
            "client_id": CLIENT,
            "code": came["code"],
            "redirect_uri": landing.url,
            "code_verifier": VERIFIER,
        },
    )
    assert answer.status == 200, answer.body
    assert send_mail(visit, answer.json["access_token"]).status == 202
    visit.said[:] = [text for text in visit.said if "favicon" not in text]

    page.goto(authorize_url(visit.server, landing, prompt="select_account"))
    visit.look("account", "button.account")
    page.go_back()

    page.goto(f"{visit.server.url}/{TENANT}/oauth2/v2.0/logout")
    visit.look("signed-out", "p:has-text('close all browser windows')")


def test_who_says_no_is_sent_back_with_it(visit: Visit, landing: Landing) -> None:
    page = visit.page
    page.goto(authorize_url(visit.server, landing, login_hint=ADELE))
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.click("button:not([value=allow])")
    page.wait_for_url(f"{landing.url}?*")
    assert landing.came[-1]["error"] == "access_denied"


def test_a_device_is_let_in_by_its_code(visit: Visit) -> None:
    flow = visit.post(f"/{TENANT}/oauth2/v2.0/devicecode", {"client_id": CLIENT, "scope": SCOPES}).json
    page = visit.page
    page.goto(flow["verification_uri"])
    visit.look("device", "#user_code")
    page.fill("#user_code", "WRONGCODE")
    page.click("button[type=submit]")
    visit.look("wrong-code", "[role=alert]")
    page.fill("#user_code", flow["user_code"])
    page.click("button[type=submit]")
    page.fill("#username", ADELE)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    visit.look("device-consent", "button[value=allow]")
    page.click("button[value=allow]")
    visit.look("device-done", "p:has-text('You have signed in')")
    answer = visit.post(
        f"/{TENANT}/oauth2/v2.0/token",
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "client_id": CLIENT,
            "device_code": flow["device_code"],
        },
    )
    assert answer.status == 200, answer.body
    assert send_mail(visit, answer.json["access_token"]).status == 202


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/landing"},
        {"client_id": "dddddddd-0000-4000-8000-000000000009"},
        {"redirect_uri": "javascript:document.title='owned'"},
    ],
    ids=["stranger", "unknown", "script"],
)
def test_a_wrong_request_is_explained_and_goes_nowhere(
    visit: Visit, landing: Landing, change: dict[str, str]
) -> None:
    visit.page.goto(authorize_url(visit.server, landing, **change))
    visit.look("error", "[role=alert]")
    assert visit.page.url.startswith(visit.server.url)
    assert "AADSTS" in visit.page.locator("main").inner_text()
