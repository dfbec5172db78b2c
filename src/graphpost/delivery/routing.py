"""Where mail goes: a destination key per address, a courier per key.

A destination key is text that stays the same over restarts, because it is stored in the queue: `local`, `unknown`
(our domain, no such mailbox), `exceeded` (the sender has sent to too many), `suppressed`, `capture`, `reject` (with the
words of the refusal, if a route has its own), a next hop such as `smtp://127.0.0.1:2525` or several, or `mx:` and a domain whose mail exchangers take its mail.  The
first route whose domains match wins; when none does, mail is captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from graphpost.config import RouteSettings
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import Directory

LOCAL: Final = "local"
UNKNOWN: Final = "unknown"
EXCEEDED: Final = "exceeded"
CAPTURE: Final = "capture"
REJECT: Final = "reject"
SUPPRESSED: Final = "suppressed"
MX: Final = "mx:"


def destination_key(route: RouteSettings) -> str:
    """The key of a route: MX for all of `mx:`; where it leads, as whom and from where for a relay.

    Several hosts are in it by priority, and in alphabetical order among those of one; a weight is no other destination.
    """
    scheme, _, rest = route.to.partition(":")
    scheme = scheme.lower()
    if scheme in (LOCAL, CAPTURE):
        return scheme
    if scheme == REJECT:
        return f"{scheme}:{rest.strip()}" if rest else scheme
    if f"{scheme}:" == MX:
        return MX
    ranks: dict[int, list[str]] = {}
    for host in route.smarthosts():
        ranks.setdefault(host.priority, []).append(f"{host.to}#{host.username}" if host.username else host.to)
    where = ";".join(",".join(sorted(ranks[priority])) for priority in sorted(ranks))
    us = [f"{name}={value}" for name in ("source", "hostname") if (value := getattr(route, name))]
    return f"{where}?{'&'.join(us)}" if us else where


def has_several_hosts(destination: str) -> bool:
    """Whether the key of a destination leaves open which host a message goes to."""
    return destination.startswith(MX) or "," in destination or ";" in destination


class Router:
    """Finds the destination of an address from the directory, our domains and the routes."""

    def __init__(
        self,
        directory: Callable[[], Directory],
        domains: Iterable[str],
        routes: Sequence[RouteSettings],
        is_suppressed: Callable[[str], bool] | None = None,
    ) -> None:
        self._is_suppressed = is_suppressed
        self._directory = directory
        self._domains = {_ascii(domain) for domain in domains}
        self._routes: dict[
            str, tuple[int, str]
        ] = {}  # by domain, or `*.domain`: the place of its route, and the key
        self._everything = (len(routes), CAPTURE)
        self._all = tuple(routes)
        for place, route in enumerate(routes):
            self._add(route.domains, (place, destination_key(route)))
        self._elsewhere = lru_cache(maxsize=4096)(self._find_elsewhere)

    def _add(self, domains: Iterable[str], found: tuple[int, str]) -> None:
        for domain in domains:
            if domain == "*":
                self._everything = min(self._everything, found)
            elif domain.startswith("*."):
                self._routes.setdefault("*." + _ascii(domain[2:]), found)
            else:
                self._routes.setdefault(_ascii(domain), found)

    def destination(self, address: str) -> str:
        """The destination key for a valid address."""
        if self._is_suppressed is not None and self._is_suppressed(address):
            return SUPPRESSED
        if self._directory().find_recipient(address) is not None:
            return LOCAL
        return self._elsewhere(domain_of(address))

    def is_ours(self, address: str) -> bool:
        """Whether it is of a mailbox here, or of a domain of ours."""
        return self._directory().find_address(address) is not None or domain_of(address) in self._domains

    def _find_elsewhere(self, domain: str) -> str:
        """The destination key for the addresses of a domain that are nobody's here."""
        if domain in self._domains:
            return UNKNOWN
        _, key = min(self._matches(domain))
        if key == MX:
            return MX + domain
        return UNKNOWN if key == LOCAL else key

    def mx_route(self, domain: str) -> RouteSettings | None:
        """The route that sends a domain's mail to its exchangers, if that is where it goes."""
        place, key = min(self._matches(domain))
        return self._all[place] if key == MX else None

    def _matches(self, domain: str) -> Iterator[tuple[int, str]]:
        """The routes for a domain; one for `*.example.test` is for every domain below it."""
        yield self._everything
        if found := self._routes.get(domain):
            yield found
        while "." in domain:
            domain = domain.partition(".")[2]
            if found := self._routes.get("*." + domain):
                yield found


def _ascii(domain: str) -> str:
    """A domain as `domain_of` gives it."""
    return domain_of(f"a@{domain}")
