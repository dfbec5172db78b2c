"""Fetching MTA-STS policies from a host of the test's: what is taken, and what is not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.transport.conftest import server_context

from graphpost.testing.policy_peer import PolicyPeer
from graphpost.transport.mta_sts import POLICY_BYTES, Policy, PolicyError
from graphpost.transport.policy_host import PolicyHost
from graphpost.transport.resolver import Exchanger, LookupFailedError, NoSuchDomainError

pytestmark = pytest.mark.anyio

GOOD = "version: STSv1\r\nmode: enforce\r\nmx: mx.far.test\r\nmax_age: 604800\r\n"
POLICY = Policy("enforce", 604_800, ("mx.far.test",))


class Addresses:
    """A resolver for which every host has these addresses."""

    def __init__(self, *addresses: str, error: Exception | None = None) -> None:
        self._addresses = addresses
        self._error = error

    async def exchangers(self, domain: str) -> tuple[Exchanger, ...]:
        return ()

    async def addresses(self, host: str) -> tuple[str, ...]:
        if self._error is not None:
            raise self._error
        return self._addresses


@pytest.fixture
def peer(authority: trustme.CA) -> Iterator[PolicyPeer]:
    with PolicyPeer(server_context(authority, "mta-sts.far.test", "mta-sts.other.test")) as found:
        yield found


async def fetched(
    peer: PolicyPeer, ca_file: Path, *addresses: str, domain: str = "far.test", allow_local: bool = True
) -> Policy:
    host = PolicyHost(Addresses(*(addresses or ("127.0.0.1",))), peer.port)
    policy, text = await host.fetch(domain, ca_file=str(ca_file), allow_local=allow_local)
    assert text == GOOD
    return policy


async def test_a_policy_is_fetched_by_its_name(peer: PolicyPeer, ca_file: Path) -> None:
    peer.publish("far.test", GOOD)
    assert await fetched(peer, ca_file) == POLICY
    assert peer.asked == ["mta-sts.far.test"]


async def test_the_next_address_is_tried(peer: PolicyPeer, ca_file: Path) -> None:
    peer.publish("far.test", GOOD)
    assert await fetched(peer, ca_file, "127.0.0.77", "127.0.0.1") == POLICY


@pytest.mark.parametrize("kind", ["text/plain", "Text/Plain;charset=us-ascii"])
async def test_parameters_of_its_type_do_not_matter(peer: PolicyPeer, ca_file: Path, kind: str) -> None:
    peer.publish("far.test", GOOD, content_type=kind)
    assert await fetched(peer, ca_file) == POLICY


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(peer: PolicyPeer, ca_file: Path, status: int) -> None:
    elsewhere = f"https://mta-sts.other.test:{peer.port}/.well-known/mta-sts.txt"
    peer.publish("far.test", GOOD, status=status, location=elsewhere)
    peer.publish("other.test", GOOD)
    with pytest.raises(PolicyError, match=f"mta-sts.far.test: the answer is {status}"):
        await fetched(peer, ca_file)
    assert peer.asked == ["mta-sts.far.test"]


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_only_200_is_an_answer(peer: PolicyPeer, ca_file: Path, status: int) -> None:
    peer.publish("far.test", "" if status == 204 else GOOD, status=status)
    with pytest.raises(PolicyError, match=f"the answer is {status}"):
        await fetched(peer, ca_file)


async def test_what_is_not_plain_text_is_no_policy(peer: PolicyPeer, ca_file: Path) -> None:
    peer.publish("far.test", GOOD, content_type="text/html")
    with pytest.raises(PolicyError, match="text/plain"):
        await fetched(peer, ca_file)


async def test_of_a_long_answer_no_more_is_read_than_a_policy_may_have(
    peer: PolicyPeer, ca_file: Path
) -> None:
    peer.publish("far.test", GOOD + "x: y\n" * POLICY_BYTES)
    with pytest.raises(PolicyError, match="longer than 65536 octets"):
        await fetched(peer, ca_file)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"version: STSv1\n"])
async def test_what_cannot_be_read_is_no_policy(peer: PolicyPeer, ca_file: Path, body: bytes) -> None:
    peer.publish("far.test", body)
    with pytest.raises(PolicyError):
        await fetched(peer, ca_file)


async def test_the_certificate_is_for_the_name(peer: PolicyPeer, ca_file: Path) -> None:
    peer.publish("third.test", GOOD)
    with pytest.raises(PolicyError, match="Hostname mismatch"):
        await fetched(peer, ca_file, domain="third.test")
    assert peer.asked == []


async def test_the_certificate_is_from_somebody_we_trust(peer: PolicyPeer) -> None:
    peer.publish("far.test", GOOD)
    host = PolicyHost(Addresses("127.0.0.1"), peer.port)
    with pytest.raises(PolicyError, match="certificate verify failed"):
        await host.fetch("far.test", ca_file="", allow_local=True)
    assert peer.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
    ],
)
async def test_only_public_addresses_are_connected_to(peer: PolicyPeer, ca_file: Path, address: str) -> None:
    peer.publish("far.test", GOOD)
    with pytest.raises(PolicyError, match="is not a public one"):
        await fetched(peer, ca_file, address, allow_local=False)
    assert peer.asked == []


@pytest.mark.parametrize("address", ["224.0.0.1", "0.0.0.0", "::"])
async def test_some_addresses_are_no_host(peer: PolicyPeer, ca_file: Path, address: str) -> None:
    with pytest.raises(PolicyError, match="is not a public one"):
        await fetched(peer, ca_file, address)


@pytest.mark.parametrize(
    ("resolver", "said"),
    [
        (Addresses(), "it has no address"),
        (Addresses(error=LookupFailedError("no answer in time")), "no answer in time"),
        (Addresses(error=NoSuchDomainError("DNS knows no such name")), "DNS knows no such name"),
    ],
)
async def test_without_an_address_there_is_no_policy(resolver: Addresses, said: str) -> None:
    with pytest.raises(PolicyError, match=f"mta-sts.far.test: {said}"):
        await PolicyHost(resolver, 443).fetch("far.test", ca_file="", allow_local=True)


@pytest.fixture
def silent(authority: trustme.CA) -> Iterator[int]:
    """The port of a host that does its handshake and then says nothing; who comes may be gone before either."""
    context = server_context(authority, "mta-sts.far.test")
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as taken:

        def serve() -> None:
            connection = taken.enter_context(listener.accept()[0])
            with contextlib.suppress(OSError):
                taken.enter_context(context.wrap_socket(connection, server_side=True))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        with socket.create_connection(listener.getsockname()):  # for a thread that nobody came to
            pass
        thread.join()


async def test_a_host_that_says_nothing_is_given_up(silent: int, ca_file: Path) -> None:
    host = PolicyHost(Addresses("127.0.0.1"), silent, 0.2)
    with pytest.raises(PolicyError, match="no answer in time"):
        await host.fetch("far.test", ca_file=str(ca_file), allow_local=True)
