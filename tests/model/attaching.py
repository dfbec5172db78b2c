"""Attachments of drafts: added, deleted, uploaded in slices."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model.comparing import Done, Step
from tests.model.deferring import Deferring
from tests.model.given import BOX, FILE, GIVEN, PICK, attachment, files_meant
from tests.model.mailbox import File, Kept, Refused, not_found
from tests.model.place import BOXES, Ask


class Attaching(Deferring):
    """An upload may end long after it began, when its draft is something else."""

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3), name=FILE)
    def attach(self, number: int, pick: int, style: int, name: str) -> None:
        if (kept := self.message(number, pick)) is None:
            return
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            self.attached(kept, files_meant([name])[0])
            return Done(201)

        self.run(number, Step(Ask("POST", f"{path}/attachments", attachment(name)), act))

    def attached(self, kept: Kept, file: File) -> None:
        if not kept.is_draft:
            raise Refused(400, "ErrorInvalidRequest")
        self.refiled(kept, (*kept.files, file))

    def refiled(self, kept: Kept, files: tuple[File, ...]) -> None:
        kept.files, kept.refiled = files, True
        kept.show(hasAttachments=any(not each.inline for each in files))
        kept.mime = False

    @rule(number=BOX, pick=PICK, which=PICK)
    def detach(self, number: int, pick: int, which: int) -> None:
        kept = self.message(number, pick)
        if kept is None or not kept.file_keys:
            return
        index = which % len(kept.file_keys)

        def act() -> Done:
            if kept.gone:
                raise not_found()
            if not kept.is_draft:
                raise Refused(400, "ErrorInvalidRequest")
            self.refiled(kept, kept.files[:index] + kept.files[index + 1 :])
            return Done(204)

        path = f"messages/{kept.key}/attachments/{kept.file_keys[index]}"
        self.run(number, Step(Ask("DELETE", path), act))
        if kept.is_draft:
            assert self.get(number, path).error == (404, "ErrorItemNotFound")

    @rule(number=BOX, pick=PICK, name=FILE)
    def begin_upload(self, number: int, pick: int, name: str) -> None:
        if (kept := self.message(number, pick)) is None:
            return
        content_type, inline, content_id, data = GIVEN[name]
        data = data or b"x"
        item = {"attachmentType": "file", "name": name, "size": len(data), "contentType": content_type}
        item |= {"isInline": inline, "contentId": content_id}
        assert self.place is not None
        path = f"messages/{kept.key}/attachments/createUploadSession"
        answer = self.place.ask(BOXES[number], Ask("POST", path, {"AttachmentItem": item}))
        if kept.gone:
            assert answer.error == (404, "ErrorItemNotFound")
        elif not kept.is_draft:
            assert answer.error == (400, "ErrorInvalidRequest")
        else:
            assert answer.status == 201
            meant = File(name, content_type, sha256(data).hexdigest(), inline, content_id)
            self.sessions.append((kept, answer.body["uploadUrl"], data, meant))

    @rule(pick=PICK, cut=PICK)
    def finish_upload(self, pick: int, cut: int) -> None:
        """In two slices; the draft may have gone or been sent since the session began."""
        if not self.sessions:
            return
        assert self.place is not None
        kept, url, data, file = self.sessions.pop(pick % len(self.sessions))
        is_open = not kept.gone and kept.is_draft
        at = cut % len(data)
        if at:
            first = self.place.put(url, 0, data[:at], len(data))
            assert first.status in ((200,) if is_open else (200, 404)), first
            if first.status == 404:
                return
            assert first.body["nextExpectedRanges"] == [f"{at}-{len(data) - 1}"]
        last = self.place.put(url, at, data[at:], len(data))
        if is_open:
            assert (last.status, last.body) == (201, None), last
            self.attached(kept, file)
        else:
            assert last.error == (404, "ErrorItemNotFound")
        self.look()
