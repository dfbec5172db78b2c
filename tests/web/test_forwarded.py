"""Which proxies are believed, and what of their words."""

from __future__ import annotations

import pytest
from tests.web.line import Line

from graphpost.web.exchange import Exchange
from graphpost.web.forwarded import Proxies


@pytest.mark.parametrize(
    ("trusted", "host", "is_trusted"),
    [
        ("", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.0.0.0/8, 127.0.0.1", "10.9.8.7", True),
        ("10.0.0.0/8", "11.9.8.7", False),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("proxy", "proxy", True),
        ("10.0.0.0/8", "proxy", False),
        ("10.0.0.0/8", "", False),
        ("10.0.0.0/8", "1" * 300, False),
        ("*", "anybody", True),
    ],
)
def test_who_is_trusted(trusted: str, host: str, is_trusted: bool) -> None:
    assert (host in Proxies(trusted)) == is_trusted


@pytest.mark.parametrize(
    ("trusted", "headers", "scheme", "client"),
    [
        ("10.0.0.1", {}, "http", "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-proto": "https"}, "https", "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-proto": "javascript"}, "http", "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.1"}, "http", "192.0.2.1"),
        ("10.0.0.1", {"x-forwarded-for": "6.6.6.6, 192.0.2.1"}, "http", "192.0.2.1"),
        ("10.0.0.0/8", {"x-forwarded-for": "6.6.6.6, 192.0.2.1, 10.0.0.2"}, "http", "192.0.2.1"),
        ("10.0.0.0/8", {"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, "http", "10.0.0.3"),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.1:4711"}, "http", "192.0.2.1"),
        ("10.0.0.1", {"x-forwarded-for": "[2001:db8::1]:4711"}, "http", "2001:db8::1"),
        ("10.0.0.1", {"x-forwarded-for": "2001:db8::1"}, "http", "2001:db8::1"),
        ("*", {"x-forwarded-for": "192.0.2.1, 10.0.0.2"}, "http", "192.0.2.1"),
    ],
)
def test_what_a_proxy_says(trusted: str, headers: dict[str, str], scheme: str, client: str) -> None:
    exchange = Exchange(Line(), "GET", "/", "", headers, client="10.0.0.1")
    Proxies(trusted).apply(exchange)
    assert (exchange.scheme, exchange.client) == (scheme, client)
