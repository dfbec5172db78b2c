"""Drafts that wait for their time: sent once when it comes, as they are then, or never."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model.comparing import Done, Step
from tests.model.given import BOX, PICK
from tests.model.mailbox import Box, Kept, Refused, in_bin, recipients, report
from tests.model.place import LATER, Ask
from tests.model.sending import Sending

ASKING = {"singleValueExtendedProperties": [{"id": "SystemTime 0x3FEF", "value": LATER}]}


class Deferring(Sending):
    """All wait for one moment, which comes once in the life of a mailbox."""

    def __init__(self) -> None:
        super().__init__()
        self.is_late = False

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3))
    def ask_for_a_later_time(self, number: int, pick: int, style: int) -> None:
        if (kept := self.message(number, pick)) is None:
            return
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            kept.touched = kept.touched or not kept.later
            kept.later = True
            return Done(200, kept)

        self.run(number, Step(Ask("PATCH", path, ASKING), act))
        self.run(number, self.send_step(number, pick, 0))

    def send_now(self, box: Box, kept: Kept) -> None:
        if not kept.later or self.is_late:
            super().send_now(box, kept)
            return
        if not kept.is_draft or not recipients(kept.seen):
            box.send(kept)  # which is refused
        kept.waits = kept.touched = True
        if in_bin(kept.folder):  # where nothing waits
            kept.place(box.folder("drafts"))

    @rule()
    def the_time_comes(self) -> None:
        """Nothing else is under way then: leases and upload sessions would be over."""
        assert self.place is not None
        if self.is_late:
            return
        self.release()
        self.sessions.clear()
        self.is_late = True
        waiting = [(box, kept) for box in self.boxes for kept in box.messages if kept.waits]
        answers = [kept.answers for _, kept in waiting if kept.answers]
        for box, kept in waiting:
            kept.waits = False
            try:
                self.check_author(box, kept)
                super().send_now(box, kept)
            except Refused:
                subject = kept.seen["subject"]
                box.messages.append(report(f"Undeliverable: {subject}".strip(), box.folder("inbox")))
        for original, verb in answers:
            if any(other is original and word != verb for other, word in answers):
                original.answered = ""  # by whichever was the last
        self.place.come_late()
        self.look()
