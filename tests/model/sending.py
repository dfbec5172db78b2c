"""Mail that is sent, answered, passed on, and where it arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model.comparing import Done, Step
from tests.model.given import BOX, CROWD, FILES, NEW, PICK, UNSET, attachment, completed, files_meant
from tests.model.mailbox import (
    Box,
    File,
    Kept,
    Refused,
    addresses,
    answer_recipients,
    arrived,
    nobody,
    prefixed,
    recipient,
    recipients,
    report,
)
from tests.model.messages import Messages
from tests.model.place import Ask

VERBS = {"Reply": "102", "ReplyAll": "103", "Forward": "104"}
RELAYS = {"one.test", "two.test"}


@dataclass(frozen=True)
class Waiting:
    """What a relay has not taken yet; `word` begins the report that follows, '' when none does."""

    hop: str
    people: frozenset[str]
    box: Box
    word: str
    subject: str


class Sending(Messages):
    """To oneself, to the other mailbox, to two relays, to nobody; with reports that come back."""

    def __init__(self) -> None:
        super().__init__()
        self.held: set[str] = set()
        self.queued: list[Waiting] = []

    def leave(self, number: int, kept: Kept) -> None:
        """The model's mail on its way: to relays, to Inboxes, and reports back to the sender."""
        kept.leave()
        box, local, asks = self.boxes[number], list[Box](), kept.seen["isDeliveryReceiptRequested"]
        hops: dict[str, set[str]] = {}
        for address in recipients(kept.seen):
            owner = next((each for each in self.boxes if each.owns(address)), None)
            hop = "local" if owner else address.lower().partition("@")[2]
            hops.setdefault(hop, set()).add(address.lower())
            if owner and owner not in local:
                local.append(owner)
        for owner in local:
            owner.messages.append(arrived(kept, owner.folder("inbox")))
        subject = kept.seen["subject"]
        self.reported(box, "Undeliverable" if "contoso.test" in hops else "", subject)
        self.reported(box, "Delivered" if asks and "local" in hops else "", subject)
        for hop in RELAYS & hops.keys():
            self.queued.append(Waiting(hop, frozenset(hops[hop]), box, "Relayed" if asks else "", subject))
        self.pass_on()

    def reported(self, box: Box, word: str, subject: str) -> None:
        if word:
            box.messages.append(report(f"{word}: {subject}".strip(), box.folder("inbox")))

    def pass_on(self) -> None:
        """What relays take that are not held."""
        for each in self.queued:
            if each.hop not in self.held:
                self.mailed[each.hop, each.people] += 1
                self.reported(each.box, each.word, each.subject)
        self.queued = [each for each in self.queued if each.hop in self.held]

    @property
    def waiting(self) -> int:
        return len(self.queued)

    @rule(hop=st.sampled_from(sorted(RELAYS)))
    def hold(self, hop: str) -> None:
        """The relay takes mail in, and says nothing for a while: what it is sent is on its way."""
        assert self.place is not None
        self.held.add(hop)
        self.place.relays[hop].gate.clear()

    @rule()
    def release(self) -> None:
        """The relays go on; whatever was done to the messages meanwhile, they arrive."""
        assert self.place is not None
        self.held.clear()
        for relay in self.place.relays.values():
            relay.gate.set()
        self.pass_on()
        self.look()

    def finish(self) -> None:
        self.release()

    def send_step(self, number: int, pick: int, style: int) -> Step | None:
        if (kept := self.message(number, pick)) is None:
            return None
        box = self.boxes[number]
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            self.check_author(box, kept)
            self.send_now(box, kept)
            return Done(202)

        return Step(Ask("POST", f"{path}/send"), act, ends=True)

    def check_author(self, box: Box, kept: Kept) -> None:
        """Raise when somebody else wrote the draft, unless something else is wrong with it."""
        authors = addresses(filter(None, (kept.seen["from"], kept.seen["sender"])))
        if kept.is_draft and recipients(kept.seen) and not all(map(box.owns, authors)):
            raise Refused(403, "ErrorSendAsDenied")

    def send_now(self, box: Box, kept: Kept) -> None:
        box.send(kept)
        if not kept.mime:
            author = kept.seen["from"] or kept.seen["sender"]
            own = recipient(author["emailAddress"]["address"], box.name) if author else box.own
            kept.show(**{"from": own, "sender": own})
        self.leave(self.boxes.index(box), kept)

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3))
    def send(self, number: int, pick: int, style: int) -> None:
        self.run(number, self.send_step(number, pick, style))

    def send_mail_step(
        self, number: int, given: dict[str, Any], files: list[str], saves: bool | None
    ) -> Step:
        box = self.boxes[number]
        message = {**given, **({"attachments": list(map(attachment, files))} if files else {})}

        def act() -> Done:
            if not recipients({**UNSET, **given}):
                raise nobody()
            author = {"from": box.own, "sender": box.own}
            seen = {**UNSET, **given, **author, "isDraft": False, "isRead": True}
            kept = Kept(box.folder("sentitems"), completed(seen, files), files_meant(files))
            if saves is not False:
                box.keep(kept)
            self.leave(number, kept)
            return Done(202)

        body = {"message": message, **({} if saves is None else {"saveToSentItems": saves})}
        return Step(Ask("POST", "sendMail", body), act, ends=True)

    @rule(number=BOX, given=NEW, files=FILES, saves=st.sampled_from((None, True, False)))
    def send_mail(self, number: int, given: dict[str, Any], files: list[str], saves: bool | None) -> None:
        self.run(number, self.send_mail_step(number, given, files, saves))

    @rule(
        number=BOX,
        pick=PICK,
        style=st.integers(0, 3),
        manner=st.sampled_from(("Reply", "ReplyAll", "Forward")),
        to=CROWD,
        kept_as_draft=st.booleans(),
        comment=st.sampled_from(("", "See <below>.")),
    )
    def answer(
        self,
        number: int,
        pick: int,
        style: int,
        manner: str,
        to: list[dict[str, Any]],
        kept_as_draft: bool,
        comment: str,
    ) -> None:
        if (original := self.message(number, pick)) is None:
            return
        box = self.boxes[number]
        path, check = self.at(number, original, style)
        forwards = manner == "Forward"

        def act() -> Done:
            check()
            seen, files = self.answered(box, original, manner, to)
            if not kept_as_draft and not recipients(seen):
                raise nobody()
            place = box.folder("drafts" if kept_as_draft else "sentitems")
            seen["isDraft"] = kept_as_draft
            if not kept_as_draft:
                seen |= {"from": box.own, "sender": box.own}
            answer = box.keep(Kept(place, seen, files, answers=(original, VERBS[manner])))
            if not kept_as_draft:
                self.leave(number, answer)
            return Done(201, answer) if kept_as_draft else Done(202)

        operation = f"create{manner}" if kept_as_draft else manner[0].lower() + manner[1:]
        body: dict[str, Any] = {"Comment": comment}
        if forwards:
            body["ToRecipients"] = to
        elif to:
            body["message"] = {"toRecipients": to}
        self.run(number, Step(Ask("POST", f"{path}/{operation}", body), act))

    def answered(
        self, box: Box, original: Kept, manner: str, to: list[dict[str, Any]]
    ) -> tuple[dict[str, Any], tuple[File, ...]]:
        """What an answer shows, and what it carries: a forward everything, a reply the images it quotes."""
        people = (
            ([], []) if manner == "Forward" else answer_recipients(box, original.seen, manner == "ReplyAll")
        )
        subject = prefixed("FW:" if manner == "Forward" else "RE:", original.seen["subject"])
        files = original.files
        if manner != "Forward":
            text = original.seen["body"]["content"] if original.seen["body"]["contentType"] == "html" else ""
            files = tuple(each for each in files if each.content_id and f"cid:{each.content_id}" in text)
        seen = {
            **UNSET,
            "subject": subject,
            "toRecipients": to or people[0],
            "ccRecipients": people[1],
            "conversationId": original.seen["conversationId"],
            "hasAttachments": any(not each.inline for each in files),
        }
        del seen["body"]
        return seen, files
