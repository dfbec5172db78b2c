"""Messages written, changed, moved, copied, deleted, read."""

from __future__ import annotations

import base64
from collections import Counter
from email import message_from_bytes
from email.policy import default
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model.comparing import Comparing, Done, Step, is_refused
from tests.model.given import (
    BOX,
    CSV,
    FILES,
    IN_REPORTS,
    MIMES,
    NEW,
    PICK,
    PROPERTIES,
    UNSET,
    attachment,
    completed,
    files_meant,
    seen_of_mime,
)
from tests.model.mailbox import Folder, Kept, Refused, recipient
from tests.model.place import BOXES, IMMUTABLE, Ask


class Messages(Comparing):
    """Drafts in any folder, and what can be done to any message."""

    def create_step(
        self, number: int, given: dict[str, Any], files: list[str], folder: Folder | None, stable: bool
    ) -> Step:
        box = self.boxes[number]
        body = {**given, **({"attachments": list(map(attachment, files))} if files else {})}

        def act() -> Done:
            place = folder or box.folder("drafts")
            seen = {**UNSET, **given, "isDraft": True}
            return Done(201, box.keep(Kept(place, completed(seen, files), files_meant(files))))

        path = f"mailFolders/{folder.key}/messages" if folder else "messages"
        return Step(Ask("POST", path, body, {"Prefer": IMMUTABLE} if stable else {}), act)

    @rule(number=BOX, given=NEW, files=FILES, place=st.none() | PICK, stable=st.booleans())
    def create(
        self, number: int, given: dict[str, Any], files: list[str], place: int | None, stable: bool
    ) -> None:
        folder = None if place is None else self.folder(number, place)
        self.run(number, self.create_step(number, given, files, folder, stable))

    @rule(number=BOX, which=st.sampled_from(sorted(MIMES)), place=PICK)
    def create_from_mime(self, number: int, which: str, place: int) -> None:
        box, folder = self.boxes[number], self.folder(number, place)

        def act() -> Done:
            seen = seen_of_mime(which) | {"isDraft": True, "isRead": True}
            return Done(201, box.keep(Kept(folder, seen, (CSV,) if which == "parts" else (), mime=True)))

        data = base64.encodebytes(MIMES[which])
        headers = {"Prefer": IMMUTABLE}
        self.run(number, Step(Ask("POST", f"mailFolders/{folder.key}/messages", data, headers), act))

    def patch_step(
        self, number: int, pick: int, style: int, fields: dict[str, Any], condition: str
    ) -> Step | None:
        if (kept := self.message(number, pick)) is None:
            return None
        box, tag, was = self.boxes[number], kept.tag, kept
        path, check = self.at(number, kept, style)
        match = {"right": f'W/"{tag}"', "wrong": 'W/"CQAAABYAAAA"', "*": "*", "": ""}[condition]

        def act() -> Done:
            check()
            if condition == "wrong" or (condition == "right" and (was.touched or was.tag != tag)):
                raise Refused(412, "ErrorIrresolvableConflict")
            changed = dict(fields)
            if "body" in changed:
                changed = completed(changed)
            box.patch(was, changed)
            return Done(200, was)

        return Step(Ask("PATCH", path, fields, {"If-Match": match} if match else {}), act)

    @rule(
        number=BOX,
        pick=PICK,
        style=st.integers(0, 3),
        fields=st.fixed_dictionaries(
            {}, optional={**PROPERTIES, "from": st.just(recipient("adele@contoso.com", "A. V."))}
        ),
        condition=st.sampled_from(("", "", "", "*", "right", "wrong")),
    )
    def patch(self, number: int, pick: int, style: int, fields: dict[str, Any], condition: str) -> None:
        if number == 1:
            fields.pop("from", None)  # it is Adele's
        self.run(number, self.patch_step(number, pick, style, fields, condition))

    @rule(
        number=BOX,
        pick=PICK,
        fields=st.fixed_dictionaries(
            {}, optional={name: PROPERTIES[name] for name in ("isRead", "importance", "flag", "categories")}
        ),
    )
    def mark(self, number: int, pick: int, fields: dict[str, Any]) -> None:
        """What may be changed on any message."""
        self.run(number, self.patch_step(number, pick, 0, fields, "right"))

    def move_step(self, number: int, pick: int, style: int, place: int, stable: bool) -> Step | None:
        if (kept := self.message(number, pick)) is None:
            return None
        box, to = self.boxes[number], self.folder(number, place)
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            box.move(kept, to)
            return Done(201, kept)

        body = {"destinationId": to.known.upper() if to.known and place % 3 else to.key}
        return Step(Ask("POST", f"{path}/move", body, {"Prefer": IMMUTABLE} if stable else {}), act)

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3), place=PICK, stable=st.booleans())
    def move(self, number: int, pick: int, style: int, place: int, stable: bool) -> None:
        self.run(number, self.move_step(number, pick, style, place, stable))

    def copy_step(self, number: int, pick: int, style: int, place: int) -> Step | None:
        if (kept := self.message(number, pick)) is None:
            return None
        box, to = self.boxes[number], self.folder(number, place)
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            return Done(201, box.copy(kept, to))

        return Step(Ask("POST", f"{path}/copy", {"DestinationId": to.key}, {"Prefer": IMMUTABLE}), act)

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3), place=PICK)
    def copy(self, number: int, pick: int, style: int, place: int) -> None:
        self.run(number, self.copy_step(number, pick, style, place))

    def delete_step(self, number: int, pick: int, style: int, *, for_good: bool) -> Step | None:
        if (kept := self.message(number, pick)) is None:
            return None
        box = self.boxes[number]
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            (box.erase if for_good else box.delete)(kept)
            return Done(204)

        ask = Ask("POST", f"{path}/permanentDelete") if for_good else Ask("DELETE", path)
        return Step(ask, act)

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3))
    def delete(self, number: int, pick: int, style: int) -> None:
        self.run(number, self.delete_step(number, pick, style, for_good=False))

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3))
    def delete_for_good(self, number: int, pick: int, style: int) -> None:
        self.run(number, self.delete_step(number, pick, style, for_good=True))

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3))
    def read_as_mime(self, number: int, pick: int, style: int) -> None:
        """What `$value` gives, another parser reads as the same message."""
        if (kept := self.message(number, pick)) is None:
            return
        path, check = self.at(number, kept, style)
        answer = self.get(number, f"{path}/$value")
        try:
            check()
        except Refused as refused:
            is_refused(answer, refused)
            return
        read = message_from_bytes(answer.body, policy=default)
        assert (read["subject"] or "") == kept.seen["subject"].rstrip(), answer.body
        if any(file.content_type in IN_REPORTS for file in kept.files):
            return  # the other parser looks into these
        carried = [each for each in read.walk() if each.get_filename()]
        digests = [sha256(bytes(each.get_payload(decode=True))).hexdigest() for each in carried]
        meant = [file.digest for file in kept.files if file.kind == "file"]
        assert Counter(digests) == Counter(meant), answer.body

    @rule(number=BOX, pick=PICK)
    def read_of_another(self, number: int, pick: int) -> None:
        """An id of the other mailbox names nothing here."""
        kept = self.message(1 - number, pick)
        if kept is None:
            return
        for key in (kept.key, kept.bound):
            for ask in (
                Ask("GET", f"messages/{key}"),
                Ask("DELETE", f"messages/{key}"),
                Ask("PATCH", f"messages/{key}", {"isRead": True}),
                Ask("POST", f"messages/{key}/send"),
                Ask("POST", f"messages/{key}/move", {"destinationId": "inbox"}),
            ):
                assert self.place is not None
                assert self.place.ask(BOXES[number], ask).error == (404, "ErrorItemNotFound")
