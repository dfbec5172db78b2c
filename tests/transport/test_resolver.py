"""What the resolver makes of a name server's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from graphpost.config import DnsSettings
from graphpost.testing.dns_peer import DnsPeer
from graphpost.transport.resolver import DnsResolver, LookupFailedError, NoSuchDomainError


def ask(peer: DnsPeer, question: Callable[[DnsResolver], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await question(DnsResolver(DnsSettings(servers=[peer.address])))

    return asyncio.run(run())


def test_the_strings_of_a_text_are_put_together() -> None:
    with DnsPeer() as peer:
        peer.add("contoso.test", "TXT", '"v=spf1 " "-all"', '"\\233t\\233"')
        assert sorted(ask(peer, lambda dns: dns.texts("contoso.test"))) == [b"v=spf1 -all", b"\xe9t\xe9"]


@pytest.mark.parametrize(
    ("address", "name"), [("192.0.2.7", "7.2.0.192.in-addr.arpa"), ("2001:db8::7", f"7{'.0' * 23}.8.b.d.0.1.0.0.2.ip6.arpa")]
)  # fmt: skip
def test_the_names_of_an_address(address: str, name: str) -> None:
    with DnsPeer() as peer:
        peer.add(name, "PTR", "Mail.contoso.test.")
        assert ask(peer, lambda dns: dns.names(address)) == ("mail.contoso.test",)


def test_addresses_of_one_kind() -> None:
    with DnsPeer() as peer:
        peer.add("contoso.test", "A", "192.0.2.1")
        peer.add("contoso.test", "AAAA", "2001:db8::1")
        assert ask(peer, lambda dns: dns.addresses("contoso.test", ("AAAA",))) == ("2001:db8::1",)
        assert peer.questions == [("contoso.test", "AAAA")]


def test_an_alias_and_none() -> None:
    with DnsPeer() as peer:
        peer.add("www.contoso.test", "CNAME", "contoso.test.")
        peer.add("contoso.test", "A", "192.0.2.1")
        assert ask(peer, lambda dns: dns.alias("www.contoso.test")) == "contoso.test"
        assert ask(peer, lambda dns: dns.alias("contoso.test")) == ""


def test_no_answer_and_no_name_are_different() -> None:
    with DnsPeer() as peer:
        peer.fail("broken.test")
        with pytest.raises(LookupFailedError):
            ask(peer, lambda dns: dns.texts("broken.test"))
        with pytest.raises(NoSuchDomainError):
            ask(peer, lambda dns: dns.texts("nobody.test"))


@pytest.mark.parametrize(("length", "questions"), [(200, 1), (2200, 2)])
def test_long_answers_are_not_remembered(length: int, questions: int) -> None:
    async def twice(resolver: DnsResolver) -> None:
        for _ in range(2):
            assert sum(map(len, await resolver.texts("contoso.test"))) == length

    with DnsPeer() as peer:
        peer.add("contoso.test", "TXT", " ".join(f'"{"x" * 200}"' for _ in range(length // 200)))
        ask(peer, twice)
        assert len(peer.questions) == questions
