"""The server beside the model: steps are taken by both, and what both then show is compared.

Every operation is a Step: what is asked, and what it does to the model (or the refusal it gets).  Steps are taken one by
one or as a batch.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, initialize
from tests.model.mailbox import UNKNOWN, Box, File, Folder, Kept, Refused, not_found
from tests.model.place import BOXES, IMMUTABLE, Answer, Ask, Place

HTML_SHOWN = "outlook.allow-unsafe-html"
VOLATILE = {"@odata.etag", "id", "changeKey", "lastModifiedDateTime", "webLink", "parentFolderId"}
TREE = "includeHiddenFolders=true&$top=1000&$expand=childFolders($expand=childFolders($expand=childFolders))"


@dataclass
class Done:
    """What a client is answered, and what the answer is about."""

    status: int
    kept: Kept | None = None
    folder: Folder | None = None


@dataclass
class Step:
    ask: Ask
    act: Callable[[], Done]
    ends: bool = False  # mail leaves: nothing more in this batch


class Comparing(RuleBasedStateMachine):
    """Set `opened` to a function that gives a fresh place."""

    opened: Callable[[], Place]

    def __init__(self) -> None:
        super().__init__()
        self.place: Place | None = None
        self.agreed = False

    @initialize()
    def begin(self) -> None:
        self.place = type(self).opened()
        self.boxes = [Box(box.address, box.name, box.aliases) for box in BOXES]
        self.everything: list[list[Kept]] = [[], []]  # gone ones too, as they came
        self.mailed: Counter[tuple[str, frozenset[str]]] = Counter()
        self.claims: list[tuple[int, Kept, dict[str, Any]]] = []
        self.sessions: list[tuple[Kept, str, bytes, File]] = []
        for number in (0, 1):
            for folder in self.boxes[number].folders:
                folder.key = self.get(number, f"mailFolders/{folder.known}").body["id"]
        self.look()
        self.furnish()

    def furnish(self) -> None:
        """What there is to begin with."""

    @property
    def waiting(self) -> int:
        """How many deliveries wait for a relay that takes nothing at the moment."""
        return 0

    def finish(self) -> None:
        """What is still to be done at the end."""

    def teardown(self) -> None:
        if self.place is None:
            return
        try:
            if self.agreed:
                for box in self.boxes:
                    for kept in box.messages:
                        kept.refiled = True
                self.finish()
        finally:
            for relay in self.place.relays.values():
                relay.gate.set()
            self.place.close()

    def get(self, number: int, path: str, **headers: str) -> Answer:
        assert self.place is not None
        return self.place.get(BOXES[number], path, **headers)

    # Choosing

    def message(self, number: int, pick: int) -> Kept | None:
        """Any message, or one of the last that are gone."""
        alive = self.boxes[number].messages
        gone = [each for each in self.everything[number] if each.gone and each.key][-2:]
        found = [each for each in alive if each.key] + gone
        return found[pick % len(found)] if found else None

    def folder(self, number: int, pick: int) -> Folder:
        """Those that mail is usually in, and a client's own, twice as often."""
        box = self.boxes[number]
        usual = [box.folder(known) for known in ("inbox", "drafts", "sentitems", "deleteditems", "archive")]
        made = [each for each in box.folders if not each.known and each.key]
        named = [each for each in box.folders if each.key]
        found = [*usual, *made, *named] if pick % 2 else [*usual, *made, *made]
        return found[pick // 2 % len(found)]

    def own_folder(self, number: int, pick: int) -> Folder | None:
        made = [each for each in self.boxes[number].folders if not each.known and each.key]
        return made[pick % len(made)] if made else None

    def at(self, number: int, kept: Kept, style: int) -> tuple[str, Callable[[], None]]:
        """A path to a message in one of four ways; and a check that raises when it leads nowhere any more."""
        bound, folder = kept.bound, kept.folder
        by_bound, in_folder = bool(style & 1) and bool(bound), bool(style & 2) and not kept.gone

        def check() -> None:
            if kept.gone or (by_bound and (kept.moved or kept.bound != bound)):
                raise not_found()
            if in_folder and kept.folder is not folder:
                raise not_found()

        path = f"messages/{bound if by_bound else kept.key}"
        return (f"mailFolders/{folder.key}/{path}" if in_folder else path), check

    # Running

    def run(self, number: int, *steps: Step | None) -> None:
        for step in steps:
            if step is not None:
                assert self.place is not None
                self.settle(number, step, self.place.ask(BOXES[number], step.ask))
                self.look()

    def run_batch(self, number: int, steps: list[Step], *, chained: bool) -> None:
        assert self.place is not None
        answers = self.place.batch(BOXES[number], [each.ask for each in steps], chained=chained)
        failed = False
        for step, answer in zip(steps, answers, strict=True):
            if failed and chained:
                assert answer.error == (424, "FailedDependency")
            else:
                failed = not self.settle(number, step, answer)
        self.claims.clear()  # what a later part did is not in the answer to an earlier one
        self.look()

    def settle(self, number: int, step: Step, answer: Answer) -> bool:
        """The model's step, and whether the server took it as the model did."""
        self.agreed = False
        try:
            done = step.act()
        except Refused as refused:
            is_refused(answer, refused)
            return False
        assert answer.status == done.status, (step.ask, answer)
        if done.folder is not None:
            done.folder.key = done.folder.key or answer.body["id"]
            assert answer.body["id"] == done.folder.key
            assert answer.body["displayName"] == done.folder.name
        if done.kept is not None:
            if step.ask.headers.get("Prefer") == IMMUTABLE:
                assert done.kept.key in ("", answer.body["id"])
                done.kept.key = answer.body["id"]
            elif not done.kept.key:
                done.kept.bound = answer.body["id"]
            self.claims.append((number, done.kept, answer.body))
        return True

    # Comparing

    def look(self) -> None:
        """Compare all that is shown, and learn what only the server knows."""
        assert self.place is not None
        self.agreed = False
        self.place.deliver(self.waiting)
        self._look_at_relays()
        for number in (0, 1):
            self._look_at_folders(number)
            self._look_at_messages(number)
            for bound in self.boxes[number].dead[-3:]:
                assert self.get(number, f"messages/{bound}").error == (404, "ErrorItemNotFound")
        for number, kept, body in self.claims:
            if not kept.gone:
                self._check_claim(number, kept, body)
        self.claims.clear()
        self.agreed = True

    def _look_at_relays(self) -> None:
        """Each message came once, to whom it was meant for, and tells nobody of the hidden ones."""
        assert self.place is not None
        taken: Counter[tuple[str, frozenset[str]]] = Counter()
        for domain, relay in self.place.relays.items():
            for _, envelope, data in relay.taken:
                taken[domain, frozenset(address.lower() for address in envelope.recipients)] += 1
                assert b"\r\nbcc:" not in data.partition(b"\r\n\r\n")[0].lower()
        assert taken == self.mailed

    def _look_at_folders(self, number: int) -> None:
        box = self.boxes[number]
        root = self.get(number, "mailFolders/msgfolderroot").body
        shown = self._tree(number, self.get(number, f"mailFolders?{TREE}").values)
        by_place = {(each["parentFolderId"], each["displayName"]): each for each in shown}
        for folder in box.folders:  # a parent stands before what was copied with it
            if not folder.key:
                assert folder.parent is not None
                folder.key = by_place[folder.parent.key, folder.name]["id"]
        found = {each["id"]: folder_shown(each) for each in [root, *shown]}
        assert found == {folder.key: self.folder_meant(box, folder) for folder in box.folders}

    def _tree(self, number: int, shown: list[dict[str, Any]], depth: int = 1) -> list[dict[str, Any]]:
        """All folders below; what an answer does not reach is asked for."""
        found = []
        for each in shown:
            below = each.get("childFolders")
            if below is None:
                path = f"mailFolders/{each['id']}/childFolders?{TREE}"
                below = self.get(number, path).values
            found += [each, *self._tree(number, below, depth + 1)]
        return found

    def folder_meant(self, box: Box, folder: Folder) -> tuple[Any, ...]:
        inside = box.inside(folder)
        return (
            folder.name,
            (folder.parent or folder).key,
            folder.hidden,
            sum(not each.hidden for each in box.children(folder)),
            len(inside),
            sum(not each.seen["isRead"] for each in inside),
        )

    def _look_at_messages(self, number: int) -> None:
        box = self.boxes[number]
        known = {kept.key: kept for kept in box.messages if kept.key}
        fresh = [kept for kept in box.messages if not kept.key]
        strange = []
        rows = self._rows(number)
        for key, bound, entity in rows:
            kept = known.get(key) or next((each for each in fresh if each.bound == bound), None)
            if kept is None:
                strange.append((key, bound, entity))
            else:
                self._learn(number, kept, key, bound, entity)
        fresh = [kept for kept in fresh if not kept.key]
        for key, bound, entity in strange:
            files = self._files(number, bound)
            kept = next((each for each in fresh if _fits(each, entity, files)), None)
            assert kept is not None, (
                "nobody expects this",
                entity["subject"],
                _nearest(fresh, entity, files),
            )
            fresh.remove(kept)
            self._learn(number, kept, key, bound, entity)
        assert not fresh, ("these are missing", [(each.folder.name, each.seen) for each in fresh])
        assert {key for key, _, _ in rows} == {kept.key for kept in box.messages}

    def _rows(self, number: int) -> list[tuple[str, str, dict[str, Any]]]:
        """Immutable id, folder-bound id and entity of every message; the newest come first."""
        rows = []
        for path in ("messages", "mailFolders/recoverableitemsdeletions/messages"):
            stable = self.get(number, f"{path}?$top=1000", Prefer=f"{HTML_SHOWN}, {IMMUTABLE}").values
            bound = self.get(number, f"{path}?$top=1000&$select=receivedDateTime").values
            times = [each["receivedDateTime"] for each in bound]
            assert times == sorted(times, reverse=True)
            rows += [(a["id"], b["id"], a) for a, b in zip(stable, bound, strict=True)]
        return rows

    def _learn(self, number: int, kept: Kept, key: str, bound: str, entity: dict[str, Any]) -> None:
        box = self.boxes[number]
        if kept not in self.everything[number]:
            self.everything[number].append(kept)
        assert entity["parentFolderId"] == kept.folder.key, kept.folder.name
        shown = {name: value for name, value in entity.items() if name not in VOLATILE}
        wrong = {name: (shown[name], value) for name, value in kept.seen.items() if shown[name] != value}
        assert not wrong, ("shown, and meant", wrong)
        kept.seen = shown
        tag, modified = entity["changeKey"], entity["lastModifiedDateTime"]
        assert entity["@odata.etag"] == f'W/"{tag}"'
        assert kept.key in ("", key)
        if kept.tag:
            assert (kept.bound != bound) is kept.moved
            assert (kept.tag != tag) is kept.touched, (
                kept.tag,
                tag,
                kept.folder.name,
                kept.later,
                kept.waits,
                kept.mime,
                kept.seen,
            )
            assert (kept.modified < modified) is kept.touched
        if kept.moved and kept.bound:
            box.dead.append(kept.bound)
        kept.key, kept.bound, kept.tag, kept.modified = key, bound, tag, modified
        if kept.refiled or (kept.moved and kept.files):
            files = self._files(number, bound)
            assert _same_files(kept.files, files), (kept.files, files)
            kept.files = tuple(file for _, file in files)
            kept.file_keys = tuple(each for each, _ in files)
        if kept.touched and kept.answered:
            assert self._verb(number, key) == kept.answered
        kept.moved = kept.touched = kept.refiled = False

    def _verb(self, number: int, key: str) -> str:
        query = "$expand=singleValueExtendedProperties($filter=id eq 'Integer 0x1081')"
        properties = self.get(number, f"messages/{key}?{query}").body["singleValueExtendedProperties"]
        return str(properties[0]["value"])

    def _files(self, number: int, bound: str) -> list[tuple[str, File]]:
        found = []
        for each in self.get(number, f"messages/{bound}/attachments").values:
            path = f"messages/{bound}/attachments/{each['id']}"
            data = self.get(number, f"{path}/$value").body or b""
            is_file = each["@odata.type"] == "#microsoft.graph.fileAttachment"
            if is_file:
                assert base64.b64decode(each["contentBytes"]) == data
            assert each["size"] == len(data)
            kind = each["@odata.type"].removeprefix("#microsoft.graph.").removesuffix("Attachment")
            found.append(
                (
                    each["id"],
                    File(
                        each["name"],
                        each["contentType"] or "",
                        sha256(data).hexdigest(),
                        each["isInline"],
                        each.get("contentId") or "",
                        kind,
                    ),
                )
            )
        return found

    def _check_claim(self, number: int, kept: Kept, body: dict[str, Any]) -> None:
        """What an operation answered is what a reader finds."""
        assert body["id"] in (kept.key, kept.bound)
        assert body["changeKey"] == kept.tag
        claimed = {name: value for name, value in body.items() if name in kept.seen and name != "body"}
        assert claimed == {name: value for name, value in kept.seen.items() if name != "body"}


def is_refused(answer: Answer, refused: Refused) -> None:
    assert answer.error == refused.error


def _fits(kept: Kept, entity: dict[str, Any], files: list[tuple[str, File]]) -> bool:
    return (
        kept.folder.key == entity["parentFolderId"]
        and all(entity[name] == value for name, value in kept.seen.items())
        and _same_files(kept.files, files)
    )


def _nearest(fresh: list[Kept], entity: dict[str, Any], files: list[tuple[str, File]]) -> list[Any]:
    """What is different about each message that is expected."""
    return [
        (
            each.folder.key == entity["parentFolderId"],
            {name: (entity[name], value) for name, value in each.seen.items() if entity[name] != value},
            _same_files(each.files, files) or (files, each.files),
        )
        for each in fresh
    ]


def _same_files(meant: tuple[File, ...], found: list[tuple[str, File]]) -> bool:
    return UNKNOWN in meant or list(meant) == [file for _, file in found]


def folder_shown(each: dict[str, Any]) -> tuple[Any, ...]:
    names = ("displayName", "parentFolderId", "isHidden", "childFolderCount", "totalItemCount")
    return (*(each[name] for name in names), each["unreadItemCount"])
