"""Folders made, renamed, moved, copied, deleted with all that is in them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model.attaching import Attaching
from tests.model.comparing import Done, Step
from tests.model.given import BOX, NAMES, PICK
from tests.model.place import Ask


class Filing(Attaching):
    """Default folders too, which stay as they are."""

    @rule(number=BOX, place=st.none() | PICK, name=st.sampled_from(NAMES), hidden=st.booleans())
    def create_folder(self, number: int, place: int | None, name: str, hidden: bool) -> None:
        box = self.boxes[number]
        parent = box.folder("msgfolderroot") if place is None else self.folder(number, place)
        path = "mailFolders" if place is None else f"mailFolders/{parent.key}/childFolders"
        body = {"displayName": name, "isHidden": hidden}
        self.run(
            number,
            Step(Ask("POST", path, body), lambda: Done(201, folder=box.create(parent, name, hidden))),
        )

    @rule(number=BOX, pick=PICK, name=st.sampled_from(NAMES))
    def rename_folder(self, number: int, pick: int, name: str) -> None:
        box, folder = self.boxes[number], self.folder(number, pick)

        def act() -> Done:
            box.rename(folder, name)
            return Done(200, folder=folder)

        self.run(number, Step(Ask("PATCH", f"mailFolders/{folder.key}", {"displayName": name}), act))

    @rule(number=BOX, pick=PICK, place=PICK)
    def move_folder(self, number: int, pick: int, place: int) -> None:
        box, to = self.boxes[number], self.folder(number, place)
        folder = self.own_folder(number, pick) or self.folder(number, pick)

        def act() -> Done:
            box.move_folder(folder, to)
            return Done(200, folder=folder)

        path = f"mailFolders/{folder.key}/move"
        self.run(number, Step(Ask("POST", path, {"destinationId": to.known or to.key}), act))

    @rule(number=BOX, pick=PICK, place=PICK)
    def copy_folder(self, number: int, pick: int, place: int) -> None:
        box, folder, to = self.boxes[number], self.folder(number, pick), self.folder(number, place)
        if len(box.folders) + len(box.messages) > 60:
            return
        path, body = f"mailFolders/{folder.key}/copy", {"destinationId": to.key}
        self.run(number, Step(Ask("POST", path, body), lambda: Done(200, folder=box.copy_folder(folder, to))))

    @rule(number=BOX, pick=PICK, for_good=st.booleans())
    def delete_folder(self, number: int, pick: int, for_good: bool) -> None:
        box = self.boxes[number]
        folder = self.own_folder(number, pick) or self.folder(number, pick)

        def act() -> Done:
            (box.erase_folder if for_good else box.delete_folder)(folder)
            return Done(204)

        path = f"mailFolders/{folder.key}"
        ask = Ask("POST", f"{path}/permanentDelete") if for_good else Ask("DELETE", path)
        self.run(number, Step(ask, act))
        if folder.gone:
            assert self.get(number, path).error == (404, "ErrorItemNotFound")
