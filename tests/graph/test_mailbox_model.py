"""A mailbox and a model of it in plain Python, driven by the same operations, never disagree."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from tests.delivery.post import open_sqlite
from tests.graph.study import Answer, Study, to

FOLDERS = ("drafts", "inbox", "archive", "sentitems", "deleteditems", "recoverableitemsdeletions")
DESTINATIONS = st.sampled_from(("inbox", "SentItems", "DRAFTS", "deleteditems"))
SUBJECTS = st.sampled_from(("", "Lunch", "Größe", "RE: Lunch"))
PEOPLE = st.lists(st.sampled_from(("zoe@one.test", "ZOE@ONE.TEST", "bo@two.test")), max_size=2)
IMPORTANCE = st.sampled_from(("low", "normal", "high"))
CATEGORIES = st.lists(st.sampled_from(("Red", "Blue")), max_size=2)
IMMUTABLE = {"prefer": 'IdType="ImmutableId"'}


@dataclass(frozen=True)
class Kept:
    """A message as the model knows it."""

    folder: str
    subject: str
    people: tuple[str, ...]
    importance: str = "normal"
    categories: tuple[str, ...] = ()
    is_read: bool = True
    is_draft: bool = True
    tag: str = ""  # of its present version
    bound: str = ""  # its present folder-bound id


class MailboxMachine(RuleBasedStateMachine):
    """Messages go by their immutable ids; each old folder-bound id is remembered, because it must be dead."""

    messages: Bundle[str] = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.model: dict[str, Kept] = {}
        self.dead: list[str] = []
        self.sent = 0

    @initialize()
    def open(self) -> None:
        async def begin() -> Study:
            study = Study(open_sqlite(self.folder), self.folder)
            await study.furnish()
            return study

        self.study = self.runner.run(begin())

    def teardown(self) -> None:
        if hasattr(self, "study"):
            self.runner.run(self.study.store.close())
            self.study.office.log.close()
        self.runner.close()
        shutil.rmtree(self.folder)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return self.runner.run(self.study.ask(method, path, body, **headers))

    def took_place(self, key: str, kept: Kept, answer: Answer | None = None) -> None:
        """The model's message is now that; its entity is looked at under both ids."""
        if (before := self.model.get(key)) and before.folder != kept.folder:
            self.dead.append(before.bound)
        found = self.ask("GET", f"messages/{key}").json
        self.model[key] = replace(kept, tag=found["@odata.etag"], bound=found["id"])
        if answer is not None:
            assert answer.json["@odata.etag"] == found["@odata.etag"]

    @rule(
        target=messages,
        folder=st.sampled_from(("", "Inbox", "archive")),
        subject=SUBJECTS,
        people=PEOPLE,
        read=st.booleans(),
    )
    def create(self, folder: str, subject: str, people: list[str], read: bool) -> str:
        path = f"mailFolders/{folder}/messages" if folder else "messages"
        body = {"subject": subject, "toRecipients": to(*people), "isRead": read}
        answer = self.ask("POST", path, body, **IMMUTABLE)
        assert answer.status == 201
        self.took_place(
            answer.id, Kept(folder.lower() or "drafts", subject, tuple(people), is_read=read), answer
        )
        return answer.id

    @rule(
        key=messages,
        fields=st.fixed_dictionaries(
            {},
            optional={
                "subject": SUBJECTS,
                "toRecipients": PEOPLE,
                "importance": IMPORTANCE,
                "categories": CATEGORIES,
                "isRead": st.booleans(),
            },
        ),
        condition=st.sampled_from(("", "*", "right", "wrong")),
    )
    def patch(self, key: str, fields: dict[str, Any], condition: str) -> None:
        kept = self.model.get(key)
        tag = kept.tag if kept and condition == "right" else 'W/"x"' if condition == "wrong" else condition
        body = {name: to(*value) if name == "toRecipients" else value for name, value in fields.items()}
        answer = self.ask("PATCH", f"messages/{key}", body, **({"if_match": tag} if tag else {}))
        if kept is None:
            assert answer.status == 404
        elif condition == "wrong":
            assert answer.error == (412, "ErrorIrresolvableConflict")
        elif not kept.is_draft and not {"subject", "toRecipients"}.isdisjoint(fields):
            assert answer.error == (403, "ErrorAccessDenied")
        else:
            assert answer.status == 200
            self.took_place(key, patched(kept, fields), answer)

    @rule(key=messages, destination=DESTINATIONS)
    def move(self, key: str, destination: str) -> None:
        answer = self.ask("POST", f"messages/{key}/move", {"destinationId": destination})
        kept = self.model.get(key)
        assert answer.status == (201 if kept else 404)
        if kept:
            self.took_place(key, replace(kept, folder=destination.lower()), answer)

    @rule(target=messages, key=messages, destination=DESTINATIONS)
    def copy(self, key: str, destination: str) -> str:
        answer = self.ask("POST", f"messages/{key}/copy", {"DestinationId": destination}, **IMMUTABLE)
        kept = self.model.get(key)
        if kept is None:
            assert answer.status == 404
            return key
        assert answer.status == 201
        assert answer.id not in self.model
        self.took_place(answer.id, replace(kept, folder=destination.lower()), answer)
        return answer.id

    @rule(key=messages)
    def delete(self, key: str) -> None:
        answer, kept = self.ask("DELETE", f"messages/{key}"), self.model.get(key)
        assert answer.status == (204 if kept else 404)
        if kept and kept.folder == "recoverableitemsdeletions":
            self.gone(key)
        elif kept:
            is_deleted = kept.folder == "deleteditems"
            self.took_place(key, replace(kept, folder=FOLDERS[5] if is_deleted else "deleteditems"))

    @rule(key=consumes(messages))
    def delete_for_good(self, key: str) -> None:
        answer = self.ask("POST", f"messages/{key}/permanentDelete")
        assert answer.status == (204 if key in self.model else 404)
        if key in self.model:
            self.gone(key)

    @rule(key=messages, by_bound_id=st.booleans())
    def send(self, key: str, by_bound_id: bool) -> None:
        kept = self.model.get(key)
        answer = self.ask("POST", f"messages/{kept.bound if kept and by_bound_id else key}/send")
        if kept is None or not kept.is_draft:
            assert answer.error == (404, "ErrorItemNotFound")
        elif not kept.people:
            assert answer.error == (400, "ErrorInvalidRecipients")
        else:
            assert answer.status == 202
            self.dead.append(kept.bound)
            self.sent += len({address.lower().partition("@")[2] for address in kept.people})
            self.took_place(key, replace(kept, folder="sentitems", is_draft=False, is_read=True))

    def gone(self, key: str) -> None:
        self.dead.append(self.model.pop(key).bound)

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "study"):
            return
        for folder in FOLDERS:
            kept = [each for each in self.model.values() if each.folder == folder]
            entity = self.ask("GET", f"mailFolders/{folder}").json
            unread = sum(not each.is_read for each in kept)
            assert (entity["totalItemCount"], entity["unreadItemCount"]) == (len(kept), unread), folder
            found = self.ask("GET", f"mailFolders/{folder}/messages", query="$top=999").json["value"]
            assert sorted(map(shown, found)) == sorted(map(expected, kept)), folder
        listed = self.ask("GET", "messages", query="$top=999&$select=id").json["value"]
        visible = {each.bound for each in self.model.values() if each.folder != FOLDERS[5]}
        assert {message["id"] for message in listed} == visible
        assert len(self.runner.run(self.study.office.queue())) == self.sent

    @invariant()
    def dead_ids_stay_dead(self) -> None:
        for bound in self.dead[-3:]:
            assert self.ask("GET", f"messages/{bound}").error == (404, "ErrorItemNotFound")


def patched(kept: Kept, fields: dict[str, Any]) -> Kept:
    return replace(
        kept,
        subject=fields.get("subject", kept.subject),
        people=tuple(fields.get("toRecipients", kept.people)),
        importance=fields.get("importance", kept.importance),
        categories=tuple(fields.get("categories", kept.categories)),
        is_read=fields.get("isRead", kept.is_read),
    )


def expected(kept: Kept) -> tuple[Any, ...]:
    return (
        kept.bound,
        kept.tag,
        kept.subject,
        kept.people,
        kept.importance,
        kept.categories,
        kept.is_read,
        kept.is_draft,
    )


def shown(message: dict[str, Any]) -> tuple[Any, ...]:
    return (
        message["id"],
        message["@odata.etag"],
        message["subject"],
        tuple(each["emailAddress"]["address"] for each in message["toRecipients"]),
        message["importance"],
        tuple(message["categories"]),
        message["isRead"],
        message["isDraft"],
    )


TestMailbox = MailboxMachine.TestCase
TestMailbox.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMailbox.pytestmark = [pytest.mark.slow]
