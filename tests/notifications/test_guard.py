"""Which URLs and addresses may be notified, by tables and by chance."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.addresses import Address, embedded, is_public
from graphpost.config import NotificationSettings
from graphpost.notifications.guard import (
    Endpoint,
    EndpointError,
    Guard,
    parse_address,
    parse_endpoint,
)

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001::1"]
PRIVATE = [
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.1.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "240.0.0.1",
    "0.1.2.3",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "64:ff9b:1::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo, of the client 127.0.0.1
]
METADATA = ["169.254.169.254", "168.63.129.16", "100.100.100.200", "::ffff:169.254.169.254", "fd00:ec2::254"]
NO_HOST = [
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "ff02::1",
    "::ffff:224.0.0.1",
    "::ffff:0.0.0.0",
]


def allowed(url: str, address: str, **given: Any) -> bool:
    guard = Guard(NotificationSettings(**given))
    try:
        guard.check(parse_endpoint(url), parse_address(address))
    except EndpointError:
        return False
    return True


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_may_be_notified(address: str) -> None:
    assert allowed("https://hooks.test/x", address)
    assert not allowed("http://hooks.test/x", address)
    assert not allowed("http://hooks.test/x", address, allow_http=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_may_not_unless_the_settings_say_so(address: str) -> None:
    assert not allowed("https://hooks.test/x", address)
    assert allowed("https://hooks.test/x", address, allow_private=True)
    assert allowed("https://hooks.test:9000/x", address, allow=["Hooks.test"])
    assert not allowed("https://other.test/x", address, allow=["hooks.test"])


@pytest.mark.parametrize("address", METADATA)
def test_where_clouds_keep_credentials_is_for_nobody_who_does_not_name_it(address: str) -> None:
    assert not allowed("https://hooks.test/x", address)
    assert not allowed("https://hooks.test/x", address, allow_private=True)
    assert allowed("https://hooks.test/x", address, allow=["hooks.test"])


@pytest.mark.parametrize("address", NO_HOST)
def test_what_is_no_hosts_address_is_never_connected_to(address: str) -> None:
    assert not allowed("https://hooks.test/x", address, allow_private=True, allow=["hooks.test", "0.0.0.0/0"])


def test_networks_are_allowed_whatever_name_leads_there() -> None:
    assert allowed("https://hooks.test:1234/x", "10.1.2.3", allow=["10.1.0.0/16"])
    assert allowed("https://hooks.test/x", "::ffff:10.1.2.3", allow=["10.1.0.0/16"])
    assert not allowed("https://hooks.test/x", "10.2.2.3", allow=["10.1.0.0/16"])
    assert allowed("https://[fd12::7]:99/", "fd12::7", allow=["fd12::/16"])


def test_plain_http_is_for_this_machine_only() -> None:
    both = {"allow": ["127.0.0.0/8", "10.0.0.0/8"], "allow_http": True}
    assert allowed("http://localhost:3000/x", "127.0.0.1", **both)
    assert not allowed("http://hooks.test:3000/x", "10.0.0.1", **both)
    assert not allowed("http://localhost/x", "127.0.0.1", allow=["127.0.0.0/8"])
    assert not allowed("http://localhost/x", "127.0.0.1", allow_http=True)


def test_ports_are_those_of_the_settings_but_for_receivers_that_are_named() -> None:
    assert allowed("https://hooks.test:8443/", PUBLIC[0])
    assert not allowed("https://hooks.test:22/", PUBLIC[0])
    assert allowed("https://hooks.test:22/", PUBLIC[0], ports=[22])
    assert allowed("https://hooks.test:22/", PUBLIC[0], allow=["hooks.test"])


@settings(max_examples=300)
@given(st.ip_addresses())
def test_the_table_agrees_with_the_registries(address: Address) -> None:
    """Whatever the standard library knows to be special is not public, however it is written."""
    real = embedded(address)
    if real.is_private or real.is_multicast or real.is_reserved or real.is_loopback or real.is_link_local:
        assert not is_public(real)
    assert is_public(real) <= real.is_global


@settings(max_examples=200)
@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | number)
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number)
    tunnelled = ipaddress.IPv6Address(0x2002 << 112 | number << 80)
    for written in (mapped, translated, tunnelled):
        assert embedded(written) == address
        assert allowed("https://x.test/", str(written)) == allowed("https://x.test/", str(address))


def test_a_url_is_taken_apart() -> None:
    assert parse_endpoint("HTTPS://Hooks.Test/a/b?c=d%20e") == Endpoint(
        "https", "hooks.test", 443, "/a/b?c=d%20e"
    )
    assert parse_endpoint("https://hooks.test:8443") == Endpoint("https", "hooks.test", 8443, "/")
    assert parse_endpoint("https://[2001:DB8::1]/") == Endpoint("https", "2001:db8::1", 443, "/")
    assert parse_endpoint("https://bücher.test/x").host == "xn--bcher-kva.test"
    assert parse_endpoint("https://hooks.test/secret").shown == "https://hooks.test:443"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.test/x",
        "/x",
        "//hooks.test/x",
        "ftp://hooks.test/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:///x",
        "https://user@hooks.test/x",
        "https://user:secret@hooks.test/x",
        "https://@hooks.test/x",
        "https://hooks.test#@10.0.0.1/",
        "https://hooks.test/x#fragment",
        "https://hooks.test/x#",
        "https://hooks.test:0/x",
        "https://hooks.test:/x",
        "https://hooks.test:99999/x",
        "https://hooks.test:a/x",
        "https://hooks test/x",
        "https://hooks.test/x y",
        "https://hooks.test\\@10.0.0.1/",
        "https://hooks.test/\r\nX-Evil: 1",
        "https://hooks.test/\tx",
        "https://hooks.test/ü",
        "https://ho_oks..test/",
        "https://-hooks.test/",
        "https://%31%30.0.0.1/",
        "https://[::1/x",
        "https://[fe80::1%25eth0]/x",
        "https://hooks.test/" + "x" * 2048,
        "https://xn--zzzzzz--.test:bad/",
        "https://\u3002test/",
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(EndpointError):
        parse_endpoint(url)


@settings(max_examples=300)
@given(st.text(max_size=60).map(lambda text: "https://" + text))
def test_no_text_makes_it_fail_otherwise(url: str) -> None:
    try:
        endpoint = parse_endpoint(url)
    except EndpointError:
        return
    assert endpoint.host.isascii()
    assert endpoint.target.isascii()
    assert endpoint.target.startswith("/")
    assert not set(endpoint.host + endpoint.target) & set(" \r\n\t\\@#\0") - {"@"}
    assert "@" not in endpoint.host
