"""A single-page application in Chromium: MSAL and the Graph client for JavaScript as released, and nothing changed.

It is served from another origin than Graphpost, which answers by its own name, or by Microsoft's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.browser.hosting import Host, hosted
from tests.clients import node
from tests.programs import needed

from graphpost.store.directory import consents
from graphpost.testing.server import ServerThread, running_server

pytestmark = pytest.mark.slow
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "cccccccc-0000-4000-8000-000000000001"
WEB = "cccccccc-0000-4000-8000-000000000002"  # the same page, registered as what it is not
SCOPES = frozenset({"openid", "profile", "offline_access", "Mail.ReadWrite", "Mail.Send", "User.Read"})
ADELE, PASSWORD = "adele@example.test", "correct horse battery staple"
SETTINGS = f"""
[server]
names = ["localhost", "graph.microsoft.com", "login.microsoftonline.com"]
[tenant]
id = "{TENANT}"
[issuer]
password_grant = true
[[mailboxes]]
address = "{ADELE}"
name = "Adele Vance"
password = "{PASSWORD}"
[[applications]]
client_id = "{CLIENT}"
name = "Letters"
spa_redirect_uris = [
  "http://localhost/", "http://localhost/blank.html", "http://localhost/redirect.html", "http://localhost/standard.html"
]
delegated_permissions = ["Mail.ReadWrite", "Mail.Send", "User.Read"]
[[applications]]
client_id = "{WEB}"
name = "Letters"
public = true
redirect_uris = ["http://localhost/", "http://localhost/blank.html", "http://localhost/redirect.html"]
delegated_permissions = ["Mail.ReadWrite", "Mail.Send", "User.Read"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    directory = tmp_path_factory.mktemp("single-page")
    file = directory / "settings.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    with running_server(directory / "data", file=file) as running:
        for client in (CLIENT, WEB):
            consent(running, client)
        yield running


def consent(server: ServerThread, client: str) -> None:
    """As `graphpost app consent`; the page that asks is another test's."""
    write = partial(consents.add, client_id=client, object_id=consents.EVERYBODY, scopes=SCOPES, now=1)
    server.call(lambda: server.store.write(write))


@pytest.fixture
def context(server: ServerThread, playwright: Any, tmp_path: Path) -> Iterator[Any]:
    """A person's browser as it comes from its makers; some distributions keep cookies from frames of other sites."""
    chromium = needed("chromium")
    node.node()
    preferences = tmp_path / "profile/Default/Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text(json.dumps({"profile": {"cookie_controls_mode": 0}}))
    names = ("graph.microsoft.com", "login.microsoftonline.com")
    rules = ", ".join(f"MAP {name}:443 127.0.0.1:{server.port}" for name in names)
    launched = playwright.chromium.launch_persistent_context(
        tmp_path / "profile",
        executable_path=chromium,
        args=["--no-sandbox", f"--host-resolver-rules={rules}"],
        ignore_https_errors=True,
    )
    yield launched
    launched.close()


@dataclass
class Visit:
    """Somebody at the page; `said` is what the console said."""

    context: Any
    page: Any
    host: Host
    said: list[str] = field(default_factory=list)

    def do(self, call: str) -> Any:
        return self.page.evaluate(f"async () => await {call}")

    def complaints(self, *expected: str) -> list[str]:
        """What the console said; without what was expected, and what it says of MSAL's own frame."""
        known = (*expected, "An iframe which has both allow-scripts and allow-same-origin")
        return [text for text in self.said if not any(part in text for part in known)]

    def open(self) -> str | None:
        """Load the page; who is signed in."""
        self.page.goto(self.host.url + "/")
        return self.do("start()")

    def sign_in(self) -> None:
        self.open()
        self.do("signInByRedirect()")
        fill_in(self.page)
        self.page.wait_for_url(re.compile(re.escape(self.host.url) + r"/(index.html)?(#.*)?$"))
        assert self.do("start()") == ADELE


def fill_in(page: Any) -> None:
    page.locator("#username:focus").wait_for()  # the page puts the cursor there itself, or complains
    page.fill("#username", ADELE)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")


def settings_of(server: ServerThread, host: Host, named: str) -> dict[str, object]:
    own = {
        "authority": f"{server.url}/{TENANT}",
        "knownAuthorities": [f"localhost:{server.port}"],
        "graphUrl": server.url,
    }
    theirs = {"authority": "https://login.microsoftonline.com/common", "knownAuthorities": []}
    pages = {"4": ("/", "/blank.html"), "5": ("/redirect.html", "/redirect.html")}[host.msal]
    uris = {"redirectUri": host.url + pages[0], "silentUri": host.url + pages[1]}
    return {"clientId": CLIENT, **uris, **(own if named == "own" else theirs)}


@pytest.fixture(params=["5-own", "4-own", "5-microsofts"])
def visit(request: pytest.FixtureRequest, server: ServerThread, context: Any) -> Iterator[Visit]:
    """The major version of MSAL, and the names that Graphpost has for it."""
    version, _, named = request.param.partition("-")
    with hosted(version) as host:
        host.settings = settings_of(server, host, named)
        page = context.new_page()
        page.set_default_timeout(60_000)
        made = Visit(context, page, host)
        page.on("console", lambda message: made.said.append(message.text))
        page.on("pageerror", lambda error: made.said.append(str(error)))
        yield made


def test_a_day_of_a_page(visit: Visit) -> None:
    """Signed in by redirect, it reads, sends, lists, uploads, is told what is wrong, and signs out."""
    visit.sign_in()
    assert visit.do("me()")["mail"] == ADELE
    assert visit.do(f"send('From a page', '{ADELE}')") == "sent"
    assert "From a page" in visit.do("list('sentitems')")
    assert visit.do("batch()")["responses"][0]["status"] == 200
    for plainly in ("false", "true"):
        uploaded = visit.do(f"upload(2_000_000, 655_360, {plainly})")
        assert "/Attachments('" in uploaded["where"]
        assert uploaded["names"] == ["large.bin"]
    refused = visit.do("read('AAMk-none')")
    assert (refused["status"], refused["code"]) == (400, "ErrorInvalidIdMalformed")
    assert refused["requestId"]
    with visit.page.expect_navigation(url=visit.host.url + "/*"):
        visit.do("signOut()")
    assert visit.do("start()") is None
    visit.do("signInByRedirect()")
    visit.page.locator("#password").wait_for()  # the session at the issuer ended too
    assert visit.complaints("400 (Bad Request)") == []


def test_a_person_signs_in_by_popup(visit: Visit) -> None:
    visit.open()
    with visit.context.expect_page() as opened:
        visit.page.evaluate("void (window.answer = signInByPopup())")
    fill_in(opened.value)
    assert visit.do("answer") == ADELE
    assert visit.do("me()")["mail"] == ADELE
    assert visit.complaints() == []


def test_a_token_is_renewed_without_a_person(visit: Visit) -> None:
    """From the cache, by the refresh token, and without one in a hidden frame."""
    visit.sign_in()
    first = visit.do("token('AccessToken')")
    second = visit.do("token('RefreshToken')")
    third = visit.do("token('Skip')")
    assert [each.get("fromCache") for each in (first, second, third)] == [True, False, False], third
    assert len({each["token"] for each in (first, second, third)}) == 3
    assert visit.do("me()")["mail"] == ADELE
    assert visit.complaints() == []


def test_after_a_day_a_frame_takes_the_place_of_the_refresh_token(visit: Visit, server: ServerThread) -> None:
    visit.sign_in()
    expire = "UPDATE grants SET expires_at = 1 WHERE kind = 'refresh'"
    server.call(lambda: server.store.write(lambda tx: tx.execute(expire)))
    renewed = visit.do("token('Default')")
    assert renewed["fromCache"] is False
    assert visit.do("me()")["mail"] == ADELE
    assert visit.complaints() == [
        "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    ]


def test_another_page_finds_who_is_signed_in_and_signs_out_by_popup(visit: Visit) -> None:
    visit.sign_in()
    visit.page = visit.context.new_page()
    assert visit.open() is None
    assert visit.do(f"signInSilently('{ADELE}')") == ADELE
    assert visit.do("me()")["mail"] == ADELE
    visit.do("signOutByPopup()")
    assert visit.do("token('Skip')").get("token") is None
    assert visit.open() is None
    visit.do("signInByRedirect()")
    visit.page.locator("#password").wait_for()


def test_who_is_signed_out_elsewhere_is_asked_again(visit: Visit) -> None:
    visit.sign_in()
    authority = visit.host.settings["authority"]
    other = visit.context.new_page()
    other.goto(f"{authority}/oauth2/v2.0/logout")
    other.close()
    assert visit.do("token('Skip')")["error"] == "login_required"
    assert "token" in visit.do("token('RefreshToken')")


only_once = pytest.mark.parametrize("visit", ["5-own"], indirect=True)


@only_once
def test_a_page_that_is_registered_as_a_web_server_is_told_so(visit: Visit) -> None:
    visit.host.settings["clientId"] = WEB
    visit.open()
    visit.do("signInByRedirect()")
    fill_in(visit.page)
    visit.page.wait_for_url(re.compile(re.escape(visit.host.url) + "/$"))
    told = visit.do("start().catch((error) => error.message)")
    assert "AADSTS9002326: " in told
    assert f"Request origin: '{visit.host.url}'" in told


@only_once
def test_the_page_reads_what_graph_says_and_nothing_else(visit: Visit, server: ServerThread) -> None:
    visit.sign_in()
    token = visit.do("token('AccessToken')")["token"]
    authorization = json.dumps({"Authorization": f"Bearer {token}", "X-Of-My-Own": "1", "Prefer": "x"})
    answer = visit.do(f"ask('GET', '{server.url}/v1.0/me', {authorization})")
    assert (answer["status"], answer["headers"]["request-id"] != "") == (200, True)
    refused = visit.do(f"ask('GET', '{server.url}/v1.0/me', {{Authorization: 'Bearer wrong'}})")
    assert refused["status"] == 401
    assert "InvalidAuthenticationToken" in refused["body"]
    assert "authorization_uri" in refused["headers"]["www-authenticate"]
    included = f"fetch('{server.url}/v1.0/me', {{headers: {authorization}, credentials: 'include'}})"
    assert visit.do(f"{included}.then(() => 'shown', () => 'hidden')") == "hidden"
    for path in ("/healthz", "/metrics", "/admin/queue", f"/{TENANT}/oauth2/v2.0/authorize", "/"):
        assert visit.do(f"ask('GET', '{server.url}{path}')") == "hidden"
        assert visit.do(f"ask('GET', '{server.url}{path}', {authorization})") == "hidden"


@only_once
def test_a_password_is_nothing_that_a_page_may_try(visit: Visit, server: ServerThread) -> None:
    visit.open()
    form = f"grant_type=password&client_id={WEB}&username={ADELE}&password={PASSWORD}&scope=User.Read"
    kind = json.dumps({"Content-Type": "application/x-www-form-urlencoded"})
    where = f"{server.url}/{TENANT}/oauth2/v2.0/token"
    answer = visit.do(f"ask('POST', '{where}', {kind}, '{form}')")
    assert (answer["status"], json.loads(answer["body"])["error_codes"]) == (400, [9002326])


@only_once
def test_no_page_of_ours_is_shown_in_a_frame(visit: Visit, server: ServerThread) -> None:
    visit.sign_in()
    query = f"client_id={CLIENT}&response_type=code&scope=User.Read&redirect_uri={visit.host.url}/blank.html"
    for more in ("", "&prompt=select_account", "&prompt=none&redirect_uri=https://evil.example/"):
        visit.said.clear()
        frame = f"{server.url}/{TENANT}/oauth2/v2.0/authorize?{query}{more}"
        with visit.page.expect_event("console", lambda said: "frame-ancestors" in said.text):
            visit.page.evaluate(
                "(url) => void document.body.append(Object.assign(document.createElement('iframe'), {src: url}))",
                frame,
            )


@only_once
def test_a_client_that_knows_the_standard_alone_signs_in_renews_and_signs_out(visit: Visit) -> None:
    """oidc-client-ts: discovery, code and PKCE, refresh, a hidden frame, and sign-out with a state."""
    home = f"{visit.host.url}/standard.html"
    visit.page.goto(home)
    visit.do("signIn()")
    fill_in(visit.page)
    visit.page.wait_for_url(f"{home}?*")
    visit.do("started")
    assert visit.do("person()") == ADELE
    assert visit.do("renew(false)") is True
    assert visit.do("renew(true)") is True
    visit.do("signOut()")
    visit.page.wait_for_url(re.compile(r"standard\.html\?state="))
    assert visit.do("started")["userState"] == "what it was about"
    assert visit.do("person()") is None
    assert visit.complaints() == []
