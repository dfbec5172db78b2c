"""The server and the model of a mailbox, driven by the same random operations, never disagree.

Every operation is a Step: what is asked, and what it does to the model (or the refusal it gets).  Steps run one by one or
as a batch.  After each, everything that both mailboxes show is compared.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.model import asking
from tests.model.asking import FILTERS, ORDERS, SUBJECTS, Filter, Order
from tests.model.mailbox import (
    UNFLAGGED,
    UNKNOWN,
    Box,
    File,
    Folder,
    Kept,
    Refused,
    addresses,
    answer_recipients,
    arrived,
    nobody,
    not_found,
    prefixed,
    recipient,
    recipients,
    report,
)
from tests.model.place import BOXES, IMMUTABLE, Answer, Ask, Place

PICK = st.integers(0, 10_000)
BOX = st.integers(0, 1)
NAMES = ("a", "A", "b", "Übung", "übung", "Inbox", "x" * 255)
PEOPLE = (
    *("zoe@one.test", "ZOE@ONE.TEST", "bo@two.test", "cy@elsewhere.example", "nobody@contoso.test"),
    *("AdeleV@contoso.com", "adele@contoso.com", "AlexW@contoso.com"),
)
SOMEBODY = st.builds(recipient, st.sampled_from(PEOPLE), st.sampled_from(("", "Zoë, the first", 'Bo "B" O')))
CROWD = st.lists(SOMEBODY, max_size=3)
PREVIEWS = {
    "Soup.": "Soup.",
    "": "",
    "One line\r\nand another": "One line\r\nand another",
    "<p>Soup &amp; <b>fish</b></p>": "Soup & fish",
    '<p>Look</p><img src="cid:logo@x">': "Look",
}
BODIES = st.sampled_from(tuple(PREVIEWS)).map(
    lambda text: {"contentType": "html" if text.startswith("<") else "text", "content": text}
)
PAGE = (
    '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>{}</body></html>'
)
PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    "subject": st.sampled_from(SUBJECTS),
    "body": BODIES,
    "toRecipients": CROWD,
    "ccRecipients": CROWD,
    "bccRecipients": CROWD,
    "replyTo": st.lists(SOMEBODY, max_size=1),
    "importance": st.sampled_from(("low", "normal", "high")),
    "categories": st.lists(st.sampled_from(("Red", "Blue", "Größe")), max_size=2, unique=True),
    "isRead": st.booleans(),
    "flag": st.sampled_from(("notFlagged", "complete", "flagged")).map(lambda word: {"flagStatus": word}),
    "inferenceClassification": st.sampled_from(("focused", "other")),
    "isReadReceiptRequested": st.booleans(),
    "isDeliveryReceiptRequested": st.booleans(),
    "internetMessageId": st.sampled_from(("<mine@one.test>", "<other.1@two.test>")),
}
NEW = st.fixed_dictionaries({}, optional=PROPERTIES)
UNSET = {
    "subject": "",
    "body": {"contentType": "text", "content": ""},
    "toRecipients": [],
    "ccRecipients": [],
    "bccRecipients": [],
    "replyTo": [],
    "importance": "normal",
    "categories": [],
    "isRead": True,
    "flag": UNFLAGGED,
    "inferenceClassification": "focused",
    "isReadReceiptRequested": False,
    "isDeliveryReceiptRequested": None,
    "from": None,
    "sender": None,
}
GIVEN = {
    "a.txt": ("text/plain", False, "", b"hello"),
    "größe.bin": ("application/octet-stream", False, "", bytes(range(256)) * 30),
    "logo.png": ("image/png", True, "logo@x", b"\x89PNG picture"),
    "empty.csv": ("text/csv", False, "", b""),
    "large.bin": ("application/octet-stream", False, "", b"\0\x01large" * 20_000),
}
FILE = st.sampled_from(sorted(GIVEN))
FILES = st.lists(FILE, max_size=2)
MIMES = {
    "plain": b"From: AdeleV@contoso.com\r\nTo: zoe@one.test, adele@contoso.com\r\nBcc: bo@two.test\r\n"
    b"Subject: From MIME\r\nMessage-ID: <mime@one.test>\r\nImportance: high\r\n\r\nSoup.\r\n",
    "parts": b"From: Bo <bo@two.test>\r\nTo: AlexW@contoso.com\r\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="m"\r\n\r\n--m\r\n'
    b"Content-Type: text/html\r\n\r\n<p>Soup</p>\r\n"
    b'--m\r\nContent-Type: text/csv; name="a.csv"\r\nContent-Disposition: attachment; filename=a.csv\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nYSxiCg==\r\n--m--\r\n",
}
IN_REPORTS = {"message/delivery-status", "text/rfc822-headers"}
CSV = File("a.csv", "text/csv", sha256(b"a,b\n").hexdigest())
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


class MailboxMachine(RuleBasedStateMachine):
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
        """Something to begin with in each mailbox: mail that was sent and received, and drafts."""
        for number, other in ((0, 1), (1, 0)):
            given = {"subject": "Lunch", "toRecipients": [recipient(self.boxes[other].address)]}
            self.run(number, self.send_mail_step(number, given, ["a.txt", "logo.png"], True))
            self.run(number, self.create_step(number, {**given, "importance": "high"}, [], None, True))
            self.create_from_mime(number, "parts", 1)

    def teardown(self) -> None:
        if self.place is not None:
            try:
                if not self.agreed:
                    return
                for number in (0, 1):
                    for kept in self.boxes[number].messages:
                        kept.refiled = True
                self.look()
            finally:
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

    @invariant()
    def mail_is_delivered_as_it_was_meant(self) -> None:
        if self.place is None:
            return
        taken = Counter(
            (domain, frozenset(address.lower() for address in envelope.recipients))
            for domain, relay in self.place.relays.items()
            for _, envelope, _ in relay.taken
        )
        assert taken == self.mailed

    def look(self) -> None:
        """Compare all that is shown, and learn what only the server knows."""
        assert self.place is not None
        self.agreed = False
        self.place.deliver()
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

    def _look_at_folders(self, number: int) -> None:
        box = self.boxes[number]
        root = self.get(number, "mailFolders/msgfolderroot").body
        shown = self._tree(number, self.get(number, f"mailFolders?{TREE}").values)
        by_place = {(each["parentFolderId"], each["displayName"]): each for each in shown}
        for folder in box.folders:  # a parent stands before what was copied with it
            if not folder.key:
                assert folder.parent is not None
                folder.key = by_place[folder.parent.key, folder.name]["id"]
        found = {each["id"]: _folder_shown(each) for each in [root, *shown]}
        assert found == {folder.key: self._folder_meant(box, folder) for folder in box.folders}

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

    def _folder_meant(self, box: Box, folder: Folder) -> tuple[Any, ...]:
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
            assert kept is not None, ("nobody expects this", entity["subject"], _nearest(fresh, entity, files))
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
            assert (kept.tag != tag) is kept.touched
            assert (kept.modified < modified) is kept.touched
        if kept.moved and kept.bound:
            box.dead.append(kept.bound)
        kept.key, kept.bound, kept.tag, kept.modified = key, bound, tag, modified
        if kept.refiled or (kept.moved and kept.files):
            files = self._files(number, bound)
            assert _same_files(kept.files, files), (kept.files, files)
            kept.files = tuple(file for _, file in files)
            kept.file_keys = tuple(each for each, _ in files)
        kept.moved = kept.touched = kept.refiled = False

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

    # Writing messages

    def create_step(
        self, number: int, given: dict[str, Any], files: list[str], folder: Folder | None, stable: bool
    ) -> Step:
        box = self.boxes[number]
        body = {**given, **({"attachments": list(map(_attachment, files))} if files else {})}

        def act() -> Done:
            place = folder or box.folder("drafts")
            seen = {**UNSET, **given, "isDraft": True}
            return Done(201, box.keep(Kept(place, _completed(seen, files), _meant(files))))

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
            seen = _mime_seen(which) | {"isDraft": True, "isRead": True}
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
                changed = _completed(changed)
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

    # Sending

    def leave(self, number: int, kept: Kept) -> None:
        """The model's mail on its way: to relays, to Inboxes, and reports back to the sender."""
        box, local, asks = self.boxes[number], list[Box](), kept.seen["isDeliveryReceiptRequested"]
        hops: dict[str, set[str]] = {}
        for address in recipients(kept.seen):
            owner = next((each for each in self.boxes if each.owns(address)), None)
            hop = "local" if owner else address.lower().partition("@")[2]
            hops.setdefault(hop, set()).add(address.lower())
            if owner and owner not in local:
                local.append(owner)
        for hop, people in hops.items():
            if hop in ("one.test", "two.test"):
                self.mailed[hop, frozenset(people)] += 1
        for owner in local:
            owner.messages.append(arrived(kept, owner.folder("inbox")))
        reports = ["Undeliverable"] if "contoso.test" in hops else []
        if asks:
            reports += ["Delivered"] * ("local" in hops)
            reports += ["Relayed"] * sum(hop in hops for hop in ("one.test", "two.test"))
        subject = kept.seen["subject"]
        for word in reports:
            box.messages.append(report(f"{word}: {subject}".strip(), box.folder("inbox")))

    def send_step(self, number: int, pick: int, style: int) -> Step | None:
        if (kept := self.message(number, pick)) is None:
            return None
        box = self.boxes[number]
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            if kept.is_draft and any(recipients(kept.seen)) and not self.may_send(box, kept):
                raise Refused(403, "ErrorSendAsDenied")
            box.send(kept)
            if not kept.mime:
                author = kept.seen["from"] or kept.seen["sender"]
                own = recipient(author["emailAddress"]["address"], box.name) if author else box.own
                kept.show(**{"from": own, "sender": own})
            self.leave(number, kept)
            return Done(202)

        return Step(Ask("POST", f"{path}/send"), act, ends=True)

    def may_send(self, box: Box, kept: Kept) -> bool:
        return all(
            box.owns(each) for each in addresses(filter(None, (kept.seen["from"], kept.seen["sender"])))
        )

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3))
    def send(self, number: int, pick: int, style: int) -> None:
        self.run(number, self.send_step(number, pick, style))

    def send_mail_step(
        self, number: int, given: dict[str, Any], files: list[str], saves: bool | None
    ) -> Step:
        box = self.boxes[number]
        message = {**given, **({"attachments": list(map(_attachment, files))} if files else {})}

        def act() -> Done:
            if not recipients({**UNSET, **given}):
                raise nobody()
            author = {"from": box.own, "sender": box.own}
            seen = {**UNSET, **given, **author, "isDraft": False, "isRead": True}
            kept = Kept(box.folder("sentitems"), _completed(seen, files), _meant(files))
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
            answer = box.keep(Kept(place, seen, files))
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

    # Attachments

    @rule(number=BOX, pick=PICK, style=st.integers(0, 3), name=FILE)
    def attach(self, number: int, pick: int, style: int, name: str) -> None:
        if (kept := self.message(number, pick)) is None:
            return
        path, check = self.at(number, kept, style)

        def act() -> Done:
            check()
            self.attached(kept, _meant([name])[0])
            return Done(201)

        self.run(number, Step(Ask("POST", f"{path}/attachments", _attachment(name)), act))

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

    # Folders

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

    # Batches

    @rule(number=BOX, data=st.data(), chained=st.booleans())
    def several_at_once(self, number: int, data: st.DataObject, chained: bool) -> None:
        """Up to five operations in a batch; independent ones are of different messages, because they may swap."""
        kinds = data.draw(
            st.lists(
                st.sampled_from(("patch", "move", "copy", "delete", "create", "send", "mail")), max_size=5
            )
        )
        steps: list[Step] = []
        taken: set[int] = set()
        for kind in kinds:
            pick = data.draw(PICK)
            kept = self.message(number, pick)
            if not chained and kind in ("patch", "move", "copy", "delete", "send"):
                if kept is None or id(kept) in taken:
                    continue
                taken.add(id(kept))
            step = self._part(number, kind, pick, data)
            if step is not None:
                steps.append(step)
            if step is not None and step.ends:
                break
        if steps and (chained or len(steps) == 1 or not steps[-1].ends):
            self.run_batch(number, steps, chained=chained)

    def _part(self, number: int, kind: str, pick: int, data: st.DataObject) -> Step | None:
        style, place = data.draw(st.integers(0, 3)), data.draw(PICK)
        match kind:
            case "patch":
                fields = data.draw(st.fixed_dictionaries({}, optional=PROPERTIES))
                return self.patch_step(number, pick, style, fields, data.draw(st.sampled_from(("", "right"))))
            case "move":
                return self.move_step(number, pick, style, place, True)
            case "copy":
                return self.copy_step(number, pick, style, place)
            case "delete":
                return self.delete_step(number, pick, style, for_good=place % 4 == 0)
            case "send":
                return self.send_step(number, pick, style)
            case "mail":
                return self.send_mail_step(number, data.draw(NEW), [], None)
        return self.create_step(number, data.draw(NEW), [], self.folder(number, place), True)

    # Asking

    @rule(
        number=BOX,
        place=st.none() | PICK,
        wanted=st.none() | FILTERS,
        order=ORDERS,
        page=st.integers(1, 4),
        skip=st.integers(0, 3),
        counted=st.booleans(),
    )
    def ask_for_some(
        self,
        number: int,
        place: int | None,
        wanted: Filter | None,
        order: Order,
        page: int,
        skip: int,
        counted: bool,
    ) -> None:
        """A filter, an order, and all pages of it."""
        box = self.boxes[number]
        folder = None if place is None else self.folder(number, place)
        among = box.listed() if folder is None else box.inside(folder)
        meant = [kept for kept in among if wanted is None or wanted.means(kept)]
        scope = "messages" if folder is None else f"mailFolders/{folder.key}/messages"
        query = [f"$top={page}", f"$skip={skip}", "$select=subject,isRead"]
        query += [f"$filter={wanted.text}"] if wanted else []
        query += [f"$orderby={asking.order_text(order)}"] if order else []
        query += ["$count=true"] if counted else []
        found: list[str] = []
        answer = self.get(number, f"{scope}?{'&'.join(query)}", Prefer=IMMUTABLE)
        while True:
            values = answer.values
            assert answer.body.get("@odata.count") == (len(meant) if counted else None)
            assert len(values) <= page
            found += [each["id"] for each in values]
            link = answer.body.get("@odata.nextLink")
            if link is None:
                break
            assert len(values) == page
            assert self.place is not None
            answer = self.place.follow(BOXES[number], link, Prefer=IMMUTABLE)
        by_key = {kept.key: kept for kept in meant}
        key = asking.sort_key(order, filtered=wanted is not None)
        assert len(set(found)) == len(found) == max(0, len(meant) - skip)
        assert [key(by_key[each]) for each in found] == sorted(map(key, meant))[skip:]
        if wanted is not None:
            total = self.get(number, f"{scope}/$count?$filter={wanted.text}")
            assert total.body == str(len(meant)).encode()

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
        digests = [sha256(each.get_payload(decode=True)).hexdigest() for each in carried]
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


def is_refused(answer: Answer, refused: Refused) -> None:
    assert answer.error == refused.error


def _attachment(name: str) -> dict[str, Any]:
    content_type, inline, content_id, data = GIVEN[name]
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": name,
        "contentType": content_type,
        "isInline": inline,
        "contentId": content_id,
        "contentBytes": base64.b64encode(data).decode(),
    }


def _meant(files: list[str]) -> tuple[File, ...]:
    return tuple(
        File(name, content_type, sha256(data).hexdigest(), inline, content_id)
        for name, (content_type, inline, content_id, data) in ((each, GIVEN[each]) for each in files)
    )


def _completed(seen: dict[str, Any], files: list[str] | None = None) -> dict[str, Any]:
    """With what follows from body and attachments; HTML is shown as a page."""
    body = dict(seen["body"])
    preview = PREVIEWS[body["content"]]
    if body["contentType"] == "html":
        body["content"] = PAGE.format(body["content"])
    more = {} if files is None else {"hasAttachments": any(not GIVEN[each][1] for each in files)}
    return {**seen, "body": body, "bodyPreview": preview, **more}


def _mime_seen(which: str) -> dict[str, Any]:
    if which == "plain":
        author = recipient("AdeleV@contoso.com")
        return {
            "subject": "From MIME",
            "from": author,
            "sender": author,
            "toRecipients": [recipient("zoe@one.test"), recipient("adele@contoso.com")],
            "bccRecipients": [recipient("bo@two.test")],
            "importance": "high",
            "internetMessageId": "<mime@one.test>",
            "hasAttachments": False,
        }
    author = recipient("bo@two.test", "Bo")
    return {
        "subject": "Größe",
        "from": author,
        "sender": author,
        "toRecipients": [recipient("AlexW@contoso.com")],
        "hasAttachments": True,
    }


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


def _folder_shown(each: dict[str, Any]) -> tuple[Any, ...]:
    names = ("displayName", "parentFolderId", "isHidden", "childFolderCount", "totalItemCount")
    return (*(each[name] for name in names), each["unreadItemCount"])
