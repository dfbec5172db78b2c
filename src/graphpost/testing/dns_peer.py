"""A DNS server for tests: answers from a table, and misbehaves when told.

    with DnsPeer() as dns:
        dns.add("contoso.test", "MX", "10 mx1.contoso.test.")
        dns.add("mx1.contoso.test", "A", "127.0.0.2")
        dns.fail("broken.test")                     # SERVFAIL
        ...                                         # ask dns.address

Names that are in no record do not exist (NXDOMAIN); names that have other records have none of the kind asked for.
"""

from __future__ import annotations

import socket
import threading
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class DnsPeer:
    """Serves UDP on a free port of the loopback.  `questions` are the (name, kind) that were asked, in order."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, str]] = []
        self._records: dict[str, dict[str, list[str]]] = {}
        self._failing: set[str] = set()
        self._silent: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """As the settings have it: `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def add(self, name: str, kind: str, *values: str) -> None:
        """Add records, in the form of a zone file; without values the name exists and has none."""
        self._records.setdefault(name.lower(), {}).setdefault(kind, []).extend(values)

    def remove(self, name: str) -> None:
        self._records.pop(name.lower(), None)

    def fail(self, name: str) -> None:
        """Answer SERVFAIL to everything about that name."""
        self._failing.add(name.lower())

    def say_nothing(self, name: str) -> None:
        """Do not answer questions about that name."""
        self._silent.add(name.lower())

    def recover(self) -> None:
        """Answer again."""
        self._failing.clear()
        self._silent.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            try:
                answer = self._answer(dns.message.from_wire(data))
            except dns.exception.DNSException:
                continue
            if answer is not None:
                self._socket.sendto(answer.to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind))
        if name in self._silent:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self._failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer
        self._fill(answer, question.name, name, kind)
        return answer

    def _fill(self, answer: dns.message.Message, asked: dns.name.Name, name: str, kind: str) -> None:
        found = self._records.get(name)
        if found is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return
        if (alias := found.get("CNAME")) and kind != "CNAME":
            answer.answer.append(dns.rrset.from_text(asked, 60, "IN", "CNAME", *alias))
            target = dns.name.from_text(alias[0])
            self._fill(answer, target, target.to_text(omit_final_dot=True).lower(), kind)
        elif values := found.get(kind):
            answer.answer.append(dns.rrset.from_text(asked, 60, "IN", kind, *values))
