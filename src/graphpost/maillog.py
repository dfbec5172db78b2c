"""What happened to mail: one method per event, each a log line and a counter.

Paths come without their query.  Nobody passes bodies, tokens or secrets here.  The two events of every message are written
out by hand for speed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TextIO

from graphpost.clock import Instant, SystemClock, to_text
from graphpost.config.settings import LogSettings
from graphpost.eventlog import DEBUG, ERROR, INFO, WARNING, EventLog, Value
from graphpost.loglines import problem_text, quoted
from graphpost.metrics import Metrics

_NAMED: Final = 10  # messages that a line names
_SYSTEM: Final = SystemClock()


class MailLog(EventLog):
    """The events, and the metrics that count them."""

    def __init__(
        self, settings: LogSettings, stream: TextIO, now: Callable[[], Instant] = _SYSTEM.now
    ) -> None:
        super().__init__(settings, stream, now)
        self.metrics = Metrics()

    def accepted(
        self,
        request_id: str,
        mailbox: str,
        message_id: int,
        sender: str,
        recipients: int,
        size: int,
        seconds: float = -1.0,
    ) -> None:
        """A message is durable; `seconds` since its request came, when known."""
        self.metrics.accepted += 1
        if seconds >= 0:
            self.metrics.accept_seconds.observe(seconds)
        if self._threshold > INFO:
            return
        message = f"{message_id:016x}"
        if self._is_text:
            self._lines.add(
                f"{self._time()} accepted message={message} mailbox={quoted(mailbox)} sender={quoted(sender)} "
                f"recipients={recipients} size={size} request={quoted(request_id)}\n"
            )
            return
        who: dict[str, Value] = {"message": message, "mailbox": mailbox, "sender": sender}
        self._write(INFO, "accepted", {**who, "recipients": recipients, "size": size, "request": request_id})

    def received(
        self,
        number: int,
        client: str,
        helo: str,
        sender: str,
        recipients: int,
        size: int,
        seconds: float,
        messages: Sequence[int],
    ) -> None:
        """A message that another host brought is filed as these, durable; `seconds` since it had come whole."""
        self.metrics.received += 1
        self.metrics.receive_seconds.observe(seconds)
        who: dict[str, Value] = {"id": f"{number:016x}", "client": client, "helo": helo, "sender": sender}
        filed = ",".join(f"{number:016x}" for number in messages[:_NAMED])
        self._write(INFO, "received", {**who, "recipients": recipients, "size": size, "messages": filed})

    def judged(self, client: str, sender: str, author: str, spf: str, dkim: str, dmarc: str) -> None:
        """It was found out who a message that came in is from; `author` is the domain that From names."""
        self.metrics.judge(dmarc)
        who: dict[str, Value] = {"client": client, "sender": sender, "author": author}
        self._write(INFO, "judged", {**who, "spf": spf, "dkim": dkim, "dmarc": dmarc})

    def turned_away(
        self, client: str, command: str, code: int, text: str, reason: str, sender: str = ""
    ) -> None:
        """What another host wanted to bring was refused; `reason` is one of a few words."""
        self.metrics.turn_away(reason)
        fields: dict[str, Value] = {"client": client, "command": command, "code": code, "reply": text}
        self._write(INFO, "turned-away", {**fields, "reason": reason, "sender": sender})

    def delivered(
        self,
        message_id: int,
        recipient: str,
        destination: str,
        reply_code: int,
        reply_text: str,
        seconds: float,
        host: str = "",
    ) -> None:
        """The other side took it; `seconds` since it was accepted, `host` when `destination` has several."""
        self.metrics.delivered += 1
        self.metrics.delivery_seconds.observe(seconds)
        if self._threshold > INFO:
            return
        if self._is_text:
            self._lines.add(
                f"{self._time()} delivered message={message_id:016x} recipient={quoted(recipient)} "
                f"to={quoted(destination)} code={reply_code} reply={quoted(reply_text)} seconds={seconds:.3f}"
                f"{f' host={quoted(host)}' if host else ''}\n"
            )
            return
        fields = _attempt(message_id, recipient, destination, reply_code, reply_text, host)
        self._write(INFO, "delivered", {**fields, "seconds": round(seconds, 3)})

    def deferred(
        self,
        message_id: int,
        recipient: str,
        destination: str,
        reply_code: int,
        reply_text: str,
        next_at: Instant,
        host: str = "",
    ) -> None:
        """An attempt did not succeed and there will be another."""
        self.metrics.deferred += 1
        fields = _attempt(message_id, recipient, destination, reply_code, reply_text, host)
        self._write(WARNING, "deferred", {**fields, "next": to_text(next_at)})

    def failed(
        self,
        message_id: int,
        recipient: str,
        destination: str,
        reply_code: int,
        reply_text: str,
        host: str = "",
    ) -> None:
        """A recipient is given up."""
        self.metrics.failed += 1
        self._write(
            WARNING, "failed", _attempt(message_id, recipient, destination, reply_code, reply_text, host)
        )

    def captured(self, message_id: int, recipient: str, seconds: float = 0.0) -> None:
        """A recipient whose mail stays here to be looked at."""
        self.metrics.delivered += 1
        self.metrics.delivery_seconds.observe(seconds)
        self._write(INFO, "captured", {"message": f"{message_id:016x}", "recipient": recipient})

    def rerouted(self, message_id: int, destination: str, now_to: str) -> None:
        """Queued mail goes another way, because the settings changed."""
        fields: dict[str, Value] = {"message": f"{message_id:016x}", "from": destination, "to": now_to}
        self._write(INFO, "rerouted", fields)

    def set_aside(self, message_id: int, destination: str, error: BaseException) -> None:
        """A message that cannot be read or composed: kept, not tried again by itself, listed by the queue."""
        fields: dict[str, Value] = {"message": f"{message_id:016x}", "to": destination}
        self._write(ERROR, "set-aside", {**fields, "error": problem_text(error)})

    def scheduled(self, request_id: str, mailbox: str, message_id: int, due_at: Instant) -> None:
        """A message is durable, and waits in Drafts for its time."""
        fields: dict[str, Value] = {"message": f"{message_id:016x}", "mailbox": mailbox}
        self._write(INFO, "scheduled", {**fields, "due": to_text(due_at), "request": request_id})

    def unsent(self, message_id: int, mailbox: str, reason: str) -> None:
        """What waited for its time cannot be sent; it is still a draft, and its owner is told."""
        fields: dict[str, Value] = {"message": f"{message_id:016x}", "mailbox": mailbox, "reason": reason}
        self._write(WARNING, "unsent", fields)

    def cancelled(self, message_id: int) -> None:
        """An operator stopped what had not been delivered yet."""
        self._write(WARNING, "cancelled", {"message": f"{message_id:016x}"})

    def intervened(self, action: str, chosen: Mapping[str, Value], deliveries: int) -> None:
        """An operator did something to all deliveries of a sender, a destination and so on."""
        self._write(WARNING, "queue", {"action": action, **chosen, "deliveries": deliveries})

    def capacity(self, waiting: int, *, is_full: bool, is_short: bool) -> None:
        """Mail is refused from now on, or accepted again."""
        why = "the disk is nearly full" if is_short else "the queue is full" if is_full else ""
        fields: dict[str, Value] = {"waiting": waiting, **({"why": why} if why else {})}
        self._write(WARNING, "refusing" if why else "accepting", fields)

    def suppressed(self, entry: str, reason: str, until: Instant) -> None:
        """An address was refused for good, and is not sent to for a time."""
        self._write(WARNING, "suppressed", {"recipient": entry, "reason": reason, "until": to_text(until)})

    def filed(self, message_id: int, mailbox: str, folder: str) -> None:
        """A message arrived in a local mailbox."""
        self._write(INFO, "filed", {"message": f"{message_id:016x}", "mailbox": mailbox, "folder": folder})

    def sent_on(self, message_id: int, mailbox: str, recipients: int) -> None:
        """A rule of a mailbox sends a message on: `message` is the new one."""
        self._write(INFO, "sent_on", {"message": f"{message_id:016x}", "mailbox": mailbox, "to": recipients})

    def answered(self, message_id: int, mailbox: str) -> None:
        """A mailbox answers by itself: `message` is the answer, a receipt or an automatic reply."""
        self._write(INFO, "answered", {"message": f"{message_id:016x}", "mailbox": mailbox})

    def erased(self, mailbox_id: int) -> None:
        """Everything of a mailbox that was deleted long ago is gone."""
        self._write(INFO, "erased", {"mailbox": f"{mailbox_id:x}"})

    def almost_full(self, mailbox: str, size: int, quota: int) -> None:
        """A mailbox has nearly as much as it may, or more."""
        self._write(WARNING, "almost_full", {"mailbox": mailbox, "size": size, "quota": quota})

    def restored(self, mailbox: str) -> None:
        """A mailbox that a command deleted is there again, because the settings name it."""
        self._write(WARNING, "restored", {"mailbox": mailbox, "why": "the settings name it"})

    def no_postmaster(self, named: str, mailbox: str) -> None:
        """Nobody has the address that the settings name; `mailbox` gets what is for the postmaster instead."""
        self._write(WARNING, "no-postmaster", {"named": named, "instead": mailbox})

    def provisioned(self, mailbox: str, issuer: str) -> None:
        """A token was the first of somebody who has a mailbox since."""
        self._write(INFO, "provisioned", {"mailbox": mailbox, "issuer": issuer})

    def reported(self, message_id: int, recipient: str, state: str, status: str, text: str) -> None:
        """A report from elsewhere says what became of a message at a recipient's."""
        self.metrics.reported += 1
        fields: dict[str, Value] = {"message": f"{message_id:016x}", "recipient": recipient, "state": state}
        level = WARNING if state == "bounced" else INFO
        self._write(level, "reported", {**fields, "status": status, "text": text})

    def bounced(self, message_id: int, mailbox: str) -> None:
        """A non-delivery report about a message is in its sender's mailbox."""
        self.metrics.bounced += 1
        self._write(WARNING, "bounced", {"message": f"{message_id:016x}", "mailbox": mailbox})

    def warned(self, message_id: int, mailbox: str) -> None:
        """The sender was told that delivery is late."""
        self._write(INFO, "warned", {"message": f"{message_id:016x}", "mailbox": mailbox})

    def interrupted(self, deliveries: int) -> None:
        """So many were in the memory of a run that has died; they are done anew, and what was being sent may come twice."""
        self.metrics.interrupted_deliveries += deliveries
        self._write(WARNING, "interrupted", {"deliveries": deliveries})

    def secured(self, host: str, address: str, protocol: str, cipher: str, flaw: str | None) -> None:
        """A connection is under TLS; `flaw` is what is wrong with the certificate, '' when nobody looked, None when
        nothing is."""
        fields: dict[str, Value] = {"host": host, "address": address, "protocol": protocol, "cipher": cipher}
        fields["certificate"] = "verified" if flaw is None else "unverified"
        if flaw:
            fields["reason"] = flaw
        self._write(INFO, "secured", fields)

    def smarthost(self, host: str, avoided_until: Instant, reason: str) -> None:
        """One of several smarthosts does not work and is avoided, or works again (without a reason)."""
        if reason:
            fields: dict[str, Value] = {"host": host, "until": to_text(avoided_until), "reason": reason}
            self._write(WARNING, "host-avoided", fields)
        else:
            self._write(INFO, "host-works", {"host": host})

    def passed_over(self, domain: str, host: str, reason: str) -> None:
        """A mail exchanger does not work, and the next one is tried; said once an hour."""
        self._write(WARNING, "passed-over", {"domain": domain, "host": host, "reason": reason})

    def tls_downgraded(self, domain: str, host: str, before: str, now: str, reason: str) -> None:
        """Mail went to a domain less safely than before; said once an hour."""
        self.metrics.tls_downgrades += 1
        fields: dict[str, Value] = {"domain": domain, "host": host, "before": before, "now": now}
        self._write(WARNING, "tls-downgraded", {**fields, "reason": reason})

    def tls_refused(self, domain: str, host: str, reason: str) -> None:
        """Mail was not given to a host, because that would not have been safe enough; said once an hour."""
        self.metrics.tls_refusals += 1
        self._write(WARNING, "tls-refused", {"domain": domain, "host": host, "reason": reason})

    def policy_failed(self, domain: str, host: str, reason: str) -> None:
        """Mail went to a host against an MTA-STS policy that is in testing; said once an hour."""
        self.metrics.policy_failures += 1
        self._write(WARNING, "mta-sts-failed", {"domain": domain, "host": host, "reason": reason})

    def policy_unavailable(self, domain: str, reason: str) -> None:
        """An MTA-STS policy was announced and could not be fetched; one from before goes on to count."""
        self._write(WARNING, "mta-sts-unavailable", {"domain": domain, "reason": reason})

    def certificate_renewed(self, file: str) -> None:
        """The certificate in a file was replaced, and is shown from now on."""
        self._write(INFO, "certificate-renewed", {"file": file})

    def notified(self, endpoint: str, notifications: int, seconds: float) -> None:
        """A receiver took notifications."""
        self.metrics.notifications += notifications
        self.metrics.notification_seconds.observe(seconds)
        fields: dict[str, Value] = {"to": endpoint, "notifications": notifications}
        self._write(INFO, "notified", {**fields, "seconds": round(seconds, 3)})

    def notification_failed(self, endpoint: str, reason: str, next_at: Instant) -> None:
        """A receiver did not take notifications; there will be another attempt."""
        self.metrics.notifications_failed += 1
        self._write(
            WARNING, "notification-failed", {"to": endpoint, "reason": reason, "next": to_text(next_at)}
        )

    def notifications_dropped(self, endpoint: str, subscription: str) -> None:
        """A receiver failed for too long: what changed meanwhile is not told."""
        self.metrics.notifications_dropped += 1
        self._write(WARNING, "notifications-dropped", {"to": endpoint, "subscription": subscription})

    def endpoint_refused(self, endpoint: str, reason: str) -> None:
        """A URL was not validated, so there is no subscription."""
        self._write(INFO, "endpoint-refused", {"endpoint": endpoint, "reason": reason})

    def subscription_removed(self, subscription: str, why: str) -> None:
        """A subscription ended without its owner's doing."""
        self._write(INFO, "subscription-removed", {"subscription": subscription, "why": why})

    def request(
        self, method: str, path: str, status: int, seconds: float, request_id: str, route: str = "other"
    ) -> None:
        """A request was answered; `route` is the template it matched (few different ones)."""
        self.metrics.request(route, seconds)
        if self._threshold <= DEBUG:
            fields: dict[str, Value] = {"method": method, "path": path, "status": status}
            self._write(DEBUG, "request", {**fields, "seconds": round(seconds, 4), "request": request_id})

    def refused(self, method: str, path: str, status: int, code: str, request_id: str) -> None:
        """A request was answered with an error of the client's making."""
        self.metrics.throttled += status == 429
        fields: dict[str, Value] = {"method": method, "path": path, "status": status, "code": code}
        self._write(INFO, "refused", {**fields, "request": request_id})


def _attempt(
    message_id: int, recipient: str, destination: str, reply_code: int, reply_text: str, host: str
) -> dict[str, Value]:
    message = f"{message_id:016x}"
    fields: dict[str, Value] = {
        "message": message,
        "recipient": recipient,
        "to": destination,
        "code": reply_code,
        "reply": reply_text,
    }
    return {**fields, "host": host} if host else fields
