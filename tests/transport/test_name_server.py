"""A DNS server that is asked over TCP."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import dns.flags
import dns.message
import dns.rrset
import pytest

from graphpost.config import DnsSettings
from graphpost.transport.name_server import LONGEST
from graphpost.transport.resolver import DnsResolver, LookupFailedError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class _Truncating(asyncio.DatagramProtocol):
    """Over UDP: the answer does not fit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = dns.message.make_response(dns.message.from_wire(data))
        answer.flags |= dns.flags.TC
        self.transport.sendto(answer.to_wire(), addr)


class _Verbose:
    """A server with so many TXT records of two hundred octets, on one port of UDP and TCP.  `sent`: octets over TCP."""

    def __init__(self, records: int, number: int = 0) -> None:
        self.records, self.number, self.sent = records, number, 0

    async def __aenter__(self) -> str:
        loop, (tcp, udp) = asyncio.get_running_loop(), both_on_one_port()
        self.server = await asyncio.start_server(self._serve, sock=tcp)
        self.udp, _ = await loop.create_datagram_endpoint(_Truncating, sock=udp)
        host, port = udp.getsockname()
        return f"{host}:{port}"

    async def __aexit__(self, *details: object) -> None:
        self.udp.close()
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = dns.message.from_wire(
            await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        )
        answer = dns.message.make_response(query)
        answer.id += self.number
        texts = [f'"{n:04}{"x" * 196}"' for n in range(self.records)]
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *texts))
        wire = answer.to_wire(max_size=65_535)
        writer.write(len(wire).to_bytes(2, "big") + wire)
        self.sent = len(wire)
        writer.close()


def both_on_one_port() -> tuple[socket.socket, socket.socket]:
    """A port of TCP and UDP; what is free in the one may be somebody's in the other."""
    while True:
        tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return tcp, udp


async def test_what_does_not_fit_is_asked_for_over_tcp() -> None:
    async with _Verbose(50) as address:
        found = await DnsResolver(DnsSettings(servers=[address])).texts("contoso.test")
    assert len(found) == 50


async def test_a_long_answer_is_not_read() -> None:
    verbose = _Verbose(100)
    async with verbose as address:
        with pytest.raises(LookupFailedError):
            await DnsResolver(DnsSettings(servers=[address])).texts("evil.test")
    assert verbose.sent > LONGEST


async def test_an_answer_to_another_question_is_none() -> None:
    async with _Verbose(1, number=1) as address:
        with pytest.raises(LookupFailedError):
            await DnsResolver(DnsSettings(servers=[address])).texts("contoso.test")
