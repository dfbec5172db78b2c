"""A DNS server that is asked, of whose answers the long ones are not read.

What is in them is a stranger's choice: thousands of records in one answer would take longer to read than all else about
a message (RFC 1035, 4.2.2: the length comes first over TCP; over UDP an answer is short by itself).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dns.exception
import dns.message
import dns.nameserver
import dns.query

LONGEST: Final = 16_384  # octets of an answer


class AnswerTooLongError(dns.exception.FormError):
    """The DNS server's answer is too long."""


class NameServer(dns.nameserver.Do53Nameserver):
    """Asked by UDP; by TCP when the answer does not fit.  After a FormError the resolver does not ask it again."""

    async def async_query(
        self,
        request: dns.message.QueryMessage,
        timeout: float,  # noqa: ASYNC109 - the signature is dnspython's
        source: str | None,
        source_port: int,
        max_size: bool,
        *others: Any,
        **named: Any,
    ) -> dns.message.Message:
        if not max_size:
            return await super().async_query(
                request, timeout, source, source_port, max_size, *others, **named
            )
        async with asyncio.timeout(timeout):
            response = dns.message.from_wire(await self._asked(request.to_wire()))
        if not request.is_response(response):
            raise dns.query.BadResponse
        return response

    async def _asked(self, question: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            writer.write(len(question).to_bytes(2, "big") + question)
            size = int.from_bytes(await reader.readexactly(2), "big")
            if size > LONGEST:
                raise AnswerTooLongError
            return await reader.readexactly(size)
        finally:
            writer.close()
