"""Delta queries over the wire, and clients whose copies are the folder whatever happens meanwhile."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.client import eventually
from tests.conformance.conftest import SETTINGS
from tests.conformance.syncing import Replica, asking
from tests.conformance.targets import ADELE, ALEX, OwnTarget
from tests.conformance.wire import Answer

from graphpost.testing.server import running_server

IMMUTABLE = 'IdType="ImmutableId"'
BOX = f"/v1.0/users/{ADELE}"
TO = [{"emailAddress": {"address": "zoe@remote.example"}}]
_names = itertools.count(1)


def ask(own: OwnTarget, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    return asking(own.wire, own.token("reader"))(method, path, body, headers)


def new_folder(own: OwnTarget, box: str = BOX) -> str:
    """The path of a new folder."""
    made = ask(own, "POST", f"{box}/mailFolders", {"displayName": f"Sync {next(_names)}"})
    assert made.status == 201, made.body
    return f"{box}/mailFolders/{made.json['id']}"


def new_message(own: OwnTarget, folder: str, subject: str = "x") -> str:
    body = {"subject": subject, "toRecipients": TO, "body": {"contentType": "text", "content": subject}}
    made = ask(own, "POST", f"{folder}/messages", body)
    assert made.status == 201, made.body
    return str(made.json["id"])


@pytest.mark.parametrize(
    "spelling",
    ["delta", "delta()", "Delta", "microsoft.graph.delta()", "microsoft.graph.delta", "graph.delta()"],
)
def test_every_spelling_leads_from_round_to_round(own: OwnTarget, spelling: str) -> None:
    folder = new_folder(own)
    message = new_message(own, folder)
    replica = Replica(asking(own.wire, own.token("reader")), folder)
    replica.link = f"{folder}/messages/{spelling}?%24top=1"
    replica.settle()
    assert list(replica.entries) == [message]
    assert f"/messages/{spelling}?$deltatoken=" in replica.link
    replica.link = replica.link.replace("$", "%24")
    ask(own, "DELETE", f"{BOX}/messages/{message}")
    replica.settle()
    assert replica.entries == {}


def test_folders_are_told_of_with_every_spelling(own: OwnTarget) -> None:
    for spelling in ("delta", "delta()", "microsoft.graph.delta()"):
        link = following(own, ask(own, "GET", f"{BOX}/mailFolders/{spelling}?$top=100"))
        link, _ = told_of(own, link, new_folder(own))  # and of all that was made and deleted before it
        folder = new_folder(own)
        _, found = told_of(own, link, folder)
        assert found == [folder.rpartition("/")[2]]
        ask(own, "DELETE", folder)


def following(own: OwnTarget, answer: Answer) -> str:
    link: str = answer.json["@odata.deltaLink"]
    return link.removeprefix(own.server.url)


def told_of(own: OwnTarget, link: str, folder: str) -> tuple[str, list[str]]:
    """The next link and the ids of the round of changes that tells of that folder.

    On PostgreSQL what is under way elsewhere may hold it back.
    """
    found: list[str] = []

    def is_told() -> bool:
        nonlocal link
        answer = ask(own, "GET", link)
        link = following(own, answer)
        found[:] = [entry["id"] for entry in answer.json["value"]]
        return folder.rpartition("/")[2] in found

    eventually(is_told)
    return link, found


def test_refusals_have_graphs_form(own: OwnTarget) -> None:
    folder = new_folder(own)
    link = ask(own, "GET", f"{folder}/messages/delta").json["@odata.deltaLink"]
    token = link.rpartition("=")[2]
    others = f"/v1.0/users/{ALEX}/mailFolders/inbox/messages/delta?$deltatoken="
    assert ask(own, "GET", others + token).error[:2] == (410, "syncStateNotFound")
    assert ask(own, "GET", f"{BOX}/mailFolders/inbox/messages/delta?$deltatoken={token}").status == 410
    assert ask(own, "GET", others + "x").error[:2] == (400, "BadRequest")
    assert ask(own, "GET", f"{BOX}/messages/delta").error[:2] == (400, "BadRequest")
    ask(own, "DELETE", folder)
    assert ask(own, "POST", f"{folder}/permanentDelete").status == 204
    assert ask(own, "GET", f"{folder}/messages/delta?$deltatoken={token}").error[:2] == (
        404,
        "ErrorItemNotFound",
    )


class Syncing(RuleBasedStateMachine):
    """Two folders, and clients that follow the first and the second at their own pace."""

    own: ClassVar[OwnTarget]

    @initialize()
    def begin(self) -> None:
        self.first, self.second = new_folder(self.own), new_folder(self.own)
        wire = asking(self.own.wire, self.own.token("reader"))
        self.clients = [
            Replica(wire, self.first, query="$top=3"),
            Replica(wire, self.first, IMMUTABLE, "odata.maxpagesize=2"),
            Replica(wire, self.second),
        ]

    def teardown(self) -> None:
        if hasattr(self, "clients"):
            self.all_settle()
            for folder in (self.first, self.second):
                assert ask(self.own, "POST", f"{folder}/permanentDelete").status == 204

    def pick(self, number: int, folder: str) -> str:
        """The path of one of a folder's messages; a new one's when there is none."""
        found = ask(self.own, "GET", f"{folder}/messages?$select=id&$top=100").json["value"]
        chosen = found[number % len(found)]["id"] if found else new_message(self.own, folder)
        return f"{BOX}/messages/{chosen}"

    def place(self, is_first: bool) -> str:
        return self.first if is_first else self.second

    @rule(is_first=st.booleans(), number=st.integers(1, 5))
    def create(self, is_first: bool, number: int) -> None:
        for index in range(number):
            new_message(self.own, self.place(is_first), f"number {index}")

    @rule(is_first=st.booleans(), number=st.integers(0, 99), is_read=st.booleans())
    def patch(self, is_first: bool, number: int, is_read: bool) -> None:
        path = self.pick(number, self.place(is_first))
        assert ask(self.own, "PATCH", path, {"isRead": is_read, "subject": f"{number}"}).status == 200

    @rule(is_first=st.booleans(), to_first=st.booleans(), number=st.integers(0, 99))
    def move(self, is_first: bool, to_first: bool, number: int) -> None:
        self.bring("move", is_first, to_first, number)

    @rule(is_first=st.booleans(), to_first=st.booleans(), number=st.integers(0, 99))
    def copy(self, is_first: bool, to_first: bool, number: int) -> None:
        self.bring("copy", is_first, to_first, number)

    def bring(self, verb: str, is_first: bool, to_first: bool, number: int) -> None:
        path, target = self.pick(number, self.place(is_first)), self.place(to_first).rpartition("/")[2]
        assert ask(self.own, "POST", f"{path}/{verb}", {"destinationId": target}).status == 201

    @rule(number=st.integers(0, 99), for_good=st.booleans())
    def delete(self, number: int, for_good: bool) -> None:
        path = self.pick(number, self.first)
        method, end = ("POST", "/permanentDelete") if for_good else ("DELETE", "")
        assert ask(self.own, method, path + end).status == 204

    @rule(number=st.integers(0, 99))
    def send(self, number: int) -> None:
        assert ask(self.own, "POST", f"{self.pick(number, self.first)}/send").status == 202

    @rule(client=st.integers(0, 2))
    def take_a_page(self, client: int) -> None:
        self.clients[client].step()

    @rule(client=st.integers(0, 2))
    def settle(self, client: int) -> None:
        self.clients[client].settle()

    @rule()
    def all_settle(self) -> None:
        for client in self.clients:
            client.settle()


@pytest.mark.slow
def test_copies_are_the_folder_whatever_happens_meanwhile(own: OwnTarget) -> None:
    machine = type("Machine", (Syncing,), {"own": own})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_a_client_goes_on_after_a_restart(tmp_path: Path) -> None:
    replica: Replica | None = None
    for turn in range(3):
        with running_server(tmp_path, file=SETTINGS) as server:
            own = OwnTarget(server)
            wire = asking(own.wire, own.token("reader"))
            if replica is None:
                folder = new_folder(own)
                kept, *_ = [new_message(own, folder, f"first {number}") for number in range(7)]
                replica = Replica(wire, folder, query="$top=2", select="subject,isRead")
            replica.ask = wire
            replica.step()  # in the middle of a round at every end
            new_message(own, folder, f"turn {turn}")
            ask(own, "PATCH", f"{BOX}/messages/{kept}", {"isRead": turn % 2 == 0})
            if turn == 2:
                replica.settle()
                assert len(replica.entries) == 10
            own.wire.close()
