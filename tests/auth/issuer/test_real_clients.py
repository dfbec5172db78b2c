"""MSAL and azure-identity, as they are released, against the issuer over TLS."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2
import msal
import pytest
from azure.identity import CertificateCredential, ClientSecretCredential, DeviceCodeCredential
from azure.identity.aio import CertificateCredential as AioCertificateCredential
from azure.identity.aio import ClientSecretCredential as AioClientSecretCredential
from tests.auth.browsing import _Form
from tests.auth.serving import Served, serve, trusting
from tests.auth.world import ADELE, CLIENT, DOMAIN, PASSWORD, PUBLIC, REDIRECT, SECRET, TENANT
from tests.programs import needed

from graphpost.auth.keys import SigningKeys

SCOPES = ["https://graph.microsoft.com/.default"]
MAIL_SEND = ["https://graph.microsoft.com/Mail.Send"]
# msal and requests leave their connections to the garbage collector
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """The connections that msal leaves go in the test that made them, and not in somebody else's."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, seeded: Path, keys: SigningKeys) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("served"), seeded, keys) as server, trusting(server.ca_file):
        yield server


@pytest.fixture
def web(served: Served) -> Iterator[httpx2.Client]:
    import ssl

    context = ssl.create_default_context(cafile=str(served.ca_file))
    with httpx2.Client(verify=context, trust_env=False) as client:
        yield client


def confidential(served: Served, credential: Any, tenant: str = TENANT) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        CLIENT, client_credential=credential, authority=f"{served.origin}/{tenant}", instance_discovery=False
    )


def public(served: Served, **options: Any) -> msal.PublicClientApplication:
    settings: dict[str, Any] = {
        "authority": f"{served.origin}/{TENANT}",
        "instance_discovery": False,
    } | options
    return msal.PublicClientApplication(PUBLIC, **settings)


def check(served: Served, token: str, kind: str) -> None:
    principal = served.verifier.verify(token)
    assert principal.kind == kind
    assert "Mail.Send" in principal.permissions


def submit(web: httpx2.Client, page: httpx2.Response, **fields: str) -> httpx2.Response:
    """Send the form of a page."""
    form = _Form()
    form.feed(page.text)
    target = urljoin(str(page.url), form.action)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(target))
    return web.post(target, data={**form.fields, **fields}, headers={"origin": origin})


def sign_in(web: httpx2.Client, url: str) -> dict[str, str]:
    """Go through the pages; what the application gets back."""
    page = submit(web, web.get(url), username=ADELE, password=PASSWORD)
    if page.status_code == 200 and 'value="consent"' in page.text:
        page = submit(web, page, decision="allow")
    if page.status_code == 200:
        form = _Form()
        form.feed(page.text)
        return form.fields
    assert page.status_code == 303, page.text
    return dict(parse_qsl(urlsplit(page.headers["location"]).query))


@pytest.mark.parametrize("tenant", [TENANT, TENANT.upper(), DOMAIN])
def test_msal_with_a_secret(served: Served, tenant: str) -> None:
    answer = confidential(served, SECRET, tenant).acquire_token_for_client(SCOPES)
    assert "error" not in answer, answer
    check(served, answer["access_token"], "application")


def test_msal_with_oidc_authority(served: Served) -> None:
    app = msal.ConfidentialClientApplication(
        CLIENT, client_credential=SECRET, oidc_authority=f"{served.origin}/{TENANT}"
    )
    check(served, app.acquire_token_for_client(SCOPES)["access_token"], "application")


def test_msal_with_instance_discovery_at_the_server(served: Served) -> None:
    app = msal.ConfidentialClientApplication(
        CLIENT,
        client_credential=SECRET,
        authority=f"{served.origin}/{TENANT}",
        instance_discovery=f"{served.origin}/common/discovery/instance",
    )
    check(served, app.acquire_token_for_client(SCOPES)["access_token"], "application")


def test_msal_with_a_certificate_by_either_thumbprint(served: Served, certificate: Path) -> None:
    import hashlib

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = certificate.read_text()
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    by_sha1 = {"private_key": pem, "thumbprint": hashlib.sha1(der).hexdigest()}
    by_sha256 = {"private_key": pem, "public_certificate": pem}
    for credential in (by_sha1, by_sha256):
        answer = confidential(served, credential).acquire_token_for_client(SCOPES)
        assert "error" not in answer, answer
        check(served, answer["access_token"], "application")


def test_msal_is_told_of_a_wrong_secret(served: Served) -> None:
    answer = confidential(served, "wrong").acquire_token_for_client(SCOPES)
    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [7000215]


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_msal_with_a_code_then_silently_then_by_refreshing(
    served: Served, web: httpx2.Client, mode: str
) -> None:
    app = confidential(served, SECRET)
    flow = app.initiate_auth_code_flow(MAIL_SEND, redirect_uri=REDIRECT, response_mode=mode, login_hint=ADELE)
    answer = app.acquire_token_by_auth_code_flow(flow, sign_in(web, flow["auth_uri"]))
    assert "error" not in answer, answer
    check(served, answer["access_token"], "user")
    assert answer["id_token_claims"]["preferred_username"] == ADELE
    (account,) = app.get_accounts(ADELE)
    cached = app.acquire_token_silent(MAIL_SEND, account)
    assert cached["access_token"] == answer["access_token"]
    fresh = app.acquire_token_silent(MAIL_SEND, account, force_refresh=True)
    assert fresh["access_token"] != answer["access_token"]
    check(served, fresh["access_token"], "user")


def test_msal_public_client_on_common_with_a_loopback_port(served: Served, web: httpx2.Client) -> None:
    app = public(served, authority=f"{served.origin}/common")
    flow = app.initiate_auth_code_flow(MAIL_SEND, redirect_uri="http://localhost:45678")
    answer = app.acquire_token_by_auth_code_flow(flow, sign_in(web, flow["auth_uri"]))
    assert "error" not in answer, answer
    check(served, answer["access_token"], "user")


def test_msal_with_a_device_code(served: Served, web: httpx2.Client) -> None:
    app = public(served)
    flow = app.initiate_device_flow(MAIL_SEND)
    page = submit(web, web.get(flow["verification_uri"]), user_code=flow["user_code"])
    page = submit(web, page, username=ADELE, password=PASSWORD)
    assert "Phone" in page.text
    page = submit(web, page, decision="allow")
    assert "You have signed in to" in page.text
    answer = app.acquire_token_by_device_flow(flow)
    assert "error" not in answer, answer
    check(served, answer["access_token"], "user")
    (account,) = app.get_accounts()
    assert app.acquire_token_silent(MAIL_SEND, account, force_refresh=True)["access_token"]


def test_msal_with_a_password_when_told_the_realm(served: Served) -> None:
    """msal drops the port when it asks for the user's realm, so that step is left out, as its users do."""
    app = public(served, validate_authority=False)
    client, _ = app._build_client(None, app.authority)
    answer = client.obtain_token_by_username_password(ADELE, PASSWORD, scope=[*MAIL_SEND, "offline_access"])
    check(served, answer["access_token"], "user")


def test_azure_identity_with_a_secret(served: Served) -> None:
    with ClientSecretCredential(
        TENANT, CLIENT, SECRET, authority=served.origin, disable_instance_discovery=True
    ) as credential:
        check(served, credential.get_token(*SCOPES).token, "application")


def test_azure_identity_with_a_certificate(served: Served, certificate: Path) -> None:
    with CertificateCredential(
        TENANT, CLIENT, str(certificate), authority=served.origin, disable_instance_discovery=True
    ) as credential:
        check(served, credential.get_token("https://localhost/.default").token, "application")


def test_azure_identity_with_a_device_code(served: Served, web: httpx2.Client) -> None:
    def approve(uri: str, code: str, _: object) -> None:
        page = submit(web, web.get(uri), user_code=code)
        page = submit(web, page, username=ADELE, password=PASSWORD)
        submit(web, page, decision="allow")

    with DeviceCodeCredential(
        PUBLIC,
        tenant_id=TENANT,
        authority=served.origin,
        disable_instance_discovery=True,
        prompt_callback=approve,
    ) as credential:
        check(served, credential.get_token(*MAIL_SEND).token, "user")


def test_asynchronous_azure_identity_with_a_secret_and_a_certificate(
    served: Served, certificate: Path
) -> None:
    async def tokens() -> list[str]:
        found = []
        options: dict[str, Any] = {"authority": served.origin, "disable_instance_discovery": True}
        async with AioClientSecretCredential(TENANT, CLIENT, SECRET, **options) as credential:
            found.append((await credential.get_token(*SCOPES)).token)
        for tenant in (TENANT, DOMAIN, "common"):
            async with AioCertificateCredential(tenant, CLIENT, str(certificate), **options) as other:
                found.append((await other.get_token(*SCOPES)).token)
        return found

    for token in asyncio.run(tokens()):
        check(served, token, "application")


HOSTILE = '"><script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'


@pytest.fixture
def hostile(served: Served) -> Iterator[None]:
    """Adele and the application have names that try to run script."""
    import msgspec

    from graphpost.mail.mailbox import Directory

    before = served.world.current
    boxes = [msgspec.structs.replace(box, name=HOSTILE) for box in before.by_id.values()]
    apps = [msgspec.structs.replace(app, name=HOSTILE) for app in before.applications.values()]
    served.world.current = Directory.of(boxes, apps)
    yield
    served.world.current = before


@pytest.fixture
def page(served: Served) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = needed("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True)
        made = context.new_page()
        made.set_default_timeout(60_000)
        yield made
        browser.close()


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_chromium_goes_through_the_pages_and_runs_no_script_of_a_name(
    served: Served, page: Any, mode: str
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    landing = f"{served.origin}/landing"
    allow_redirect(served, landing)
    url = (
        f"{served.origin}/{TENANT}/oauth2/v2.0/authorize?client_id={CLIENT}&response_type=code&scope=openid+Mail.Send"
        f"&redirect_uri={landing}&response_mode={mode}&state=s&prompt=consent&login_hint={ADELE}"
    )
    page.goto(url)
    assert page.locator("h1").inner_text() == "Sign in"
    assert HOSTILE in page.locator("main").inner_text()
    page.fill("#password", "wrong")
    page.click("text=Sign in >> nth=-1")
    assert "incorrect" in page.locator("[role=alert]").inner_text()
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    assert page.locator("h1").inner_text() == "Permissions requested"
    assert HOSTILE in page.locator("main").inner_text()
    assert "owned" not in page.title()
    page.click("button[value=allow]")
    page.wait_for_url(re.compile("/landing"))
    assert "code=" in page.locator("body").inner_text()
    assert [text for text in said if not text.startswith("Failed to load resource")] == []


def allow_redirect(served: Served, uri: str) -> None:
    import msgspec

    from graphpost.mail.mailbox import Directory

    now = served.world.current
    apps = [msgspec.structs.replace(app, redirect_uris=(uri,)) for app in now.applications.values()]
    served.world.current = Directory.of(now.by_id.values(), apps)


def test_chromium_enters_a_device_code(served: Served, page: Any) -> None:
    app = public(served)
    flow = app.initiate_device_flow(MAIL_SEND)
    page.goto(flow["verification_uri"])
    page.fill("#user_code", flow["user_code"].lower())
    page.click("button[type=submit]")
    page.fill("#username", ADELE)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    assert flow["user_code"] in page.locator("main").inner_text()
    page.click("button[value=allow]")
    assert "You have signed in to" in page.locator("main").inner_text()
    assert "access_token" in app.acquire_token_by_device_flow(flow)
