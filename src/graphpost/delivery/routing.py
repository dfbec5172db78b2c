"""Where mail goes: a destination key per address, a courier per key.

A destination key is text that stays the same over restarts, because it is stored in the queue: `local`, `unknown`
(our domain, no such mailbox), `capture`, `reject`, or a next hop such as `smtp://127.0.0.1:2525`.  The first route
whose domains match wins; when none does, mail is captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from graphpost.config import RouteSettings
from graphpost.mail.address import domain_of
from graphpost.mail.mailbox import Directory

LOCAL: Final = "local"
UNKNOWN: Final = "unknown"
CAPTURE: Final = "capture"
REJECT: Final = "reject"


def destination_key(route: RouteSettings) -> str:
    """The key of a route: its URL, and the user name when one URL is used under several."""
    scheme = route.to.partition(":")[0].lower()
    if scheme in (LOCAL, CAPTURE, REJECT):
        return scheme
    return f"{route.to}#{route.username}" if route.username else route.to


class Router:
    """Finds the destination of an address from the directory, our domains and the routes."""

    def __init__(
        self, directory: Callable[[], Directory], domains: Iterable[str], routes: Sequence[RouteSettings]
    ) -> None:
        self._directory = directory
        self._domains = {domain.casefold() for domain in domains}
        self._routes: dict[str, str] = {}
        self._everything = CAPTURE
        seen_everything = False
        for route in routes:
            if seen_everything:
                break
            key = destination_key(route)
            for domain in route.domains:
                if domain == "*":
                    self._everything, seen_everything = key, True
                else:
                    self._routes.setdefault(domain.casefold(), key)

    def destination(self, address: str) -> str:
        """The destination key for a valid address."""
        if self._directory().find_address(address) is not None:
            return LOCAL
        domain = domain_of(address)
        if domain in self._domains:
            return UNKNOWN
        key = self._routes.get(domain) or self._parent_route(domain) or self._everything
        return UNKNOWN if key == LOCAL else key

    def _parent_route(self, domain: str) -> str | None:
        """A route for `*.example.test` matches every domain below it, the longest match first."""
        while "." in domain:
            domain = domain.partition(".")[2]
            if key := self._routes.get("*." + domain):
                return key
        return None
