"""Which redirect URIs are an application's, and what is at them."""

from __future__ import annotations

import pytest

from graphpost.auth.issuer.redirects import Place, find_place
from graphpost.errors import ConfigurationError
from graphpost.mail.mailbox import Application
from graphpost.store.directory.accounts import check_application

CLIENT, PAGE = Place.CLIENT, Place.PAGE
LETTERS = Application(
    client_id="aaaaaaaa-0000-4000-8000-000000000009",
    object_id="bbbbbbbb-0000-4000-8000-000000000009",
    redirect_uris=("https://app.example/signed-in", "http://localhost/", "msal://auth"),
    spa_redirect_uris=(
        "https://page.example",
        "https://page.example/blank.html",
        "http://localhost:3000/app",
        "http://[::1]/app",
    ),
)


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("https://app.example/signed-in", CLIENT),
        ("https://app.example/signed-in/", None),
        ("https://app.example/Signed-In", None),
        ("https://app.example:443/signed-in", None),
        ("https://app.example:8443/signed-in", None),
        ("https://app.example/signed-in?x=1", None),
        ("https://app.example/signed-in/../other", None),
        ("https://app.example/x/../signed-in", None),
        ("https://app.example//signed-in", None),
        ("https://app.example/%73igned-in", None),
        ("http://app.example/signed-in", None),
        ("https://app.example", None),
        ("https://app.example.evil.example/signed-in", None),
        ("https://evil.app.example/signed-in", None),
        ("https://user@app.example/signed-in", None),
        ("https://app.example@evil.example/signed-in", None),
        ("https://app.example\\@evil.example/signed-in", None),
        ("https://app.example/signed-in#x", None),
        ("https://app.example/signed-in\n", None),
        ("msal://auth", CLIENT),
        ("msal://auth/", None),
        ("http://localhost", CLIENT),
        ("http://localhost:53682", CLIENT),
        ("http://localhost:53682/", CLIENT),
        ("http://localhost:/", CLIENT),
        ("http://localhost:99999/", None),
        ("http://localhost:x/", None),
        ("http://localhost/other", None),
        ("http://127.0.0.1/", None),
        ("http://localhost.evil.example/", None),
        ("http://localhost@evil.example/", None),
        ("http://user@localhost/", None),
        ("https://localhost/", None),
        ("https://page.example", PAGE),
        ("https://page.example/", PAGE),
        ("https://page.example//", None),
        ("https://page.example/blank.html", PAGE),
        ("https://page.example/blank.html/", None),
        ("https://page.example/BLANK.html", None),
        ("https://PAGE.example/", None),
        ("https://page.example:444/", None),
        ("https://page.example/?x", None),
        ("http://localhost:3000/app", PAGE),
        ("http://localhost:4200/app", PAGE),
        ("http://LOCALHOST:4200/app", PAGE),
        ("http://localhost:4200/app/", None),
        ("http://localhost:4200/app/../", None),
        ("http://[::1]:4200/app", PAGE),
        ("http://127.0.0.1:3000/app", None),
        ("https://*.example/", None),
        ("", None),
        ("/", None),
        ("null", None),
    ],
)
def test_a_redirect_uri_is_one_that_was_registered(uri: str, place: Place | None) -> None:
    assert find_place(uri, LETTERS) is place


@pytest.mark.parametrize(
    "uri",
    [
        "http://page.example/",
        "https://*.page.example/",
        "https://page.example/*",
        "msal://auth",
        "javascript:alert(1)",
        "https:///x",
        "https://page.example/#x",
        "null",
        "",
    ],
)
def test_a_page_is_at_https_or_at_the_loopback_and_under_no_wildcard(uri: str) -> None:
    application = Application(client_id="a", object_id="b", spa_redirect_uris=(uri,))
    with pytest.raises(ConfigurationError, match="cannot be a page's redirect URI"):
        check_application(application)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://page.example/", "https://page.example/"),
        ("https://page.example/", "https://page.example"),
        ("http://localhost", "http://localhost:3000/"),
        ("http://localhost:8080/app", "http://localhost:3000/app"),
    ],
)
def test_no_uri_is_a_pages_and_another_clients(one: str, other: str) -> None:
    application = Application(client_id="a", object_id="b", redirect_uris=(one,), spa_redirect_uris=(other,))
    with pytest.raises(ConfigurationError, match="is among redirect_uris too"):
        check_application(application)
