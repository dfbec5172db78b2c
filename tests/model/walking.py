"""Readers that turn pages while the mailbox changes: nothing twice, and nothing left out that stayed."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.model.given import BOX, PICK
from tests.model.mailbox import Folder, Kept
from tests.model.place import BOXES, IMMUTABLE
from tests.model.syncing import Syncing

MOST = 3  # readers at a time


@dataclass(eq=False)
class Walk:
    """Somebody's way through a list; `there` are the messages that were in it at the beginning, by their places."""

    number: int
    folder: Folder | None
    link: str
    there: dict[Kept, str]
    met: list[str] = field(default_factory=list)


class Walking(Syncing):
    """Lists in the order of receipt, by nextLink."""

    def __init__(self) -> None:
        super().__init__()
        self.walks: list[Walk] = []

    @rule(number=BOX, place=st.none() | PICK, size=st.integers(1, 3), oldest_first=st.booleans())
    def begin_to_walk(self, number: int, place: int | None, size: int, oldest_first: bool) -> None:
        folder = None if place is None else self.folder(number, place)
        box = self.boxes[number]
        query = f"messages?$top={size}&$select=subject" + "&$orderby=receivedDateTime" * oldest_first
        path = query if folder is None else f"mailFolders/{folder.key}/{query}"
        there = {kept: kept.bound for kept in (box.listed() if folder is None else box.inside(folder))}
        walk = Walk(number, folder, f"https://localhost:8443/v1.0/me/{path}", there)
        self.walks = [*self.walks[1 - MOST :], walk]
        self.turn_a_page(walk)

    @rule(pick=PICK, pages=st.integers(1, 5))
    def walk(self, pick: int, pages: int) -> None:
        for _ in range(pages):
            if self.walks:
                self.turn_a_page(self.walks[pick % len(self.walks)])

    def turn_a_page(self, walk: Walk) -> None:
        assert self.place is not None
        answer = self.place.follow(BOXES[walk.number], walk.link, Prefer=IMMUTABLE)
        if walk.folder is not None and walk.folder.gone:
            assert answer.error == (404, "ErrorItemNotFound")
            self.walks.remove(walk)
            return
        walk.met += [each["id"] for each in answer.values]
        walk.link = answer.body.get("@odata.nextLink", "")
        if not walk.link:
            self.walks.remove(walk)
            self.check_walk(walk)

    def check_walk(self, walk: Walk) -> None:
        stayed = {kept.key for kept, bound in walk.there.items() if not kept.gone and kept.bound == bound}
        assert stayed <= set(walk.met)
        repeated = {key for key in walk.met if walk.met.count(key) > 1}
        assert not repeated & stayed

    def finish(self) -> None:
        super().finish()
        while self.walks:
            self.turn_a_page(self.walks[0])
