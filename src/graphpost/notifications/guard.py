"""Which URLs may be notified.

Clients name them, and the server can reach what clients cannot.
An endpoint is looked at twice: its URL when it is given, and each address its name resolves to before a connection is
made to that very address, so that a name that changes its mind gains nothing.  Refused are addresses that are not of
the Internet (IANA's special-purpose registries) and those where clouds keep credentials, also when they are written
inside an IPv6 address.  `EndpointError` says why, for the log; a client is not told what the network looks like.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import idna

from graphpost.addresses import Address, embedded, is_public
from graphpost.config import NotificationSettings

MAX_LENGTH: Final = 2048

_UNFIT: Final = re.compile(r"[\x00-\x20\x7f-\x9f\s\\^`{|}<>\"]")  # no characters of a URL (RFC 3986)
_NAME: Final = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # nearly everybody
        "169.254.170.2",  # Amazon's containers
        "168.63.129.16",  # Azure
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
    )
)


class EndpointError(Exception):
    """A URL that is not to be notified, or could not be; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to post.  `host` is a lower-case name in A-labels or an address; `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def shown(self) -> str:
        """Host and port, for the log: paths and queries of webhooks are often secret."""
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """The parts of an absolute http or https URL; EndpointError for anything that readers of URLs could disagree on."""
    if len(url) > MAX_LENGTH or _UNFIT.search(url):
        raise EndpointError("the URL is too long, or has characters that no URL has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise EndpointError(f"not a URL: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in ("https", "http") or not host:
        raise EndpointError("not an https URL")
    if "%" in parts.netloc:
        raise EndpointError("the URL's host is percent-encoded, or has a zone")
    if "@" in parts.netloc:
        raise EndpointError("the URL has credentials in it")
    if parts.fragment or "#" in url:
        raise EndpointError("the URL has a fragment")
    if port == 0 or parts.netloc.endswith(":"):
        raise EndpointError("the URL has no usable port")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        raise EndpointError("the URL's path is not percent-encoded")
    return Endpoint(scheme, _host(host), port or (443 if scheme == "https" else 80), target)


class Guard:
    """The rules of one server."""

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._names: set[str] = set()
        for entry in settings.allow:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip("[]")))
            except ValueError:
                self._names.add(entry.lower().rstrip("."))

    def check_scheme(self, endpoint: Endpoint) -> None:
        """Raise EndpointError for plain HTTP where that is not allowed at all."""
        if endpoint.scheme != "https" and not self._settings.allow_http:
            raise EndpointError("not an https URL")

    def check(self, endpoint: Endpoint, address: Address) -> None:
        """Raise EndpointError unless this address of the endpoint's host may be connected to."""
        self.check_scheme(endpoint)
        real = embedded(address)
        if endpoint.scheme != "https" and not real.is_loopback:
            raise EndpointError("plain HTTP is for loopback only")
        if real.is_multicast or real.is_unspecified or real == ipaddress.IPv4Address("255.255.255.255"):
            raise EndpointError(f"{real} is no host's address")
        if self._is_named(endpoint.host, real):
            return
        if real in _METADATA:
            raise EndpointError(f"{real} is not to be notified")
        if not self._settings.allow_private and not is_public(real):
            raise EndpointError(f"{real} is not a public address")
        if endpoint.port not in self._settings.ports:
            raise EndpointError(f"port {endpoint.port} is not among notifications.ports")

    def _is_named(self, host: str, address: Address) -> bool:
        return host.rstrip(".") in self._names or any(address in network for network in self._networks)


def parse_address(text: str) -> Address:
    """An address as resolvers give it; EndpointError when it is none."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError as error:
        raise EndpointError(f"{text!r} is not an address") from error


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        name = text if text.isascii() else idna.encode(text, uts46=True).decode()
    except idna.IDNAError as error:
        raise EndpointError(f"not a host name: {error}") from error
    name = name.lower()
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise EndpointError("not a host name")
    return name
