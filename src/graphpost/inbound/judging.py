"""Judging: what is recorded of who a message is from, and what is refused for it.

Who brings mail over LMTP, or from an address that the limits don't count, is one of our own relays: what SPF says of it
means nothing, and whether to refuse was for the relay to say.
"""

from __future__ import annotations

from graphpost.authenticity.authenticator import Authenticator, Verdict
from graphpost.config import InboundSettings
from graphpost.inbound.gate import Networks
from graphpost.inbound.reception import Letter
from graphpost.inbound.replies import refusal
from graphpost.inbound.spool import Spool
from graphpost.maillog import MailLog


class Judge:
    """`evaluate` is an Evaluate, as Reception wants it."""

    def __init__(self, authenticator: Authenticator, settings: InboundSettings, log: MailLog) -> None:
        self._authenticator = authenticator
        self._settings = settings
        self._relays = Networks(settings.unlimited)
        self._log = log

    async def evaluate(self, letter: Letter, spool: Spool) -> bytes:
        """The Authentication-Results field.  Raises Refusal when the message's domain wants that, and we do."""
        peer, sender = letter.peer, letter.mail.sender
        if "LMTP" in peer.protocol or peer.address in self._relays:
            return b""
        verdict = await self._authenticator.evaluate(peer.address, peer.helo, sender, spool)
        self._say(letter, verdict)
        if verdict.is_unwanted and self._settings.authentication == "refuse":
            text = f"{verdict.dmarc.domain} wants refused what it neither sent nor signed (DMARC)"
            raise refusal(550, "5.7.26", text, "dmarc")
        return verdict.field

    def _say(self, letter: Letter, verdict: Verdict) -> None:
        dkim = ",".join(f"{each.result}:{each.domain}" for each in verdict.signatures) or "none"
        dmarc = verdict.dmarc
        self._log.judged(
            letter.peer.address, letter.mail.sender, dmarc.domain, verdict.spf.result, dkim, dmarc.result
        )
